"""Hosts on servers whose application writes between our look at a row and our write (protocol.md 7.3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.integration.command_line import Place, enrol, exchange

NewPlace = Callable[[str, str], Any]

SCHEMA = (
    "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, city varchar(80))",
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id))",
    "INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Köln')",
)
CUSTOMERS = "SELECT id, name, city FROM customers ORDER BY id"
NOT_LONG = {"postgresql": "SET lock_timeout = '50ms'", "mariadb": "SET innodb_lock_wait_timeout = 0"}


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pair(kind: str, new_place: NewPlace) -> tuple[Any, Place]:
    """A host on the server and a station on SQLite that have exchanged everything."""
    office, station = new_place(kind, "office"), new_place("sqlite", "koeln")
    for statement in SCHEMA:
        office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "orders", "customers", "--area", "Sales")
    enrol(office, station)
    exchange(office, station, rounds=2)
    return office, station


@pytest.fixture
def between_look_and_write(kind: str, pair: object, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`between_look_and_write(step)`: the application does this once, right before the host's next write. Returns what
    grows when it has."""
    if kind == "postgresql":
        from replicator.databases.postgresql.database import PostgresqlDatabase as Database
    else:
        from replicator.databases.mariadb.database import MariadbDatabase as Database

    def wait_for_write(step: Callable[[], object]) -> list[int]:
        done: list[int] = []

        def before(name: str) -> None:
            original = getattr(Database, name)

            def write(self: Any, connection: Any, table: Any, rows: Any) -> None:
                if rows and not done:
                    done.append(1)
                    step()
                original(self, connection, table, rows)

            monkeypatch.setattr(Database, name, write)

        before("write_images")
        before("delete_keys")
        return done

    return wait_for_write


def test_a_row_that_the_application_changes_is_judged_anew(
    pair: tuple[Any, Place], between_look_and_write: Any
) -> None:
    office, station = pair
    station.sql("UPDATE customers SET city = 'station' WHERE id = 1")
    station.sql("INSERT INTO customers VALUES (50, 'station', NULL)")
    station.run()

    def application() -> None:
        office.sql("UPDATE customers SET city = 'host' WHERE id = 1")
        office.sql("INSERT INTO customers VALUES (50, 'host', NULL)")

    done = between_look_and_write(application)
    office.run()
    assert done
    exchange(station, office, station)
    expected = [(1, "Ahlers", "host"), (2, "Brandt", "Köln"), (50, "host", None)]
    assert office.sql(CUSTOMERS) == expected
    assert station.sql(CUSTOMERS) == expected
    assert {tuple(each["key"]) for each in office.done("conflict", "list", "--json").json} == {(1,), (50,)}


def test_a_child_that_the_application_adds_keeps_its_parent(
    pair: tuple[Any, Place], between_look_and_write: Any
) -> None:
    office, station = pair
    station.sql("DELETE FROM customers WHERE id = 2")
    station.run()
    done = between_look_and_write(lambda: office.sql("INSERT INTO orders VALUES (9, 2)"))
    office.run()
    assert done
    exchange(station, office, station)
    assert office.sql("SELECT customer FROM orders WHERE id = 9") == [(2,)]
    assert len(office.sql(CUSTOMERS)) == 2
    assert station.sql(CUSTOMERS) == office.sql(CUSTOMERS)


def test_a_parent_that_the_application_deletes_is_held(
    kind: str, pair: tuple[Any, Place], between_look_and_write: Any
) -> None:
    office, station = pair
    station.sql("INSERT INTO orders (id, customer) VALUES (9, 2)")
    station.run()

    def application() -> None:
        with closing(office.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(NOT_LONG[kind])
            with pytest.raises(Exception, match=r"(?i)lock (wait )?timeout"):
                cursor.execute("DELETE FROM customers WHERE id = 2")
            if kind == "postgresql":
                # A column that is no key is free; MariaDB's shared lock is on the whole row.
                cursor.execute("UPDATE customers SET city = 'free' WHERE id = 2")

    done = between_look_and_write(application)
    office.run()
    assert done
    assert office.sql("SELECT customer FROM orders WHERE id = 9") == [(2,)]
    exchange(station, office, station)
    assert station.sql(CUSTOMERS) == office.sql(CUSTOMERS)
