"""status, journal, conflict and mail: for people and as JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Place, join, new_office

from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    office = new_office(tmp_path, capsys)
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    return office


@pytest.fixture
def station(office: Place, capsys: pytest.CaptureFixture[str]) -> Place:
    """Köln, with everything that the host has, and nothing on its way."""
    station = join(office.folder, capsys)
    for place in (office, station, office, station, office):
        place.run()
    return station


def quarrel(office: Place, station: Place) -> None:
    """Both change the same column of the same row; the host's stands."""
    office.sql("UPDATE customers SET city = 'Bonn' WHERE id = 1")
    station.sql("UPDATE customers SET city = 'Aachen' WHERE id = 1")
    for place in (office, station, office, station):
        place.run()


# --- status -----------------------------------------------------------------------------------------------------------


def test_status_of_a_host(office: Place, station: Place) -> None:
    found = office.done("status", "--json").json
    assert (found["role"], found["name"], found["waits_for_a_person"]) == ("host", "Zentrale", False)
    assert found["position"] == [1, found["sequence"]]
    assert found["vector"] == {"Zentrale": found["sequence"], "Köln": 0}
    (link,) = found["links"]
    assert (link["joined"], link["enabled"], link["unacknowledged_bytes"], link["starts_anew"]) == (
        True,
        True,
        0,
        False,
    )
    assert link["heard_at"].startswith("20")
    office.sql("UPDATE customers SET city = 'Bonn' WHERE id = 1")
    station.sql("INSERT INTO customers VALUES (3, 'Cordes', NULL)")
    assert office.done("status", "--json").json["changes_captured"] is True
    assert "changes of the application to collect" in office.done("status").out
    station.run()
    office.run()
    found = office.done("status", "--json").json
    assert found["vector"]["Köln"] == 1
    assert found["links"][0]["unacknowledged_bytes"] > 0
    assert found["links"][0]["oldest_at"] is not None
    assert "Nothing waits for a person." in office.done("status").out


def test_status_of_a_station(office: Place, station: Place) -> None:
    found = station.done("status", "--json").json
    assert (found["role"], found["name"]) == ("station", "Köln")
    assert found["position"] == office.done("status", "--json").json["position"]
    assert [(link["name"], link["joined"]) for link in found["links"]] == [("Zentrale", True)]


def test_status_says_what_waits_for_a_person_until_it_is_done(office: Place, station: Place) -> None:
    quarrel(office, station)
    assert office.call("status").code == 0, "a conflict was decided by its policy"
    assert office.done("status", "--json").json["conflicts"] == 1
    office.sql("DROP TABLE orders")
    office.run()
    told = office.call("status")
    assert told.code == 3
    assert "table orders is gone from this database" in told.out
    (need,) = office.call("status", "--json").json["needs"]
    assert "nothing with the number 99 waits" in office.refused("status", "--done", "99")
    office.done("status", "--done", str(need["number"]))
    assert office.done("status", "--json").json["needs"] == []


def test_status_of_a_halted_node_and_of_one_without_its_side_file(office: Place) -> None:
    side_file = Home(office.home, Files(Runtime())).side_file
    side = side_file.read()
    assert side is not None
    side_file.write(replace(side, halted="somebody went on under my name"))
    told = office.call("status")
    assert (told.code, "has halted: somebody went on" in told.out) == (3, True)
    side_file.path.unlink()
    assert office.call("status", "--json").json["needs"][0]["kind"] == "side-file"


# --- journal ----------------------------------------------------------------------------------------------------------


def test_journal_of_both_ends(office: Place, station: Place) -> None:
    station.sql("UPDATE orders SET note = 'eilig', scan = NULL WHERE id = 1")
    station.sql("INSERT INTO customers VALUES (3, 'Cordes', NULL)")
    station.run()
    station.sql("DELETE FROM customers WHERE id = 3")
    station.run()
    office.run()
    seen = [
        (line["n"], line["order"], line["table"], line["key"], line["kind"], line["columns"])
        for line in station.done("journal", "list", "--json").json
        if line["table"]
    ]
    assert seen == [
        (1, 1, "orders", [1], "changed", ["note", "scan"]),
        (1, 2, "customers", [3], "new", []),
        (2, 1, "customers", [3], "deleted", []),
    ]
    lines = office.done("journal", "list", "--json").json
    assert lines[0]["kind"] == "rule"
    assert {line["origin"] for line in lines[1:]} == {"Köln"}
    text = office.done("journal", "list").out
    assert "columns changed" in text
    assert "note, scan" in text


def test_journal_filters(office: Place, station: Place) -> None:
    for number in range(5):
        office.sql("UPDATE customers SET city = ? WHERE id = 1", f"city {number}")
        office.run()
    office.sql("UPDATE orders SET note = 'x' WHERE id = 1")
    office.run()
    newest = office.done("journal", "list", "--limit", "2", "--json").json
    assert [line["table"] for line in newest] == ["customers", "orders"]
    only = office.done("journal", "list", "--table", "customers", "--json").json
    assert len(only) == 5
    after = office.done("journal", "list", "--after", str(only[1]["n"]), "--limit", "2", "--json").json
    assert [line["n"] for line in after] == [only[2]["n"], only[3]["n"]]
    assert office.done("journal", "list", "--after", "1000", "--json").json == []
    assert "not replicated" in office.refused("journal", "list", "--table", "nothing")
    assert "the journal is empty" in station.done("journal", "list").out


def test_journal_shows_rows_before_and_after(office: Place, station: Place) -> None:
    station.sql("UPDATE orders SET note = 'eilig' WHERE id = 1")
    station.sql("DELETE FROM customers WHERE id = 2")
    station.run()
    group = station.done("journal", "show", "1", "--json").json
    changed, deleted = group["entries"]
    before = {"id": 1, "customer": 1, "note": None, "scan": "0x00ff"}
    assert (changed["before"], changed["after"]) == (before, before | {"note": "eilig"})
    assert deleted["before"] == {"id": 2, "name": "Brandt", "city": "Köln"}
    assert deleted["after"] is None
    office.run()
    last = office.done("journal", "list", "--json").json[-1]
    shown = office.done("journal", "show", str(last["n"])).out
    assert "Köln, its number 1" in shown
    assert "(no row)" in shown
    limited = station.done("journal", "show", "1", "--limit", "1").out
    assert "and 1 more" in limited
    assert "no group 77" in station.refused("journal", "show", "77")


def test_a_host_knows_the_row_before_from_its_log(office: Place, station: Place) -> None:
    for city in ("Emden", "Fulda"):
        station.sql("UPDATE customers SET city = ? WHERE id = 1", city)
        station.run()
        office.run()
    last = office.done("journal", "list", "--json").json[-1]
    (entry,) = office.done("journal", "show", str(last["n"]), "--json").json["entries"]
    assert (entry["before"]["city"], entry["after"]["city"]) == ("Emden", "Fulda")


# --- conflicts --------------------------------------------------------------------------------------------------------


def test_a_conflict_with_its_rows_side_by_side(office: Place, station: Place) -> None:
    assert "no conflicts" in office.done("conflict", "list").out
    quarrel(office, station)
    (line,) = office.done("conflict", "list", "--json").json
    assert (line["station"], line["table"], line["key"], line["kind"]) == ("Köln", "customers", [1], "both-changed")
    found = office.done("conflict", "show", str(line["id"]), "--json").json
    assert [found[side]["city"] for side in ("host", "station", "result")] == ["Bonn", "Aachen", "Bonn"]
    text = office.done("conflict", "show", str(line["id"])).out
    (city,) = [row.split() for row in text.splitlines() if row.startswith("city")]
    assert city == ["city", "*", "Bonn", "Aachen", "Bonn", "Bonn"]
    assert office.done("conflict", "list", "--table", "orders", "--json").json == []
    assert len(office.done("conflict", "list", "--station", "Köln", "--json").json) == 1
    assert office.done("conflict", "list", "--after", str(line["id"]), "--json").json == []
    assert "no conflict 99" in office.refused("conflict", "show", "99")
    assert "no station named Kiel" in office.refused("conflict", "list", "--station", "Kiel")


# --- mail -------------------------------------------------------------------------------------------------------------


def waiting_mail(place: Place, address: str) -> Path:
    (mail,) = (place.folder / "mail" / address / "new").iterdir()
    return mail


def test_a_mail_is_opened_by_its_receiver_only(office: Place, station: Place) -> None:
    office.sql("UPDATE customers SET city = 'geheim' WHERE id = 1")
    office.run()
    mail = waiting_mail(office, "koeln@example.com")
    (envelope,) = station.done("mail", "show", mail, "--json").json["envelopes"]
    assert (envelope["sender"], envelope["receiver"], envelope["reason"]) == ("Zentrale", "Köln", None)
    assert envelope["header"]["direction"] == "down"
    assert envelope["manifest"]["n"] == envelope["header"]["part"]["n"]
    assert "Zentrale to Köln, down" in station.done("mail", "show", mail).out
    sealed = office.done("mail", "show", mail)
    assert "sealed for another node" in sealed.out
    assert "geheim" not in sealed.out


def test_mails_that_are_foreign_or_damaged_or_not_there(office: Place, station: Place, tmp_path: Path) -> None:
    letter = tmp_path / "letter.eml"
    letter.write_bytes(b"From: \x1b[31mx@example.com\r\nSubject: hello\r\n\r\nDear all")
    told = office.done("mail", "show", letter).out
    assert "Nothing of the replicator's" in told
    assert "\x1b" not in told
    station.sql("UPDATE customers SET city = 'Bonn' WHERE id = 1")
    station.run()
    mail = waiting_mail(office, "office@example.com")
    raw = mail.read_bytes()
    place = raw.rindex(b"\r\n--=_") - 12
    changed = tmp_path / "changed.eml"
    changed.write_bytes(raw[:place] + (b"AAAA" if raw[place : place + 4] != b"AAAA" else b"BBBB") + raw[place + 4 :])
    (envelope,) = office.done("mail", "show", changed, "--json").json["envelopes"]
    assert envelope["header"] is None
    assert "changed on its way" in envelope["reason"]
    assert "no file" in office.refused("mail", "show", tmp_path / "nothing.eml")


def test_a_mail_that_was_set_aside_goes_by_its_name(office: Place, station: Place) -> None:
    station.sql("UPDATE customers SET city = 'Bonn' WHERE id = 1")
    station.run()
    mail = waiting_mail(office, "office@example.com")
    office.done("station", "invite", "Köln", "--out", office.folder / "k2")
    office.run()
    assert not mail.exists()
    (aside,) = (office.home / "aside").iterdir()
    assert "not known here" in office.done("mail", "show", aside.name).out
