"""The audit of numbers: each is accounted for once, whatever became of its row and of the journal."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

KINDS = ["sqlite", "postgresql", "mariadb"]


def joined(new_place: NewPlace, kind: str = "sqlite", *, unique: str = "", options: tuple[str, ...] = ()) -> Any:
    office, station = new_place(kind, "office"), new_place("sqlite", "koeln")
    office.sql(f"CREATE TABLE invoices (id VARCHAR(20) PRIMARY KEY, number INTEGER{unique}, note VARCHAR(50))")
    office.sql("INSERT INTO invoices VALUES ('old', 40, 'before')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "invoices")
    enrol(office, station)
    for node in ("Zentrale", "koeln"):
        office.done("numbers", "set", node, "invoices", "--column", "number", "--block", "10", *options)
    exchange(office, station)
    return office, station


def draw(place: Place, count: int, prefix: str) -> None:
    for number in range(count):
        place.sql(f"INSERT INTO invoices (id, note) VALUES ('{prefix}{number}', 'x')")


def audited(office: Place, *, code: int = 0, place: int = 0) -> dict[str, Any]:
    """The range, with its numbers by their states."""
    told = office.call("numbers", "audit", "invoices", "--json")
    assert told.code == code, told.err
    found: dict[str, Any] = json.loads(told.out)["ranges"][place]
    assert sum(found["sums"].values()) == found["total"] == found["last"] - found["first"] + 1
    fates = [n for each in found["numbers"] for n in range(each["from"], each["to"] + 1)]
    assert fates == list(range(found["first"], found["last"] + 1)), "each number once, in order"
    for each in found["numbers"]:
        found.setdefault(each["state"], []).append(each)
    return found


def numbers_in(entries: list[dict[str, Any]]) -> list[int]:
    return [number for each in entries for number in range(each["from"], each["to"] + 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_number_has_one_fate(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    began = datetime.now(UTC)
    draw(office, 3, "z")  # 41 to 43
    draw(station, 4, "k")  # 61 to 64
    station.sql("DELETE FROM invoices WHERE id = 'k1'")
    exchange(station, office)
    office.sql("DELETE FROM invoices WHERE id = 'k3'")
    station.sql("DELETE FROM invoices WHERE id = 'z0'")
    exchange(station, office)
    draw(station, 1, "late")
    found = audited(office)
    assert found["adds_up"] is True
    assert found["rows_before_the_range"] == 1
    assert [(each["from"], each["node"], each["key"]) for each in found["used"]] == [
        (42, "Zentrale", ["z1"]),
        (43, "Zentrale", ["z2"]),
        (61, "koeln", ["k0"]),
        (63, "koeln", ["k2"]),
    ]
    assert all(began <= datetime.fromisoformat(each["at"]) <= datetime.now(UTC) for each in found["used"])
    assert [(e["from"], e["node"], e["key"], e["ended_at_node"], e["remark"]) for e in found["voided"]] == [
        (41, "Zentrale", ["z0"], "koeln", "its row was deleted"),
        (62, "koeln", ["k1"], "koeln", "its row was deleted"),
        (64, "koeln", ["k3"], "Zentrale", "its row was deleted"),
    ]
    assert all(each["at"] < each["ended_at"] for each in found["voided"])
    assert [(each["from"], each["to"], each["node"]) for each in found["held"]] == [
        (44, 60, "Zentrale"),
        (65, 80, "koeln"),
    ]
    assert found["stations"][0]["name"] == "koeln"
    exchange(station, office)
    after = audited(office)
    assert numbers_in(after["used"]) == [42, 43, 61, 63, 65]
    assert numbers_in(after["voided"]) == numbers_in(found["voided"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_changed_or_comes_again(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    draw(office, 2, "z")
    office.run()
    office.sql("UPDATE invoices SET number = NULL WHERE id = 'z0'")
    office.sql("UPDATE invoices SET note = 'y' WHERE id = 'z1'")
    found = audited(office)
    assert [(e["from"], e["key"], e["remark"]) for e in found["voided"]] == [(41, ["z0"], "its row got another number")]
    office.sql("UPDATE invoices SET number = 41 WHERE id = 'z0'")
    exchange(office, station)
    found = audited(office)
    assert numbers_in(found["used"]) == [41, 42]
    assert found["used"][0]["remark"] == "its row got another number before, at Zentrale"
    assert "remark" not in found["used"][1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_journal_has_forgotten_the_record_knows(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    draw(office, 3, "z")
    draw(station, 3, "k")
    exchange(station, office)
    office.sql("DELETE FROM invoices WHERE id = 'z1'")
    station.sql("DELETE FROM invoices WHERE id = 'k1'")
    exchange(station, office)
    before = audited(office)
    for months in range(1, 13):
        later = months * 31 * 24 * 3600
        for place in (station, office, station, office):
            place.run(later=later)
    assert not [each for each in office.done("journal", "list", "--json").json if each.get("table") == "invoices"]
    after = audited(office)
    assert (after["used"], after["voided"]) == (before["used"], before["voided"])


def test_what_is_given_back_and_what_a_removed_station_leaves(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    draw(station, 3, "k")
    station.sql("DELETE FROM invoices WHERE id = 'k2'")
    exchange(station, office)
    assert numbers_in(audited(office)["voided"]) == [63]
    office.done("numbers", "give-back")
    found = audited(office)
    assert [(e["from"], e["to"], e.get("node")) for e in found["returned"]] == [(41, 60, "Zentrale")]
    office.done("station", "remove", "koeln", "--yes")
    found = audited(office)
    assert numbers_in(found["returned"]) == [*range(41, 61), *range(64, 81)], "63 was drawn, though its row is gone"
    assert {(e["from"], e["node"]) for e in found["used"]} == {(61, "koeln (removed)"), (62, "koeln (removed)")}
    office.run()
    draw(office, 20, "z")
    office.run()
    draw(office, 10, "y")
    assert office.sql("SELECT count(*) FROM invoices WHERE number = 63") == [(0,)]
    assert numbers_in(audited(office)["voided"]) == [63]


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_restore_of_a_station(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    station.back_up()
    draw(station, 3, "k")
    exchange(station, office)
    draw(station, 2, "l")
    station.put_back()
    exchange(station, office)
    exchange(station, office)
    found = audited(office)
    assert numbers_in(found["used"]) == [61, 62, 63]
    assert [(e["from"], e["to"], e["node"]) for e in found["lost"]] == [(64, 80, "koeln")]
    assert "set back" in found["lost"][0]["remark"] or "restored" in found["lost"][0]["remark"]


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_restore_of_the_host(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    draw(office, 2, "z")
    draw(station, 1, "k")
    exchange(station, office)
    office.back_up()
    draw(office, 2, "y")
    draw(station, 2, "l")
    exchange(station, office)
    draw(station, 1, "m")
    office.put_back()
    exchange(office, station)
    exchange(station, office)
    found = audited(office)
    assert numbers_in(found["used"]) == [41, 42, 43, 44, 61, 62, 63, 64]
    by_number = {each["from"]: each for each in found["used"]}
    assert {by_number[n]["node"] for n in (41, 42, 43, 44)} == {"Zentrale"}
    assert {by_number[n]["node"] for n in (61, 62, 63, 64)} == {"koeln"}
    assert "at" in by_number[41]
    assert "at" in by_number[64]
    assert "at" in by_number[62], "the station has sent its own change once more"
    for number in (43, 44):
        assert "at" not in by_number[number], "when, the lost timeline knew"
        assert by_number[number]["remark"] == "its row came back from koeln after the host was restored"
    assert numbers_in(found["lost"])[:16] == list(range(45, 61))
    draw(station, 3, "n")
    exchange(station, office)
    assert audited(office)["adds_up"]


def test_a_row_that_the_host_does_not_take(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    office.done("rule", "set", "koeln", "invoices", "--to-remote", "all", "--to-host", "changed,deleted")
    exchange(office, station)
    draw(station, 1, "private")
    exchange(station, office)
    found = audited(office)
    assert 61 in numbers_in(found["held"]), "kept at the station by its rules"


@pytest.mark.parametrize("kind", KINDS)
def test_two_rows_under_one_key(new_place: NewPlace, kind: str) -> None:
    """Both places insert the same key: the host's row stays, and the station's number was drawn in vain."""
    office, station = joined(new_place, kind)
    draw(office, 1, "same")
    draw(station, 1, "same")
    exchange(station, office)
    found = audited(office)
    assert numbers_in(found["used"]) == [41]
    (refused,) = found["voided"]
    assert (refused["from"], refused["node"], refused["ended_at_node"]) == (61, "koeln", "Zentrale")
    assert refused["remark"].startswith("its row was not taken: both-")
    conflict = office.done("conflict", "list", "--json").json[-1]
    office.done("conflict", "settle", str(conflict["id"]), "--take", "station")
    found = audited(office)
    assert [(e["from"], e["node"], e["key"]) for e in found["used"]] == [(61, "koeln", ["same0"])]
    assert [(e["from"], e["remark"]) for e in found["voided"]] == [(41, "its row got another number")]


def test_what_must_not_be_is_told_and_ends_with_3(new_place: NewPlace) -> None:
    office, _ = joined(new_place)
    draw(office, 3, "z")
    office.run()
    office.sql("INSERT INTO invoices (id) VALUES ('twice')")
    for trigger in [name for (name,) in office.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'")]:
        office.sql(f'DROP TRIGGER "{trigger}"')
    office.sql("UPDATE invoices SET number = 42 WHERE id = 'twice'")
    office.sql("DELETE FROM invoices WHERE id = 'z0'")
    office.sql("INSERT INTO invoices VALUES ('far', 4711, '')")
    found = audited(office, code=3)
    assert {each["fault"]: each["numbers"] for each in found["faults"]} == {
        "in two rows": [42],
        "in a row, and never granted": [4711],
        "drawn, and its row went without a trace": [41, 44],
    }
    told = office.call("numbers", "audit", "invoices")
    assert told.code == 3
    assert "1 number is in two rows: 42" in told.out


def test_every_form(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    draw(office, 3, '<b>&,"z')
    office.sql("DELETE FROM invoices WHERE id = '<b>&,\"z1'")
    screen = office.done("numbers", "audit", "invoices").out
    assert "Each number from 41 to 80 is accounted for: 2 + 1 + 37 = 40." in screen
    assert "1 row has a number below 41, from before the range: not counted here." in screen
    assert 'row <b>&,"z1; its row was deleted; at Zentrale' in screen
    lines = list(csv.DictReader(io.StringIO(office.done("numbers", "audit", "invoices", "--csv").out)))
    assert [(line["from"], line["to"], line["state"], line["row"]) for line in lines] == [
        ("41", "41", "used", '<b>&,"z0'),
        ("42", "42", "voided", '<b>&,"z1'),
        ("43", "43", "used", '<b>&,"z2'),
        ("44", "60", "held", ""),
        ("61", "80", "held", ""),
    ]
    page = office.done("numbers", "audit", "invoices", "--html").out
    assert "&lt;b&gt;&amp;,&#34;z2" in page
    assert "<b>&" not in page
    assert all(word not in page for word in ("http:", "https:", "src=", "url(", "<link", "<script"))
    file = office.folder / "audit.html"
    told = office.done("numbers", "audit", "invoices", "--out", str(file))
    assert "Written to" in told.out
    assert file.read_text(encoding="utf-8").count("<tr class=") == 5 + 1
    for words, *options in (
        ("choose one of", "--csv", "--html"),
        ("say in which form", "--out", str(office.folder / "audit.txt")),
        ("is the text of no range", "--text", "x"),
        ("there is no number range", "--column", "note"),
        ("there is no number range", "--text", "RE-{n}"),
    ):
        told = office.call("numbers", "audit", "invoices", *options)
        assert (told.code, words in told.err) == (2, True), told.err
    assert "numbers are audited at the host" in station.refused("numbers", "audit", "invoices")
    assert "there is no number range" in office.refused("numbers", "audit", "customers")


def test_a_text_around_the_number_and_a_table_that_is_not_replicated_any_more(new_place: NewPlace) -> None:
    office = new_place("sqlite", "office")
    office.sql("CREATE TABLE invoices (id VARCHAR(20) PRIMARY KEY, number VARCHAR(30), note VARCHAR(50))")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "invoices")
    for year in ("2026", "2027"):
        text = ("--text", f"RE-{year}-{{n:04}}")
        office.done("numbers", "set", "Zentrale", "invoices", "--column", "number", "--block", "10", *text)
        draw(office, 3, year)
    assert numbers_in(audited(office, place=0)["used"]) == [1, 2, 3]
    found = audited(office, place=1)
    assert [(e["first"], e["key"]) for e in found["used"]][:1] == [("RE-2027-0001", ["20270"])]
    told = office.done("numbers", "audit", "invoices", "--text", "RE-2027-{n:04}").out
    assert "RE-2027-0001 to RE-2027-0003" in told
    assert "RE-2026" not in told
    office.sql("DELETE FROM invoices WHERE id = '20271'")
    office.done("table", "remove", "invoices")
    found = audited(office, place=1)
    assert found["table_is_replicated"] is False
    assert (numbers_in(found["used"]), numbers_in(found["voided"])) == ([1, 3], [2])
