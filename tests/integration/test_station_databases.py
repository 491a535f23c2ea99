"""What a station's database can't hold is refused at the host, or told there once its kind becomes known."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from replicator.databases.sqlite.database import SqliteDatabase
from tests.integration.command_line import Place, exchange, join, new_office

NewPlace = Callable[[str, str], Any]

UNFIT = "CREATE TABLE things (id INTEGER PRIMARY KEY, anything, code DECIMAL(70, 2))"


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """With a table that SQLite only has, and the station Köln, of which nothing is known."""
    made = new_office(tmp_path, capsys)
    made.sql(UNFIT)
    made.done("table", "add", "things")
    return made


def rule(office: Place, station: str, table: str) -> tuple[str, ...]:
    return ("rule", "set", station, table, "--to-remote", "all", "--to-host", "all")


def database(office: Place, station: str = "Köln") -> tuple[str | None, str | None]:
    shown = office.done("station", "show", station, "--json").json
    return shown["database"], shown["database_version"]


def needs(office: Place) -> list[str]:
    return [need["message"] for need in office.call("status", "--json").json["needs"]]


def test_a_kind_that_was_said_beforehand(office: Place) -> None:
    add = ("station", "add", "Bonn", "--address", "bonn@example.com")
    assert "give one of mariadb, postgresql, sqlite" in office.refused(*add, "--database", "oracle")
    office.done(*add, "--database", "postgresql", "--out", office.folder / "b.invitation")
    assert database(office, "Bonn") == ("postgresql", None)
    assert "PostgreSQL (as was said here)" in office.done("station", "show", "Bonn").out
    refused = office.refused(*rule(office, "Bonn", "things"))
    assert "Bonn has its tables on PostgreSQL, which can't hold this: column things.anything holds values" in refused
    assert refused.endswith("no rule was changed")
    assert "things.anything" in office.refused(*rule(office, "Bonn", "all"))
    assert all(not any(each["to_remote"]) for each in office.done("rule", "list", "Bonn", "--json").json)
    office.done(*rule(office, "Bonn", "Sales"))
    office.done(*rule(office, "Köln", "things"))
    assert needs(office) == []
    office.done("station", "set", "Bonn", "--database", "mariadb")
    refused = office.refused(*rule(office, "Bonn", "things"))
    assert "things.anything can't be carried" in refused
    assert "things.code can't be carried: MariaDB has no numbers of 70 digits" in refused
    office.done("station", "set", "Bonn", "--database", "sqlite")
    office.done(*rule(office, "Bonn", "things"))


def test_a_kind_that_becomes_known(office: Place) -> None:
    office.done(*rule(office, "Köln", "things"))
    office.done(*rule(office, "Köln", "Sales"))
    assert "not known yet" in office.done("station", "show", "Köln").out
    assert needs(office) == []
    office.done("station", "set", "Köln", "--database", "postgresql")
    (need,) = needs(office)
    assert need.startswith("Köln has its tables on PostgreSQL, which can't hold this: column things.anything holds")
    assert office.done("station", "show", "Köln", "--json").json["unfit"] == [
        "Column things.anything holds values of any type, as only SQLite can: give it a type there."
    ]
    assert "Its database can't hold this: Column things.anything" in office.done("station", "show", "Köln").out
    # It may be made narrower, or taken away.
    office.done("rule", "set", "Köln", "things", "--to-remote", "new,changed")
    assert needs(office) == [need]
    office.done("rule", "set", "Köln", "things", "--to-remote", "none", "--to-host", "none")
    assert needs(office) == []
    assert "things.anything" in office.refused(*rule(office, "Köln", "things"))


def test_the_station_says_it_itself(
    office: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    office.done("station", "set", "Köln", "--database", "mariadb")
    office.refused(*rule(office, "Köln", "things"))
    station = join(office.folder, capsys)
    station.run()
    office.run()
    assert database(office) == ("sqlite", sqlite3.sqlite_version)
    assert f"SQLite {sqlite3.sqlite_version}" in office.done("station", "show", "Köln").out
    office.done(*rule(office, "Köln", "things"))
    # A new version is told with the next mail, whatever that is for.
    monkeypatch.setattr(SqliteDatabase, "version", lambda _database, _connection: "99.1")
    exchange(office, station, office)
    assert database(office) == ("sqlite", "99.1")


def test_a_station_that_says_nothing_is_as_good(
    office: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older program's mails have no such word, and a newer one's may have another."""
    station = join(office.folder, capsys)
    office.done(*rule(office, "Köln", "all"))
    for word in (None, "weather fine", "database oracle 23"):
        monkeypatch.setattr("replicator.engine.send.database_notice", lambda _told, word=word: word)
        station.run()
        exchange(office, station, office)
        office.sql("UPDATE customers SET city = ? WHERE id = 1", word)
        exchange(office, station, office)
        assert station.sql("SELECT city FROM customers WHERE id = 1") == [(word,)]
        assert needs(office) == []
    assert database(office) == ("oracle", "23")
    assert "oracle 23" in office.done("station", "show", "Köln").out


def test_a_new_computer_is_likely_to_be_of_the_same_kind(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    join(office.folder, capsys).run()
    office.run()
    office.done("station", "invite", "Köln", "--out", office.folder / "k.invitation")
    assert database(office) == ("sqlite", None)


def test_what_a_station_will_not_get_is_told_when_a_table_is_added(office: Place) -> None:
    office.done("station", "set", "Köln", "--database", "mariadb")
    office.sql("CREATE TABLE more (id INTEGER PRIMARY KEY, what)")
    said = office.done("table", "add", "more").out
    assert "Stations on MariaDB (Köln) can't get more: column more.what can't be carried" in said


def test_what_goes_with_a_removed_station(office: Place) -> None:
    office.done(*rule(office, "Köln", "things"))
    office.done("station", "set", "Köln", "--database", "postgresql")
    assert len(needs(office)) == 1
    office.done("station", "remove", "Köln", "--yes")
    assert needs(office) == []


def test_a_link_that_stands_at_its_first_batch_begins_anew(new_place: NewPlace) -> None:
    """The host had sent what it did not know to be unfit; the station could not take it."""
    office, station = new_place("sqlite", "office"), new_place("postgresql", "bonn")
    office.sql(UNFIT)
    office.sql("CREATE TABLE parts (id INTEGER PRIMARY KEY, name TEXT)")
    office.sql("INSERT INTO parts VALUES (1, 'bolt')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "things", "parts")
    invitation = office.folder / "b.invitation"
    office.done("station", "add", "Bonn", "--address", "bonn@example.com", "--out", invitation)
    office.done(*rule(office, "Bonn", "all"))
    office.run()
    station.done("remote-init", invitation, *station.options)
    assert "things.anything" in station.call("remote-run").out
    assert office.call("host-run").code == 3
    (need,) = needs(office)
    assert "things.anything" in need
    office.done("rule", "set", "Bonn", "things", "--to-remote", "none", "--to-host", "none")
    exchange(office, station)
    assert station.sql("SELECT name FROM parts") == [("bolt",)]
    station.sql("UPDATE parts SET name = 'nut'")
    exchange(station, office)
    assert office.sql("SELECT name FROM parts") == [("nut",)]
    assert (needs(office), needs(station)) == ([], [])


HOST = """
CREATE TABLE parts (code text PRIMARY KEY, note text);
CREATE TABLE wide (id integer PRIMARY KEY, huge numeric(70, 2) UNIQUE, place point, gone interval);
CREATE TABLE tree (id integer PRIMARY KEY, up integer REFERENCES tree (id) ON DELETE CASCADE);
CREATE TABLE fits (
    id integer PRIMARY KEY, part text REFERENCES parts ON UPDATE CASCADE, any_number numeric, at timestamptz,
    place point, lasts interval, tags text[], spans int4range, book text
);
INSERT INTO parts VALUES ('a', NULL);
INSERT INTO fits VALUES (1, 'a', 1.5, '2026-11-26 12:00+00', '(1,2)', '1 day', '{a,b}', '[1,5)', repeat('x', 100000));
"""


def test_a_host_on_postgresql_and_a_station_on_mariadb(new_place: NewPlace) -> None:
    office, station = new_place("postgresql", "office"), new_place("mariadb", "bonn")
    for statement in HOST.split(";\n"):
        if statement.strip():
            office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "parts", "wide", "tree", "fits")
    invitation = office.folder / "b.invitation"
    add = ("station", "add", "Bonn", "--address", "bonn@example.com", "--out", invitation)
    office.done(*add)
    office.done(*rule(office, "Bonn", "wide"))
    station.done("remote-init", invitation, *station.options)
    exchange(station, office, rounds=1)
    kind, version = database(office, "Bonn")
    assert kind == "mariadb"
    assert version is not None
    assert version.startswith(("10.", "11.", "12."))
    (need,) = needs(office)
    assert "Bonn has its tables on MariaDB, which can't hold this: column wide.huge can't be carried" in need
    office.done("rule", "set", "Bonn", "wide", "--to-remote", "none", "--to-host", "none")
    assert needs(office) == []
    refused = office.refused(*rule(office, "Bonn", "wide"))
    assert "column wide.huge can't be carried: MariaDB has no numbers of 70 digits with 2" in refused
    assert "things" not in refused
    assert "place" not in refused
    office.done(*rule(office, "Bonn", "parts"))
    said = office.done(*rule(office, "Bonn", "fits")).out
    assert "Column fits.any_number: numbers of any length hold 35 digits" in said
    assert "Column fits.at: a timestamp of MariaDB reaches from 1970 to 2038" in said
    assert "Table tree refers to itself" in office.done(*rule(office, "Bonn", "tree")).out
    assert "Table fits follows a changed key of parts by ON UPDATE" in said
    told = office.done("rule", "set", "Bonn", "fits", "--to-host", "new,deleted").out
    assert "any_number" not in told, "said again"
    exchange(office, station)
    assert station.sql("SELECT part, place, lasts, tags, spans, length(book) FROM fits") == [
        ("a", "(1,2)", "P1D", "{a,b}", "[1,5)", 100_000)
    ]
    assert needs(office) == []
    assert needs(station) == []
