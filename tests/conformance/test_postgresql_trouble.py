"""Trouble with the server: each is one clear sentence, and the next transaction goes on where it can."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("psycopg")

from psycopg.errors import lookup
from sqlalchemy import make_url

from replicator.databases.postgresql.database import PostgresqlDatabase
from replicator.databases.postgresql.errors import translate
from replicator.errors import ConstraintViolation, DatabaseBusy, DatabaseTrouble, ReplicatorError
from replicator.runtime import Runtime
from tests.servers.processes import wait_until

if TYPE_CHECKING:
    from postgresql_places import PostgresqlPlace


@pytest.fixture
def place(new_place: Callable[[str], PostgresqlPlace]) -> PostgresqlPlace:
    return new_place("postgresql")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("53100", DatabaseTrouble, "The disk of the database here is full"),
        ("53200", DatabaseTrouble, "not enough memory"),
        ("53300", DatabaseTrouble, "no connection left"),
        ("25006", DatabaseTrouble, "read-only"),
        ("57P01", DatabaseTrouble, "ended by an administrator"),
        ("57P03", DatabaseTrouble, "is starting"),
        ("57014", DatabaseBusy, "cancelled"),
        ("40P01", DatabaseBusy, "waited for each other"),
        ("55P03", DatabaseBusy, "holds what we need"),
        ("28P01", DatabaseTrouble, "refuses the log-in"),
        ("3D000", DatabaseTrouble, "There is no here"),
        ("58030", DatabaseTrouble, "reports a fault"),
        ("XX001", DatabaseTrouble, "damaged"),
        ("23505", ConstraintViolation, "refuses a row"),
        ("22P02", ConstraintViolation, "refuses a row"),
        ("54000", ConstraintViolation, "too long"),
        ("42P01", DatabaseTrouble, "refused a statement"),
    ],
)
def test_each_code_has_its_sentence(code: str, kind: type[ReplicatorError], words: str) -> None:
    found = translate(lookup(code)(), "here")
    assert type(found) is kind
    assert words in str(found)
    assert "\n" not in str(found)


def test_settings_of_the_role_do_not_reach_us(place: PostgresqlPlace) -> None:
    settings = {
        "statement_timeout": "1ms",
        "idle_in_transaction_session_timeout": "1ms",
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "serializable",
        "row_security": "on",
        "DateStyle": "German",
        "search_path": "public",
    }
    with place.server.connect(place.name) as administrator:
        for name, value in settings.items():
            administrator.execute(f"ALTER ROLE replicator IN DATABASE \"{place.name}\" SET {name} = '{value}'".encode())
    place.make("CREATE TABLE days (id integer PRIMARY KEY, day date)")
    (table,) = place.replicate("days")
    database = place.open()
    with database.transaction() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(0.01)")
        time.sleep(0.01)
        database.write_images(connection, table, [(1, "2026-11-26")])
        assert next(iter(database.scan(connection, table))) == [(1, "2026-11-26")]
    database.close()


def _end(place: PostgresqlPlace) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'replicator' AND datname = %s"
    with place.server.connect(place.name) as administrator:
        administrator.execute(end, (place.name,))


def _end_and_use(place: PostgresqlPlace, connection: Any) -> None:
    _end(place)
    connection.exec_driver_sql("SELECT 1")


def test_a_connection_that_was_ended_is_told_and_made_anew(place: PostgresqlPlace) -> None:
    with (
        pytest.raises(DatabaseTrouble, match="was ended by an administrator"),
        place.database.transaction() as connection,
    ):
        _end_and_use(place, connection)
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == []
    _end(place)
    with place.database.transaction() as connection:
        assert place.database.table_names(connection) == []


def test_a_role_with_one_connection_works_and_is_told_when_that_is_too_few(place: PostgresqlPlace) -> None:
    place.make("CREATE TABLE days (id integer PRIMARY KEY)", "INSERT INTO days VALUES (1)")
    (table,) = place.replicate("days")
    with place.server.connect(place.name) as administrator:
        administrator.execute("ALTER ROLE replicator CONNECTION LIMIT 1")
        place.database.close()
        ours = "SELECT FROM pg_stat_activity WHERE usename = 'replicator'"
        wait_until(lambda: not administrator.execute(ours).fetchall(), "our sessions have ended")
        try:
            with place.database.transaction() as connection:
                assert place.database.count(connection, table) == 1
            with closing(place.open()) as second, pytest.raises(DatabaseTrouble, match="too many connections for role"):
                second.prepare()
            with second.watch() as waits:
                assert not waits()
            administrator.execute("BEGIN")
            administrator.execute("UPDATE days SET id = 2")
            # Nobody can look who holds the row; that somebody does is told.
            words = "another program holds what we need: try again"
            with pytest.raises(DatabaseBusy, match=words), place.database.transaction() as connection:
                place.database.write_images(connection, table, [(1,)])
            administrator.execute("ROLLBACK")
            with place.database.transaction() as connection:
                place.database.write_images(connection, table, [(1,), (3,)])
            with (
                pytest.raises(DatabaseTrouble, match="too many connections for role"),
                place.database.transaction() as connection,
                place.database.snapshot(connection),
            ):
                pass
        finally:
            administrator.execute("ROLLBACK")
            administrator.execute("ALTER ROLE replicator CONNECTION LIMIT -1")
    assert [change.image for change in place.collect()] == [(3,)]


def test_a_standby_server_is_told(place: PostgresqlPlace) -> None:
    signal = place.server.folder / "data" / "standby.signal"
    place.application.close()
    place.database.close()
    place.server.server.stop()
    signal.touch()
    try:
        place.server.start()
        with place.database.transaction(write=False) as connection:
            assert place.database.table_names(connection) == []
        with pytest.raises(DatabaseTrouble, match="is read-only"), place.database.transaction():
            pass
    finally:
        place.database.close()
        place.server.server.stop()
        signal.unlink()
        place.server.start()


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = make_url(f"postgresql://replicator@127.0.0.1:{port}/shop?connect_timeout=2")
        database = PostgresqlDatabase(url, Runtime())
        with pytest.raises(DatabaseTrouble, match="see that the server runs and can be reached"):
            database.prepare()
