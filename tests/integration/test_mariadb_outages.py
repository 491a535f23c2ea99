"""A MariaDB host whose server is in trouble during runs: one line each, and a later run goes on where it ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from replicator.engine.session import run as run_session
from replicator.errors import DatabaseTrouble
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import enrol, exchange

NewPlace = Callable[[str, str], Any]
ROWS = "SELECT id, name FROM customers ORDER BY id"


@pytest.fixture
def pair(new_place: NewPlace) -> tuple[Any, Any]:
    """A host on MariaDB with a table, and a station on SQLite that has its rows."""
    office, station = new_place("mariadb", "office"), new_place("sqlite", "koeln")
    office.sql("CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80))")
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers')")
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", "customers")
    enrol(office, station)
    exchange(office, station)
    return office, station


def work(office: Any, station: Any, number: int) -> None:
    office.sql(f"INSERT INTO customers VALUES ({2 * number}, 'office')")
    station.sql(f"INSERT INTO customers VALUES ({2 * number + 1}, 'station')")


def test_a_server_that_takes_no_writes_for_now(pair: tuple[Any, Any]) -> None:
    office, station = pair
    work(office, station, 10)
    station.run()
    with closing(office.server.connect()) as administrator:
        administrator.query("SET GLOBAL read_only = 1")
        try:
            told = office.refused("host-run", code=1)
        finally:
            administrator.query("SET GLOBAL read_only = 0")
    assert "is read-only: run again once it takes writes" in told
    office.server.server.stop()
    assert "see that the server runs and can be reached" in office.refused("host-run", code=1)
    office.server.start()
    exchange(office, station)
    assert station.sql(ROWS) == list(office.sql(ROWS)) == [(1, "Ahlers"), (20, "office"), (21, "station")]
    assert office.done("status", "--json").json["needs"] == []


def test_who_holds_a_row_for_long_is_named_in_the_status(pair: tuple[Any, Any]) -> None:
    office, station = pair
    station.sql("UPDATE customers SET name = 'Ahlers & Co' WHERE id = 1")
    station.run()
    grant = "PROCESS ON *.* {} replicator@'127.0.0.1'"
    with closing(office.server.connect()) as administrator, closing(office.connect()) as forgotten:
        administrator.query("GRANT " + grant.format("TO"))
        try:
            forgotten.query("BEGIN")
            forgotten.query("UPDATE customers SET name = name WHERE id = 1")
            who = f"session {forgotten.thread_id()} of user application from 127.0.0.1"
            for later in (0, 400):
                waiting = office.run(later=later).applied.waiting
                assert waiting is not None
                assert who in waiting
        finally:
            administrator.query("REVOKE " + grant.format("FROM"))
        (need,) = office.call("status", "--json").json["needs"]
        assert "has waited for 6 minutes" in need["message"]
        assert who in need["message"]
        forgotten.query("ROLLBACK")
    office.run()
    assert office.sql("SELECT name FROM customers") == [("Ahlers & Co",)]
    assert office.done("status", "--json").json["needs"] == []


def test_sessions_that_are_killed_before_each_commit_of_a_run(pair: tuple[Any, Any]) -> None:
    """A run dies at its first commit, the next at its second, and so on, until one comes to its end."""
    office, station = pair
    for count in range(1, 200):
        work(office, station, 10 * count)
        station.run()
        if not _dies_at_commit(office, count):
            break
    else:
        raise AssertionError("no run came to its end")
    assert count > 5
    exchange(office, station)
    rows = station.sql(ROWS)
    assert rows == list(office.sql(ROWS))
    assert len(rows) == 1 + 2 * count
    assert office.done("conflict", "list", "--json").json == []
    assert office.done("status", "--json").json["needs"] == []


def _dies_at_commit(office: Any, count: int) -> bool:
    left = count

    def reached(place: str) -> None:
        nonlocal left
        if place == "commit:before":
            left -= 1
            if left == 0:
                _kill_ours(office)

    runtime = Runtime(reached=reached)
    with open_node(Home(office.home, Files(runtime)), runtime) as node:
        try:
            run_session(node)
        except DatabaseTrouble as error:
            return "broke: see that the server runs and can be reached" in str(error)
    return False


def _kill_ours(office: Any) -> None:
    with closing(office.server.connect()) as administrator, administrator.cursor() as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'replicator'")
        for (session,) in cursor.fetchall():
            cursor.execute(f"KILL HARD {session}")
