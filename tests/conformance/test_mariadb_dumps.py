"""What MariaDB's own backup program writes, and brings back under the same name or another one."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from replicator.types import Table

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace

    from tests.servers.mariadb import MariadbServer


def place_of(server: MariadbServer, name: str) -> MariadbPlace:
    from mariadb_places import MariadbPlace

    return MariadbPlace(server, name)


def client(server: MariadbServer, program: str, *arguments: str, given: bytes | None = None) -> bytes:
    login = ["-h127.0.0.1", f"-P{server.port}", "-uadministrator", "-padministrator"]
    return subprocess.run([program, *login, *arguments], input=given, capture_output=True, check=True).stdout


def add(place: MariadbPlace, *names: str) -> dict[int, Table]:
    with place.database.transaction() as connection:
        for number, name in enumerate(names, start=1):
            table = Table(number, name, place.database.inspect_replaced(connection, name))
            place.database.replace_cascades(connection, name)
            place.database.install_capture(connection, table)
            place.tables[number] = table
    return place.tables


@pytest.mark.skipif(shutil.which("mariadb-dump") is None, reason="mariadb-dump is missing; install mariadb-client")
def test_a_dump_that_is_brought_back_captures_and_cascades_as_before(
    mariadb_server: MariadbServer, mariadb_database: str
) -> None:
    place = place_of(mariadb_server, mariadb_database)
    place.make(
        "CREATE TABLE customers (id int PRIMARY KEY, name varchar(20))",
        "CREATE TABLE orders (id int PRIMARY KEY, customer int, CONSTRAINT `the \"owner's` FOREIGN KEY (customer)"
        " REFERENCES customers (id) ON DELETE CASCADE)",
    )
    tables = add(place, "customers", "orders")
    place.make("INSERT INTO customers VALUES (1, 'a')", "INSERT INTO orders VALUES (1, 1)")
    dump = client(mariadb_server, "mariadb-dump", "--single-transaction", mariadb_database)
    place.make("INSERT INTO customers VALUES (9, 'z')")
    place.close()
    other = mariadb_server.create_database()
    with closing(mariadb_server.connect()) as administrator:
        administrator.query(f"DROP DATABASE `{mariadb_database}`")
        administrator.query(f"CREATE DATABASE `{mariadb_database}` CHARACTER SET utf8mb4")
        for name in (other, mariadb_database):
            client(mariadb_server, "mariadb", name, given=dump)
            place = place_of(mariadb_server, name)
            place.tables = dict(tables)
            with place.database.transaction() as connection:
                assert place.database.faulty_tables(connection, tables.values()) == {}
            # By a session that works in no database, or in another one.
            administrator.query(f"INSERT INTO `{name}`.customers VALUES (2, 'b')")
            place.run("DELETE FROM customers WHERE id = 1")
            assert place.run("SELECT * FROM orders") == []
            found = place.collect()
            assert [(change.table, change.operation.value) for change in found] == [
                *((1, "I"), (2, "I")),
                *((1, "I"), (2, "D"), (1, "D")),
            ]
            assert [change.id for change in found] == sorted({change.id for change in found})
            place.close()
    mariadb_server.drop_database(other)
