"""Conflicts from end to end: who wins by each policy, what stands on record, and what a person decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

Both = tuple[Place, Place]
GOODS = "SELECT id, name, price, note FROM goods ORDER BY id"
SCREW = (1, "screw", 2.5, "old")


def joined(new_place: NewPlace, kind: str = "sqlite", policy: str = "host") -> Both:
    office, station = new_place(kind, "office"), new_place("sqlite", "koeln")
    real = "REAL" if kind == "sqlite" else "double precision"
    office.sql("CREATE TABLE shelves (id INTEGER PRIMARY KEY)")
    office.sql(
        f"CREATE TABLE goods (id INTEGER PRIMARY KEY, name VARCHAR(50) UNIQUE, price {real}, note VARCHAR(50) NOT NULL,"
        " shelf INTEGER REFERENCES shelves (id))"
    )
    office.sql("INSERT INTO shelves VALUES (7)")
    office.sql("INSERT INTO goods VALUES (1, 'bolt', 2.5, 'old', NULL)")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "shelves", "goods", "--policy", policy)
    enrol(office, station)
    exchange(office, station)
    return office, station


def dispute(office: Place, station: Place) -> dict[str, Any]:
    """Both change the name, the station also the price. Gives the conflict as the host has it on record."""
    station.sql("UPDATE goods SET name = 'nut', price = 9 WHERE id = 1")
    office.sql("UPDATE goods SET name = 'screw' WHERE id = 1")
    exchange(station, office)
    (line,) = office.done("conflict", "list", "--json").json
    shown: dict[str, Any] = office.done("conflict", "show", str(line["id"]), "--json").json
    return shown


@pytest.mark.parametrize(
    ("policy", "row", "decided"),
    [
        ("host", SCREW, "host"),
        ("station", (1, "nut", 9, "old"), "station"),
        ("newest", SCREW, "host"),
        ("merge", (1, "screw", 9, "old"), "both"),
    ],
)
def test_who_wins(new_place: NewPlace, policy: str, row: tuple[Any, ...], decided: str) -> None:
    office, station = joined(new_place, policy=policy)
    shown = dispute(office, station)
    assert office.sql(GOODS) == station.sql(GOODS) == [row]
    assert (shown["line"]["decided"], shown["columns"]) == (decided, ["name", "price"])
    assert (shown["host"]["name"], shown["station"]["name"], shown["now"]["name"]) == ("screw", "nut", row[1])
    assert shown["host_writer"] == "Zentrale"
    assert shown["station_at"] < shown["host_at"]


def test_a_policy_that_changes_counts_from_then_on(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    assert office.done("table", "set", "goods", "--policy", "station").out == "goods: policy station, no area.\n"
    assert office.done("table", "set", "goods", "--policy", "station").out == "It was so already.\n"
    assert office.done("table", "show", "goods", "--json").json["policy"] == "station"
    dispute(office, station)
    assert office.sql(GOODS) == station.sql(GOODS) == [(1, "nut", 9, "old")]
    assert "policy" in office.refused("table", "set", "goods")
    assert "latest" in office.call("table", "set", "goods", "--policy", "latest").err
    assert "at the host" in station.refused("table", "set", "goods", "--policy", "host")


def test_rows_that_come_with_a_table_of_another_policy_are_not_taken_for_the_stations_own(new_place: NewPlace) -> None:
    """Its triggers were made anew in the middle of the batch (seed 84 of that day)."""
    office, station = joined(new_place)
    office.sql("INSERT INTO goods VALUES (2, 'nut', 1, '', NULL)")
    office.done("table", "set", "goods", "--policy", "merge")
    office.done("rule", "set", "koeln", "all", "--to-host", "new,changed")
    office.sql("INSERT INTO goods VALUES (3, 'washer', 1, '', NULL)")
    office.run()
    assert station.run().collected == 0
    assert station.done("table", "show", "goods", "--json").json["policy"] == "merge"
    assert "nothing to do" in station.done("remote-run").out
    assert station.done("journal", "list", "--json").json == []


def test_an_area_that_changes(new_place: NewPlace) -> None:
    office, _ = joined(new_place)
    assert office.done("table", "set", "goods", "--area", "Stock").out == "goods: policy host, area Stock.\n"
    assert "rename" in office.refused("table", "add", "Stock") or "no table" in office.refused("table", "add", "Stock")
    office.done("table", "set", "goods", "--area", "")
    assert office.done("table", "show", "goods", "--json").json["area"] is None
    assert "named all" in office.refused("table", "set", "goods", "--area", "all")


# --- settling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_person_takes_the_stations_row(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    number = str(dispute(office, station)["line"]["id"])
    told = office.done("conflict", "settle", number, "--take", "station").out
    assert told == f"Conflict {number} is settled. The row was written, and goes to the others with the next run.\n"
    exchange(office, station)
    assert office.sql(GOODS) == station.sql(GOODS) == [(1, "nut", 9, "old")]
    assert len(office.done("conflict", "list", "--json").json) == 1, "a decision is no conflict"
    assert office.done("conflict", "list", "--open", "--json").json == []
    assert office.done("conflict", "show", number, "--json").json["line"]["settled_by"] == "station"
    # Only looked at again: nothing is written, nothing is sent.
    assert "stands like that" in office.done("conflict", "settle", number, "--take", "station", "--anyway").out
    assert not office.run().sent.mails


def test_a_person_confirms_what_was_decided(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    number = str(dispute(office, station)["line"]["id"])
    assert "stands like that" in office.done("conflict", "settle", number, "--take", "host").out
    assert "host" in office.done("conflict", "show", number).out
    assert not office.run().sent.mails


def test_a_row_from_a_file(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    shown = dispute(office, station)
    number, file = str(shown["line"]["id"]), office.folder / "row.json"
    file.write_text(json.dumps(shown["station"] | {"name": "wing nut", "price": 4}))
    office.done("conflict", "settle", number, "--take", file)
    exchange(office, station)
    assert office.sql(GOODS) == station.sql(GOODS) == [(1, "wing nut", 4, "old")]


def test_a_file_may_name_some_columns_or_no_row(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    number, file = str(dispute(office, station)["line"]["id"]), office.folder / "row.json"
    file.write_text('{"note": "new"}')
    office.done("conflict", "settle", number, "--take", file)
    assert office.sql(GOODS) == [(1, "screw", 2.5, "new")]
    file.write_text("null")
    office.done("conflict", "settle", number, "--take", file, "--anyway")
    exchange(office, station)
    assert office.sql(GOODS) == station.sql(GOODS) == []
    file.write_text('{"id": 1, "name": "x"}')
    assert "price is missing" in office.refused("conflict", "settle", number, "--take", file, "--anyway")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON"),
        ("[1]", "holds no row"),
        ('{"colour": "red"}', "no column colour"),
        ('{"id": 2}', "another key"),
        ('{"note": ["a"]}', "one value"),
        ('{"shelf": 99}', "the row of shelves that it refers to is not there"),
    ],
)
def test_files_that_will_not_do(new_place: NewPlace, text: str, reason: str) -> None:
    office, station = joined(new_place)
    number, file = str(dispute(office, station)["line"]["id"]), office.folder / "row.json"
    file.write_text(text)
    assert reason in office.refused("conflict", "settle", number, "--take", file)
    assert office.sql(GOODS) == [SCREW]
    assert len(office.done("conflict", "list", "--open", "--json").json) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_row_that_the_database_refuses(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    number, file = str(dispute(office, station)["line"]["id"]), office.folder / "row.json"
    file.write_text('{"note": null}')
    told = office.refused("conflict", "settle", number, "--take", file)
    assert "the database refuses the row of goods" in told
    assert office.sql(GOODS) == [SCREW]
    assert len(office.done("conflict", "list", "--open", "--json").json) == 1


def test_what_is_refused(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    number = str(dispute(office, station)["line"]["id"])
    assert "there is no file nobody" in office.refused("conflict", "settle", number, "--take", "nobody")
    assert "no conflict 99" in office.refused("conflict", "settle", "99", "--take", "host")
    office.sql("INSERT INTO goods VALUES (2, 'nut', NULL, '', NULL)")
    assert "row 2 of goods has the same name" in office.refused("conflict", "settle", number, "--take", "station")
    office.sql("DELETE FROM goods WHERE id = 2")
    office.sql("UPDATE goods SET note = 'later' WHERE id = 1")
    assert "--anyway" in office.refused("conflict", "settle", number, "--take", "station")
    office.done("conflict", "settle", number, "--take", "station", "--anyway")
    assert office.sql(GOODS) == [(1, "nut", 9, "old")]


def test_a_station_settles_what_gave_way_there(new_place: NewPlace) -> None:
    """A change that stays at home by the rules gives way to the host's next version; the station takes it back."""
    office, station = joined(new_place)
    office.done("rule", "set", "koeln", "goods", "--to-host", "new,deleted")
    exchange(office, station)
    station.sql("UPDATE goods SET note = 'mine' WHERE id = 1")
    exchange(station, office)
    office.sql("UPDATE goods SET price = 3 WHERE id = 1")
    exchange(office, station)
    (line,) = station.done("conflict", "list", "--json").json
    assert station.sql(GOODS) == [(1, "bolt", 3, "old")]
    station.done("conflict", "settle", str(line["id"]), "--take", "station")
    assert station.sql(GOODS) == [(1, "bolt", 2.5, "mine")]
    exchange(station, office)
    assert office.sql(GOODS) == [(1, "bolt", 3, "old")], "it stays at home, as the rules say"
