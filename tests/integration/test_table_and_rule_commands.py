"""Tables, areas and rules by the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Place, join, new_office

ALL = ["new", "changed", "deleted"]


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return new_office(tmp_path, capsys)


def rules(place: Place, *arguments: str) -> dict[str, tuple[list[str], list[str]]]:
    listed = place.done("rule", "list", *arguments, "--json").json
    return {each["table"]: (each["to_remote"], each["to_host"]) for each in listed}


def test_tables_are_listed_with_parents_first(office: Place) -> None:
    listed = office.done("table", "list", "--json").json
    assert [(each["number"], each["name"], each["area"], each["rows"]) for each in listed] == [
        (1, "customers", "Sales", 2),
        (2, "orders", "Sales", 1),
    ]
    assert listed[1]["columns"] == ["id", "customer", "note", "scan"]
    assert listed[1]["stations"] == {}
    shown = office.done("table", "show", "orders").out
    assert "refers to" in shown
    assert "customers by customer" in shown


def test_tables_that_cannot_be_added(office: Place) -> None:
    assert "no primary key" in office.refused("table", "add", "logbook")
    assert "no table 'nothing'" in office.refused("table", "add", "nothing")
    assert "replicated already" in office.refused("table", "add", "customers")
    office.sql("CREATE TABLE items (id INTEGER PRIMARY KEY, part INTEGER REFERENCES parts (id))")
    office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY, whole INTEGER REFERENCES parts (id))")
    assert "replicator table add parts items" in office.refused("table", "add", "items")
    office.done("table", "add", "items", "parts")
    numbers = {each["name"]: each["number"] for each in office.done("table", "list", "--json").json}
    assert numbers["parts"] < numbers["items"]


def test_areas_and_tables_are_told_apart(office: Place) -> None:
    office.sql("CREATE TABLE Sales (id INTEGER PRIMARY KEY)")
    office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY)")
    assert "an area named Sales" in office.refused("table", "add", "Sales")
    assert "can't be named" in office.refused("table", "add", "parts", "--area", "customers")
    assert "can't be named" in office.refused("table", "add", "parts", "--area", "all")
    assert "empty" in office.refused("table", "add", "parts", "--area", " ")


def test_rules_for_a_table_an_area_and_all(office: Place) -> None:
    office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY)")
    office.done("table", "add", "parts")
    office.done("rule", "set", "Köln", "Sales", "--to-remote", "all", "--to-host", "new")
    assert rules(office) == {"customers": (ALL, ["new"]), "orders": (ALL, ["new"]), "parts": ([], [])}
    office.done("rule", "set", "Köln", "parts", "--to-host", "new,changed")
    assert rules(office)["parts"] == ([], ["new", "changed"])
    assert "so already" in office.done("rule", "set", "Köln", "parts", "--to-host", "changed, new").out
    office.done("rule", "set", "Köln", "all", "--to-host", "none")
    assert rules(office, "Köln") == {"customers": (ALL, []), "orders": (ALL, []), "parts": ([], [])}
    text = office.done("rule", "list").out
    assert "to remote:" in text
    assert text.count("✓") == 6


def test_rules_that_cannot_be(office: Place) -> None:
    assert "no station named Kiel" in office.refused("rule", "set", "Kiel", "all", "--to-host", "all")
    assert "no replicated table or area named x" in office.refused("rule", "set", "Köln", "x", "--to-host", "all")
    assert "'old' is no kind" in office.refused("rule", "set", "Köln", "all", "--to-host", "new,old")
    assert "nothing to set" in office.refused("rule", "set", "Köln", "all")
    assert "need new rows of customers" in office.refused("rule", "set", "Köln", "orders", "--to-remote", "new")
    assert "no station named Kiel" in office.refused("rule", "list", "Kiel")
    assert rules(office) == {"customers": ([], []), "orders": ([], [])}


def test_rules_reach_the_station_and_can_be_seen_there(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    office.done("rule", "set", "Köln", "Sales", "--to-remote", "all", "--to-host", "new,changed")
    station = join(office.folder, capsys)
    assert rules(station) == {}
    office.run()
    station.run()
    assert rules(station) == rules(office)
    assert rules(station, "Köln") == rules(office)
    for command in (
        ("rule", "set", "Köln", "all", "--to-host", "all"),
        ("table", "add", "x"),
        ("table", "remove", "x"),
    ):
        assert "at the host, and Köln is a station" in station.refused(*command)
    assert "at the host" in station.refused("station", "add", "x", "--address", "x@example.com")


def test_a_table_is_removed_when_nobody_needs_it(office: Place) -> None:
    office.done("rule", "set", "Köln", "all", "--to-remote", "all")
    assert "still has a rule" in office.refused("table", "remove", "orders")
    office.done("rule", "set", "Köln", "all", "--to-remote", "none")
    assert "refers to customers" in office.refused("table", "remove", "customers")
    office.done("table", "remove", "orders")
    office.sql("UPDATE orders SET note = 'free' WHERE id = 1")
    assert "not replicated" in office.refused("table", "remove", "orders")
    assert [each["name"] for each in office.done("table", "list", "--json").json] == ["customers"]
    office.done("table", "add", "orders")
    assert office.done("table", "show", "orders", "--json").json["number"] == 3


def test_a_station_that_does_not_know_yet_is_not_held_up(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    station = join(office.folder, capsys)
    for place in (office, station, office):
        place.run()
    station.sql("UPDATE orders SET note = 'too late' WHERE id = 1")
    station.sql("UPDATE customers SET city = 'Aachen' WHERE id = 1")
    office.sql("UPDATE orders SET note = 'goes its way' WHERE id = 1")
    office.done("rule", "set", "Köln", "orders", "--to-remote", "none", "--to-host", "none")
    office.done("table", "remove", "orders")
    for place in (station, office, station, office):
        place.run()
    assert office.sql("SELECT city FROM customers WHERE id = 1") == [("Aachen",)]
    assert office.sql("SELECT note FROM orders") == [("goes its way",)]
    assert office.done("status", "--json").json["needs"] == []
    office.done("journal", "list")
    office.done("conflict", "list")
    # Added again it has another number: the station begins anew with it, and what it wrote meanwhile comes along.
    station.sql("INSERT INTO orders (id, customer, note) SELECT 77, customer, 'written meanwhile' FROM orders LIMIT 1")
    office.done("table", "add", "orders")
    office.done("rule", "set", "Köln", "orders", "--to-remote", "all", "--to-host", "all")
    for place in (office, station, office):
        place.run()
    assert office.sql("SELECT note FROM orders WHERE id = 77") == [("written meanwhile",)]
    assert station.sql("SELECT * FROM orders") == office.sql("SELECT * FROM orders")


def test_check_finds_and_mends_what_was_changed_behind_our_back(office: Place) -> None:
    office.done("table", "check")
    ((trigger,), *_) = office.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'orders'")
    office.sql(f"DROP TRIGGER {trigger}")
    found = office.call("table", "check", "orders", "--json")
    assert found.code == 3
    assert found.json[0]["faults"]
    assert office.done("table", "check", "--repair", "--json").json[1]["repaired"] is True
    office.done("table", "check")
    office.sql("DROP TABLE customers")
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    assert office.call("table", "check", "customers").code == 3
    office.sql("DROP TABLE orders")
    assert "missing from the database" in office.call("table", "check", "orders").out
    assert "is not replicated" in office.refused("table", "check", "nothing")
    assert "missing" in office.done("table", "list").out
