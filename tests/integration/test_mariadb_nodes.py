"""Nodes on MariaDB and SQLite in a mix, by the command line and folder mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.command_line import enrol, exchange

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


@pytest.fixture
def office(new_place: NewPlace) -> Any:
    """A host on MariaDB with two tables."""
    made = new_place("mariadb", "office")
    for statement in SCHEMA:
        made.sql(statement)
    made.done("host-init", *made.options, "--address", "office@example.com", "--name", "Zentrale")
    made.done("table", "add", "orders", "customers", "--area", "Sales")
    return made


def test_a_host_on_mariadb_and_stations_on_both(office: Any, new_place: NewPlace) -> None:
    stations = [new_place("sqlite", "koeln"), new_place("mariadb", "bonn")]
    enrol(office, *stations)
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


def test_a_host_on_sqlite_and_a_station_on_mariadb(new_place: NewPlace) -> None:
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
    enrol(office, station)
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


def test_foreign_keys_that_cascade_are_replaced_with_consent_and_given_back(new_place: NewPlace) -> None:
    office, station = new_place("mariadb", "office"), new_place("sqlite", "koeln")
    for statement in (
        "CREATE TABLE customers (id integer PRIMARY KEY, name text)",
        "CREATE TABLE orders (id integer PRIMARY KEY, customer integer, CONSTRAINT owner FOREIGN KEY (customer)"
        " REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE)",
        "INSERT INTO customers VALUES (1, 'Ahlers'), (2, 'Brandt')",
        "INSERT INTO orders VALUES (1, 1), (2, 2)",
    ):
        office.sql(statement)
    before = office.sql("SHOW CREATE TABLE orders")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    assert "replicator table add orders --replace-cascades" in office.refused("table", "add", "orders", "customers")
    assert office.sql("SHOW CREATE TABLE orders") == before
    done = office.done("table", "add", "orders", "customers", "--replace-cascades")
    assert "is done by a trigger of customers now" in done.out
    assert "ON UPDATE CASCADE of the foreign key owner can't be done by a trigger" in done.out
    enrol(office, station)
    exchange(office, station)
    office.sql("DELETE FROM customers WHERE id = 1")
    exchange(office, station)
    assert station.sql("SELECT id FROM orders") == [(2,)]
    station.sql("INSERT INTO customers VALUES (3, 'Claas')")
    station.sql("INSERT INTO orders VALUES (3, 3)")
    station.sql("DELETE FROM orders WHERE id = 2")
    station.sql("DELETE FROM customers WHERE id = 2")
    exchange(station, office, station)
    assert office.sql("SELECT id FROM orders") == station.sql("SELECT id FROM orders") == [(3,)]
    assert office.done("conflict", "list", "--json").json == []
    office.done("rule", "set", "koeln", "all", "--to-remote", "none", "--to-host", "none")
    office.done("table", "remove", "orders", "customers")
    assert office.sql("SHOW CREATE TABLE orders") == before
    assert office.sql("SHOW TRIGGERS") == []
