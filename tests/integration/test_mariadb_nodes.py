"""Nodes on MariaDB and SQLite in a mix, by the command line and folder mail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pymysql")

from replicator.databases.mariadb.database import MariadbDatabase
from tests.integration.command_line import Place

NewPlace = Callable[[str, str], Any]

SCHEMA = (
    "CREATE TABLE customers (id integer PRIMARY KEY AUTO_INCREMENT, name varchar(80) NOT NULL UNIQUE, city text)",
    "CREATE TABLE orders"
    " (id bigint unsigned PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id),"
    " price decimal(12,2), paid boolean DEFAULT false, at timestamp(6) NULL, scan longblob, mood enum('sad','glad'),"
    " total decimal(30,10) DEFAULT 12345678901234567890.0123456789)",
    "INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Köln')",
    "SET STATEMENT time_zone = '+05:30' FOR INSERT INTO orders (id, customer, price, paid, at, scan, mood)"
    " VALUES (1, 1, 12.50, true, '2026-11-26 11:00:00', x'00ff', 'glad')",
)
CUSTOMERS = "SELECT id, name, city FROM customers ORDER BY id"


def exchange(*nodes: Place, rounds: int = 3) -> None:
    for _ in range(rounds):
        for node in nodes:
            node.run()


def join(office: Place, folder: Path, *stations: Place) -> None:
    for station in stations:
        invitation = folder / f"{station.name}.invitation"
        office.done("station", "add", station.name, "--address", f"{station.name}@example.com", "--out", invitation)
        office.done("rule", "set", station.name, "all", "--to-remote", "all", "--to-host", "all")
        station.done("remote-init", invitation, *station.options)


@pytest.fixture
def office(new_place: NewPlace) -> Any:
    """A host on MariaDB with two tables."""
    made = new_place("mariadb", "office")
    for statement in SCHEMA:
        made.sql(statement)
    made.done("host-init", *made.options, "--address", "office@example.com", "--name", "Zentrale")
    made.done("table", "add", "orders", "customers", "--area", "Sales")
    return made


def test_a_host_on_mariadb_and_stations_on_both(office: Any, new_place: NewPlace, tmp_path: Path) -> None:
    stations = [new_place("sqlite", "koeln"), new_place("mariadb", "bonn")]
    join(office, tmp_path, *stations)
    exchange(office, *stations)
    for station in stations:
        assert station.sql(CUSTOMERS) == office.sql(CUSTOMERS)
    assert stations[0].sql("SELECT price, total, paid, at, scan, mood FROM orders") == [
        (12.5, "12345678901234567890.0123456789", 1, "2026-11-26 05:30:00+00", b"\0\xff", "glad")
    ]
    assert stations[1].sql("SELECT * FROM orders") == office.sql("SELECT * FROM orders")
    stations[0].sql("INSERT INTO customers VALUES (10, 'Claas', NULL)")
    stations[0].sql("UPDATE orders SET price = 13.75, paid = 0 WHERE id = 1")
    stations[1].sql("UPDATE customers SET city = 'Bonn' WHERE id = 2")
    office.sql("INSERT INTO customers (id, name) SELECT seq, CONCAT('Name ', seq) FROM seq_100_to_1100")
    office.sql("DELETE FROM customers WHERE id BETWEEN 200 AND 299")
    exchange(office, *stations, office, *stations)
    expected = office.sql(CUSTOMERS)
    assert len(expected) == 2 + 1 + 1001 - 100
    assert (2, "Brandt", "Bonn") in expected
    assert office.sql("SELECT CAST(price AS CHAR), paid FROM orders") == [("13.75", 0)]
    for station in stations:
        assert station.sql(CUSTOMERS) == expected
    assert office.done("conflict", "list", "--json").json == []


def test_a_host_on_sqlite_and_a_station_on_mariadb(new_place: NewPlace, tmp_path: Path) -> None:
    office, station = new_place("sqlite", "office"), new_place("mariadb", "bonn")
    for statement in (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, note TEXT)",
        "CREATE TABLE orders (number TEXT PRIMARY KEY NOT NULL, customer INTEGER NOT NULL REFERENCES customers"
        " ON DELETE CASCADE, at DATETIME DEFAULT CURRENT_TIMESTAMP, price NUMERIC(10, 2), data BLOB)",
        "INSERT INTO customers VALUES (1, 'Abel', 'x'), (2, 'Brandt', NULL)",
        "INSERT INTO orders VALUES ('a', 1, '2026-11-26 11:00:00', 12.5, x'00ff'), ('A', 2, NULL, NULL, NULL)",
    ):
        office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "orders", "customers")
    join(office, tmp_path, station)
    exchange(office, station)
    assert station.sql(CUSTOMERS.replace("city", "note")) == [(1, "Abel", "x"), (2, "Brandt", None)]
    assert station.sql("SELECT number, customer, CAST(at AS CHAR), CAST(price AS CHAR), data FROM orders") == [
        ("A", 2, None, None, None),
        ("a", 1, "2026-11-26 11:00:00.000000", "12.50", b"\0\xff"),
    ]
    station.sql("INSERT INTO orders (number, customer, price) VALUES ('b', 2, 3)")
    station.sql("DELETE FROM customers WHERE id = 1")
    station.sql("UPDATE customers SET name = 'BRANDT' WHERE id = 2")
    exchange(station, office, station)
    assert office.sql("SELECT id, name FROM customers") == [(2, "BRANDT")]
    assert office.sql("SELECT number, price FROM orders ORDER BY 1") == [("A", None), ("b", 3)]
    office.sql("DELETE FROM orders")
    office.sql("DELETE FROM customers")
    exchange(office, station)
    assert station.sql("SELECT * FROM customers") == []
    assert station.sql("SELECT * FROM orders") == []
    assert office.done("conflict", "list", "--json").json == []


# --- an application that writes while a batch is judged ---------------------------------------------------------------


@pytest.fixture
def pair(office: Any, new_place: NewPlace, tmp_path: Path) -> tuple[Any, Place]:
    """A host on MariaDB and a station on SQLite that have exchanged everything."""
    station = new_place("sqlite", "koeln")
    join(office, tmp_path, station)
    exchange(office, station, rounds=2)
    return office, station


def between_look_and_write(monkeypatch: pytest.MonkeyPatch, step: Callable[[], None]) -> list[int]:
    """The application does this once, right before the host's next write. Returns what grows when it has."""
    done: list[int] = []

    def before(name: str) -> None:
        original = getattr(MariadbDatabase, name)

        def write(self: Any, connection: Any, table: Any, rows: Any) -> None:
            if rows and not done:
                done.append(1)
                step()
            original(self, connection, table, rows)

        monkeypatch.setattr(MariadbDatabase, name, write)

    before("write_images")
    before("delete_keys")
    return done


def test_a_row_that_the_application_changes_meanwhile_is_judged_anew(
    pair: tuple[Any, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, station = pair
    station.sql("UPDATE customers SET city = 'station' WHERE id = 1")
    station.sql("INSERT INTO customers VALUES (50, 'station', NULL)")
    station.run()

    def application() -> None:
        office.sql("UPDATE customers SET city = 'host' WHERE id = 1")
        office.sql("INSERT INTO customers VALUES (50, 'host', NULL)")

    done = between_look_and_write(monkeypatch, application)
    office.run()
    assert done
    exchange(station, office, station)
    expected = [(1, "Ahlers", "host"), (2, "Brandt", "Köln"), (50, "host", None)]
    assert office.sql(CUSTOMERS) == expected
    assert station.sql(CUSTOMERS) == expected
    assert {tuple(each["key"]) for each in office.done("conflict", "list", "--json").json} == {(1,), (50,)}


def test_a_child_that_the_application_adds_meanwhile_keeps_its_parent(
    pair: tuple[Any, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, station = pair
    station.sql("DELETE FROM customers WHERE id = 2")
    station.run()
    done = between_look_and_write(
        monkeypatch, lambda: office.sql("INSERT INTO orders (id, customer) VALUES (9, 2)") and None
    )
    office.run()
    assert done
    exchange(station, office, station)
    assert office.sql("SELECT customer FROM orders WHERE id = 9") == [(2,)]
    assert len(office.sql(CUSTOMERS)) == 2
    assert station.sql(CUSTOMERS) == office.sql(CUSTOMERS)


def test_a_parent_that_the_application_deletes_meanwhile_is_held(
    pair: tuple[Any, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, station = pair
    station.sql("INSERT INTO orders (id, customer) VALUES (9, 2)")
    station.run()

    def application() -> None:
        with closing(office.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET innodb_lock_wait_timeout = 0")
            with pytest.raises(Exception, match="Lock wait timeout"):
                cursor.execute("DELETE FROM customers WHERE id = 2")

    done = between_look_and_write(monkeypatch, application)
    office.run()
    assert done
    assert office.sql("SELECT customer FROM orders WHERE id = 9") == [(2,)]
    exchange(station, office, station)
    assert station.sql(CUSTOMERS) == office.sql(CUSTOMERS)
