"""journal list, show, follow and export, and trace: each option, each fault, at the host and at a station."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Place, exchange, join, new_office
from processes import Computer, new_host, until

from replicator.operations.journal_filters import Filter
from replicator.operations.journal_following import following
from replicator.operations.journal_records import json_line
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import purging as stored
from replicator.store import retention, slices, sql
from replicator.store.files import Files
from replicator.store.home import Home

RUNTIME = Runtime()


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    office = new_office(tmp_path, capsys)
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    return office


@pytest.fixture
def station(office: Place, capsys: pytest.CaptureFixture[str]) -> Place:
    """Köln, with everything that the host has, and nothing on its way."""
    station = join(office.folder, capsys)
    exchange(office, station)
    return station


@pytest.fixture
def quarrelled(office: Place, station: Place) -> None:
    """Köln's 1 is accepted, the host's own follows, Köln's 2 loses against it; Köln has not heard of that yet."""
    station.sql("UPDATE customers SET city = 'Hof' WHERE id = 2")
    for place in (station, office):
        place.run()
    office.sql("UPDATE customers SET city = 'Bonn' WHERE id = 1")
    station.sql("UPDATE customers SET city = 'Aachen' WHERE id = 1")
    for place in (station, office):
        place.run()


def purge_first(place: Place) -> None:
    """Its oldest slices, as if it had been long ago."""
    with open_node(Home(place.home, Files(RUNTIME)), RUNTIME) as node, node.unit() as unit:
        (first,) = sql.rows(unit.connection, "SELECT min(id) FROM replicator_slice")[0]
        known = retention.load(unit.connection)
        known.purged_epoch, known.purged_n = slices.end_of(unit.connection, first)
        known.purged_at = unit.now
        retention.save(unit.connection, known)
        stored.delete_slices(unit.connection, first)
        kept = stored.first_kept(unit.connection)
        assert kept is not None
        stored.delete_groups(unit.connection, kept, 100)


# --- list -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quarrelled")
def test_each_filter(office: Place, station: Place) -> None:
    def found(place: Place, *options: str) -> list[tuple[str | None, list[int] | None, str]]:
        lines = place.done("journal", "list", *options, "--json").json
        return [(line["table"], line["key"], line["verdict"] or line["kind"]) for line in lines]

    accepted, own, lost = ("customers", [2], "accepted"), ("customers", [1], "changed"), ("customers", [1], "returned")
    assert found(office, "--table", "customers") == [accepted, own, lost]
    assert found(office, "--table", "customers", "--key", "2") == [accepted]
    assert found(office, "--station", "Köln") == [accepted, lost]
    assert found(office, "--station", "Zentrale", "--table", "customers") == [own]
    assert found(office, "--verdict", "returned") == [lost]
    assert found(office, "--verdict", "altered") == []
    assert found(office, "--station", "Köln", "--transaction", "1") == [accepted]
    assert found(office, "--since", "1h", "--table", "customers") == [accepted, own, lost]
    assert found(office, "--until", "1h") == []
    assert found(office, "--until", "2001-02-03") == []
    assert found(office, "--since", "2001-02-03 04:05", "--limit", "1") == [lost]
    lines = office.done("journal", "list", "--table", "customers", "--json").json
    middle = f"{lines[1]['epoch']}.{lines[1]['n']}"
    assert found(office, "--position", middle) == [own]
    assert found(office, "--position", f"{middle}:1") == [own]
    assert found(office, "--position", f"{middle}:2") == []
    assert found(office, "--after", middle) == [lost]
    assert found(office, "--before", middle, "--table", "customers") == [accepted]
    assert found(office, "--oldest-first", "--table", "customers", "--limit", "1") == [accepted]
    assert found(office, "--newest-on-top", "--table", "customers") == [lost, own, accepted]
    assert found(station, "--verdict", "judged") == [("customers", [2], "judged")]
    assert found(station, "--verdict", "pending") == [("customers", [1], "pending")]
    assert found(station, "--transaction", "2") == [("customers", [1], "pending")]
    shown = station.done("journal", "show", "2", "--json").json
    assert found(office, "--transaction", shown["transaction"]) == [lost]
    assert "There may be more: --before 1." in office.done("journal", "list", "--limit", "1").out
    assert "There may be more: --after 1." in office.done("journal", "list", "--limit", "1", "--oldest-first").out
    assert office.done("journal", "list", "--until", "1h").out == "nothing found\n"


@pytest.mark.usefixtures("quarrelled")
def test_what_is_wrong_is_said_in_one_line(office: Place, station: Place) -> None:
    def refused(*options: str) -> str:
        return office.refused("journal", "list", *options)

    assert "table nothing is not replicated" in refused("--table", "nothing")
    assert "no station named Kiel" in refused("--station", "Kiel")
    assert "'x' is no value of customers.id, which is of type integer" in refused("--table", "customers", "--key", "x")
    assert "is id: give 1 values, not 2" in refused("--table", "customers", "--key", "1", "--key", "2")
    assert "--table" in refused("--key", "1")
    assert "no position" in refused("--before", "1.x")
    assert "no verdict 'pending' at the host: give accepted, altered, returned" in refused("--verdict", "pending")
    assert "no verdict 'returned' at a station" in station.refused("journal", "list", "--verdict", "returned")
    assert "of which station" in refused("--transaction", "1")
    assert "no transaction" in refused("--transaction", "abc")
    assert "no time" in refused("--since", "yesterday")
    assert "own changes only" in station.refused("journal", "list", "--station", "Zentrale")
    assert "there is no 7.1 in this journal: group 1 is 1.1" in office.refused("journal", "show", "7.1")
    assert "there is no group 99" in office.refused("journal", "show", "99")
    assert "no position" in office.refused("journal", "show", "last")


@pytest.mark.usefixtures("quarrelled")
def test_positions_that_were_purged(office: Place) -> None:
    purge_first(office)
    told = office.refused("journal", "show", "1.1")
    assert "group 1 was purged on 20" in told
    assert "the journal is kept from 1.2 (20" in told
    assert "was purged" in office.refused("journal", "list", "--before", "1")
    assert len(office.done("journal", "list", "--after", "1", "--json").json) == 3


# --- show -------------------------------------------------------------------------------------------------------------


def test_a_long_group_is_shown_piece_by_piece(station: Place) -> None:
    station.sql(
        "INSERT INTO customers WITH RECURSIVE n (i) AS (SELECT 5 UNION ALL SELECT i + 1 FROM n WHERE i < 9)"
        " SELECT i, 'N' || i, NULL FROM n"
    )
    station.run()
    first = station.done("journal", "show", "1", "--limit", "2").out
    assert first.splitlines()[-1] == "… and 3 more: replicator journal show 1:3"
    rest = station.done("journal", "show", "1:3", "--json").json
    assert [entry["line"]["key"] for entry in rest["entries"]] == [[7], [8], [9]]
    assert "more" not in station.done("journal", "show", "1:3").out


def test_values_that_differ_late_are_shown_where_they_differ(station: Place) -> None:
    long = "a" * 500
    station.sql("UPDATE orders SET note = ?, scan = ? WHERE id = 1", f"{long}old", b"\1" * 400)
    station.run()
    station.sql("UPDATE orders SET note = ?, scan = ? WHERE id = 1", f"{long}new", b"\1" * 399 + b"\2")
    station.sql("UPDATE customers SET city = '' WHERE id = 1")
    station.run()
    text = station.done("journal", "show", "2").out
    (note,) = [line.split() for line in text.splitlines() if line.startswith("note")]
    assert note == ["note", "*", f"…{'a' * 30}old", f"…{'a' * 30}new"]
    (scan,) = [line.split() for line in text.splitlines() if line.startswith("scan")]
    assert scan[2].startswith("0x…0101")
    assert (scan[2][-4:], scan[3][-4:]) == ("0101", "0102")
    (city,) = [line.split() for line in text.splitlines() if line.startswith("city")]
    assert city == ["city", "*", "Bremen", "''"]
    (customer,) = [line.split() for line in text.splitlines() if line.startswith("customer ")]
    assert "*" not in customer
    before = station.done("journal", "show", "1").out
    assert "NULL" in before
    assert "(503 characters)" in before
    assert long not in before
    assert f"{long}old" in station.done("journal", "show", "1", "--full").out


# --- export -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quarrelled")
def test_export(office: Place, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in office.done("journal", "export").out.splitlines()]
    assert [line["kind"] for line in lines] == ["rule", "changed", "changed", "changed"]
    assert lines[1]["before"] == {"id": 2, "name": "Brandt", "city": "Köln"}
    assert lines[1]["after"] == lines[1]["before"] | {"city": "Hof"}
    assert (lines[1]["key"], lines[1]["columns"], lines[1]["origin_sequence"]) == ({"id": 2}, ["city"], 1)
    file = tmp_path / "changes.jsonl"
    assert "3 lines in" in office.done("journal", "export", "--table", "customers", "--out", file).out
    assert [json.loads(line) for line in file.read_text().splitlines()] == lines[1:]
    some = office.done("journal", "export", "--verdict", "accepted", "--station", "Köln", "--since", "1h").out
    assert [json.loads(line)["key"] for line in some.splitlines()] == [{"id": 2}]
    position = lines[1]["position"]
    for options, expected in (
        (("--position", position), lines[1:2]),
        (("--before", position), lines[:1]),
        (("--after", position), lines[2:]),
        (("--until", "1h"), []),
        (("--table", "customers", "--key", "2"), lines[1:2]),
        (("--transaction", lines[1]["transaction"]), lines[1:2]),
    ):
        assert [json.loads(line) for line in office.done("journal", "export", *options).out.splitlines()] == expected
    assert "cannot write" in office.refused("journal", "export", "--out", tmp_path / "none" / "x", code=1)
    assert list(tmp_path.glob(".*")) == []


# --- follow -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return new_host(tmp_path)


def test_follow_prints_what_comes_and_ends_with_0(computer: Computer) -> None:
    out = computer.home / "followed"
    with out.open("w") as file:
        process = computer.start("journal", "follow", "--interval", "1s", "--json", stdout=file)
        try:
            until(lambda: process.poll() is None and (computer.home / "log").exists())

            def written() -> int:
                computer.sql("UPDATE customers SET city = city || '!' WHERE id = 1")
                computer.done(computer.run_command)
                return len(out.read_text().splitlines())

            until(lambda: written() >= 2)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    for line in out.read_text().splitlines():
        assert json.loads(line)["table"] == "customers"


def test_following_survives_purges_and_restores(office: Place, station: Place) -> None:
    home, seen, told = Home(office.home, Files(RUNTIME)), [], []
    office.back_up()
    with following(home, RUNTIME, Filter(table="customers")) as journal:

        def new() -> list[list[int]]:
            seen.clear()
            journal.new(lambda describing, found: seen.append(json.loads(json_line(describing, found))), told.append)
            return [list(line["key"].values()) for line in seen]

        assert new() == []
        office.sql("UPDATE customers SET city = 'Ulm'")
        office.run()
        assert new() == [[1], [2]]
        assert new() == []
        office.sql("UPDATE orders SET note = 'x'")
        station.sql("DELETE FROM customers WHERE id = 2")
        exchange(station, office)
        assert new() == [[2]]
        for city in ("Hof", "Jena"):
            office.sql("UPDATE customers SET city = ? WHERE id = 1", city)
            office.run()
        while len(office.sql("SELECT id FROM replicator_slice")) > 1:
            purge_first(office)
        assert new() == [[1]]
        assert "was purged" in told[0]
    office.put_back()
    with following(home, RUNTIME, Filter()) as journal:
        journal.seen += 5
        assert new() == []
        assert "set back" in told[-1]


@pytest.mark.usefixtures("quarrelled")
def test_following_goes_on_behind_a_position(office: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.operations.journal_following.PAGE", 1)
    lines = [json.loads(line) for line in office.done("journal", "export").out.splitlines()]
    with following(Home(office.home, Files(RUNTIME)), RUNTIME, Filter(after=_spot(lines[0]["position"]))) as journal:
        found: list[str] = []
        assert journal.new(lambda describing, each: found.append(json_line(describing, each)), lambda _: None) == 3
        assert [json.loads(line) for line in found] == lines[1:]


def _spot(text: str):
    from replicator.operations.journal_filters import Spot

    return Spot.of(text)


# --- trace ------------------------------------------------------------------------------------------------------------


def way(place: Place, *arguments: str) -> Iterator[tuple[str, str]]:
    for event in place.done("trace", *arguments, "--json").json["events"]:
        yield event["what"], event["text"]


@pytest.mark.usefixtures("quarrelled")
def test_the_way_of_a_row_at_the_host(office: Place, station: Place) -> None:
    accepted = list(way(office, "customers", "2"))
    assert accepted == [
        ("written", "changed: city"),
        ("received", "from Köln, its group 1"),
        ("judged", "accepted: stored as it was sent"),
        ("batched", "for Köln as the word that it was taken"),
        ("sent", "to Köln"),
        ("acknowledged", "by Köln: applied there"),
    ]
    found = office.done("trace", "customers", "1", "--json").json
    assert [event["what"] for event in found["events"]].count("waiting") == 2
    assert ("conflict", "conflict 1: both-changed") in way(office, "customers", "1")
    assert ("judged", "not stored; the row as it stands was sent back") in way(office, "customers", "1")
    assert found["now"]["city"] == "Bonn"
    (mail,) = next(event["mails"] for event in found["events"] if event["what"] == "received")
    assert mail.startswith("<")
    sent = station.done("trace", "customers", "1", "--json").json["events"]
    assert mail in next(event["mails"] for event in sent if event["what"] == "sent"), "both ends name the same mail"
    text = office.done("trace", "customers", "1").out
    assert f"from Köln: {mail}" in text
    assert "version 1." in text


@pytest.mark.usefixtures("quarrelled")
def test_the_way_of_a_row_at_a_station(office: Place, station: Place) -> None:
    assert ("waiting", "for the word of Zentrale") in way(station, "customers", "1")
    assert ("judged", "the word of Zentrale came") in way(station, "customers", "2")
    assert "own change 2 waits for the host's word" in station.done("trace", "customers", "1", "--json").json["state"]
    station.run()
    events = station.done("trace", "customers", "1", "--json").json["events"]
    assert [event["what"] for event in events if event["what"] in ("judged", "received", "waiting")] == [
        "received",
        "judged",
    ]
    assert "as of 1." in station.done("trace", "customers", "1").out


def test_of_rows_of_which_nothing_is_known(office: Place, station: Place) -> None:
    assert station.done("trace", "customers", "77").out == "customers 77: Köln knows nothing of it\n"
    office.sql("UPDATE customers SET city = 'Ulm' WHERE id = 2")
    assert "a change was captured, and is numbered by the next run" in office.done("trace", "customers", "2").out
    assert "is no value of" in office.refused("trace", "customers", "two")
    assert "not replicated" in office.refused("trace", "logbook", "1")
    assert "give 1 values" in office.refused("trace", "customers", "1", "2")


def test_only_the_newest_changes_are_traced(office: Place) -> None:
    for city in ("Hof", "Jena", "Kiel"):
        office.sql("UPDATE customers SET city = ? WHERE id = 2", city)
        office.run()
    found = office.done("trace", "customers", "2", "--limit", "2", "--json").json
    assert len([event for event in found["events"] if event["what"] == "written"]) == 2
    older = office.done("trace", "customers", "2", "--before", found["older"], "--json").json
    assert len([event for event in older["events"] if event["what"] == "written"]) == 1
    assert older["older"] is None
    assert "--before" in office.done("trace", "customers", "2", "--limit", "1").out


def test_what_is_set_aside_and_what_is_no_longer_kept(office: Place, station: Place) -> None:
    office.sql("CREATE UNIQUE INDEX one_city ON customers (city)")
    station.sql("INSERT INTO customers VALUES (8, 'Holm', 'Bremen')")
    for place in (station, office):
        place.run()
    assert any(what == "set aside" for what, _ in way(office, "customers", "8"))
    for place in (office, station):
        place.sql("DELETE FROM replicator_batch_trail")
    station.sql("UPDATE customers SET name = 'x' WHERE id = 2")
    for place in (station, office):
        place.run()
    for place in (office, station):
        place.sql("DELETE FROM replicator_batch_trail")
    told = [text for _, text in way(office, "customers", "2")]
    assert "from Köln, its group 2; by which mail is not kept" in told
