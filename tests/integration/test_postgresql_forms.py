"""A PostgreSQL host and a SQLite station that write the same values in different ways, or have other types for them."""

from __future__ import annotations

import pytest

pytest.importorskip("psycopg")

from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

Both = tuple[Place, Place]


def joined(office: Place, station: Place, *tables: str) -> None:
    """A host and its station exchange everything."""
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", *tables)
    enrol(office, station)
    exchange(office, station)


@pytest.fixture
def diary(new_place: NewPlace) -> Both:
    """Days that are a key, and meetings that refer to them."""
    office = new_place("postgresql", "office")
    for statement in (
        "CREATE TABLE days (day timestamp PRIMARY KEY, note text, amount numeric(19,2))",
        "CREATE TABLE meetings (id integer PRIMARY KEY, day timestamp REFERENCES days, at timestamptz, data jsonb)",
        "INSERT INTO days VALUES ('2026-11-26 00:00:00', 'a', 1.5)",
        """INSERT INTO meetings VALUES (1, '2026-11-26 00:00:00', '2026-11-26 11:00:00.5+00', '{"a": 1}')""",
    ):
        office.sql(statement)
    station = new_place("sqlite", "koeln")
    joined(office, station, "days", "meetings")
    return office, station


DAYS = "SELECT day, note FROM days ORDER BY day"
OFFICE_DAYS = "SELECT to_char(day, 'YYYY-MM-DD HH24:MI:SS'), note FROM days ORDER BY day"
MEETINGS = "SELECT id, day FROM meetings ORDER BY id"


def test_what_is_only_written_otherwise_needs_no_verdict(diary: Both) -> None:
    office, station = diary
    station.sql(
        "UPDATE meetings SET at = '2026-11-26 12:00:00.500000+00:00', data = '{\"b\":2,\"a\":1}' WHERE id = 1",
    )
    exchange(station, office)
    assert office.sql("SELECT at AT TIME ZONE 'UTC' = '2026-11-26 12:00:00.5', data->>'b' FROM meetings") == [
        (True, "2")
    ]
    # The station keeps its own text: no verdict came back.
    assert station.sql("SELECT at, data FROM meetings") == [("2026-11-26 12:00:00.500000+00:00", '{"b":2,"a":1}')]
    station.sql("UPDATE meetings SET id = id, day = NULL")
    exchange(station, office, station)
    assert office.sql("SELECT day FROM meetings") == [(None,)]
    assert station.sql("SELECT at, data FROM meetings") == [("2026-11-26 12:00:00.500000+00:00", '{"b":2,"a":1}')]
    assert office.done("conflict", "list", "--json").json == []


def test_a_key_that_the_host_writes_otherwise_is_rewritten_at_the_station(diary: Both) -> None:
    office, station = diary
    station.sql("INSERT INTO days VALUES ('2026-11-27 00:00:00.000000', 'b', '2.50')")
    station.sql("INSERT INTO days VALUES ('2026-11-28T00:00', 'c', '2.5')")
    station.sql("INSERT INTO meetings (id, day) VALUES (2, '2026-11-27 00:00:00.000000')")
    exchange(station, office, rounds=1)
    # Before the answer is fetched: the station still has its own key.
    station.sql("UPDATE days SET note = 'later' WHERE day = '2026-11-28T00:00'")
    exchange(station, office, station, rounds=4)
    expected = [("2026-11-26 00:00:00", "a"), ("2026-11-27 00:00:00", "b"), ("2026-11-28 00:00:00", "later")]
    assert office.sql(OFFICE_DAYS) == expected
    assert station.sql(DAYS) == expected
    assert station.sql(MEETINGS) == [(1, "2026-11-26 00:00:00"), (2, "2026-11-27 00:00:00")]
    office.sql("UPDATE days SET note = 'host'")
    exchange(office, station)
    station.sql("DELETE FROM meetings WHERE id = 2")
    station.sql("DELETE FROM days WHERE day = '2026-11-28 00:00:00'")
    exchange(station, office)
    assert station.sql(DAYS) == [(day, "host") for day, _ in expected[:2]]
    assert office.sql(OFFICE_DAYS) == station.sql(DAYS)


DJANGO_HOST = (
    "CREATE TABLE things (id uuid PRIMARY KEY, at timestamptz, price numeric(10,2), big numeric(20,2), paid boolean,"
    " data jsonb, address inet, parent uuid REFERENCES things, size integer CHECK (size >= 0), scan bytea)",
)
DJANGO_STATION = (
    "CREATE TABLE things (id char(32) NOT NULL PRIMARY KEY, at datetime, price decimal, big text, paid bool,"
    " data text CHECK (json_valid(data)), address char(39), parent char(32) REFERENCES things (id),"
    " size integer unsigned CHECK (size >= 0), scan BLOB)"
)
FIRST, SECOND = "11111111222233334444555555555555", "aaaaaaaabbbbccccddddeeeeeeeeeeee"
THINGS = "SELECT * FROM things ORDER BY id"


def test_tables_that_an_orm_made_at_both_places(
    new_place: NewPlace,
) -> None:
    office = new_place("postgresql", "office")
    for statement in DJANGO_HOST:
        office.sql(statement)
    office.sql(
        "INSERT INTO things VALUES (%s, '2026-11-26 11:00:00.25+00', 12.5, 12345678901234567.25, true, '{\"a\": 1}',"
        " '10.0.0.1', NULL, 3, '\\x00ff')",
        FIRST,
    )
    station = new_place("sqlite", "koeln")
    station.sql(DJANGO_STATION)
    joined(office, station, "things")
    assert station.sql(THINGS) == [
        (FIRST, "2026-11-26 11:00:00.25", 12.5, "12345678901234567.25", 1, '{"a": 1}', "10.0.0.1", None, 3, b"\0\xff")
    ]
    station.sql(
        "INSERT INTO things VALUES (?, '2026-11-26 12:00:00.500000', 3, '1.50', 0, '[]', '10.0.0.2', ?, 4, x'01')",
        SECOND,
        FIRST,
    )
    station.sql("UPDATE things SET paid = 0, scan = NULL WHERE id = ?", FIRST)
    exchange(station, office)
    listed = "SELECT replace(id::text, '-', ''), price::text, big::text, paid, address::text, size, scan FROM things"
    assert office.sql(f"{listed} ORDER BY 1") == [
        (FIRST, "12.50", "12345678901234567.25", False, "10.0.0.1/32", 3, None),
        (SECOND, "3.00", "1.50", False, "10.0.0.2/32", 4, b"\x01"),
    ]
    office.sql("UPDATE things SET size = 5 WHERE id = %s", SECOND)
    exchange(office, station)
    assert station.sql("SELECT size, scan, parent FROM things WHERE id = ?", SECOND) == [(5, b"\x01", FIRST)]
    office.sql("DELETE FROM things WHERE id = %s", SECOND)
    exchange(office, station)
    assert len(station.sql(THINGS)) == 1
    assert office.done("conflict", "list", "--json").json == []


def test_types_that_do_not_fit_are_told_by_name(
    new_place: NewPlace,
) -> None:
    office = new_place("postgresql", "office")
    office.sql("CREATE TABLE things (id integer PRIMARY KEY, took interval)")
    station = new_place("sqlite", "koeln")
    station.sql("CREATE TABLE things (id integer PRIMARY KEY, took bigint)")
    joined(office, station, "things")
    status = station.call("status").out
    assert "Column things.took has the type" in status


@pytest.fixture
def sqlite_host(new_place: NewPlace) -> Both:
    """A host on SQLite, whose application writes timestamps in its own way, and a station on PostgreSQL."""
    office, station = new_place("sqlite", "office"), new_place("postgresql", "koeln")
    office.sql("CREATE TABLE days (day TIMESTAMP PRIMARY KEY, note TEXT, at DATETIME, price DECIMAL, done BOOLEAN)")
    office.sql("INSERT INTO days VALUES ('2026-11-26 00:00:00', 'a', '2026-11-26 11:00:00.500000', 12.5, 1)")
    joined(office, station, "days")
    return office, station


def test_a_host_that_keeps_text_as_it_comes(sqlite_host: Both) -> None:
    office, station = sqlite_host
    assert station.sql("SELECT note, at = '2026-11-26 11:00:00.5', price::text, done FROM days") == [
        ("a", True, "12.5", True)
    ]
    station.sql("UPDATE days SET note = 'b'")
    station.sql("INSERT INTO days VALUES ('2026-11-27 00:00:00', 'c', '2026-11-27 11:00:00', 3.00, false)")
    exchange(station, office)
    assert office.sql("SELECT * FROM days ORDER BY day") == [
        ("2026-11-26 00:00:00", "b", "2026-11-26 11:00:00.500000", 12.5, 1),
        ("2026-11-27 00:00:00", "c", "2026-11-27 11:00:00", 3, 0),
    ]
    office.sql("UPDATE days SET note = 'd' WHERE note = 'c'")
    exchange(office, station)
    assert station.sql("SELECT note FROM days ORDER BY day") == [("b",), ("d",)]
    assert office.done("conflict", "list", "--json").json == []


def test_a_key_that_the_station_would_write_otherwise_is_told(sqlite_host: Both) -> None:
    office, station = sqlite_host
    office.sql("INSERT INTO days (day, note) VALUES ('2026-11-27 00:00:00.000000', 'b')")
    exchange(office, station, rounds=1)
    status = station.call("status")
    assert status.code == 3
    words = " ".join(status.out.split())
    assert "The key 2026-11-27 00:00:00.000000 of table days can be stored here only as 2026-11-27 00:00:00" in words


def test_what_the_hosts_column_rounds_is_rounded_at_the_station(
    new_place: NewPlace,
) -> None:
    office, station = new_place("postgresql", "office"), new_place("sqlite", "koeln")
    office.sql("CREATE TABLE shifts (id integer PRIMARY KEY, at timestamp(0), price numeric(10,2), size real)")
    joined(office, station, "shifts")
    station.sql("INSERT INTO shifts VALUES (1, '2026-11-26 11:00:00.6', 1.555, 0.1)")
    station.sql("INSERT INTO shifts VALUES (2, '2026-11-26 11:00:00.000', 1.5, 0.5)")
    exchange(station, office)
    assert station.sql("SELECT at, price FROM shifts ORDER BY id") == [
        ("2026-11-26 11:00:01", 1.56),
        ("2026-11-26 11:00:00.000", 1.5),
    ]


def test_digits_that_a_host_on_sqlite_does_not_keep(sqlite_host: Both) -> None:
    office, station = sqlite_host
    station.sql("UPDATE days SET price = 1234567890123456789.25")
    exchange(station, office)
    ((kept,),) = office.sql("SELECT price FROM days")
    assert isinstance(kept, (int, float))
    assert station.sql("SELECT price FROM days") == [(kept,)]
