"""The database servers do what tests rely on, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.fixtures import leave_out, missing_mariadb, missing_postgresql
from tests.servers.guardian import groups_of
from tests.servers.processes import wait_until

if TYPE_CHECKING:
    from tests.servers.mariadb import MariadbServer
    from tests.servers.postgresql import PostgresqlServer


def test_postgresql_databases_are_empty_and_the_applications(
    postgresql_server: PostgresqlServer, postgresql_database: str
) -> None:
    with closing(postgresql_server.connect(postgresql_database, "application")) as connection:
        connection.execute("CREATE SCHEMA shop CREATE TABLE orders (id integer PRIMARY KEY)")
    other = postgresql_server.create_database()
    with closing(postgresql_server.connect(other, "replicator")) as connection:
        assert connection.execute("SELECT to_regclass('shop.orders')").fetchall() == [(None,)]
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchall() == [(False,)]
        postgresql_server.drop_database(other)  # also with somebody in it


def test_postgresql_is_durable_and_against_those_who_pin_nothing(
    postgresql_server: PostgresqlServer, postgresql_database: str
) -> None:
    settings = {
        "fsync": "on",
        "synchronous_commit": "on",
        "TimeZone": "Asia/Kolkata",
        "bytea_output": "escape",
        "extra_float_digits": "0",
        "server_encoding": "UTF8",
    }
    with closing(postgresql_server.connect(postgresql_database)) as connection:
        for name, value in settings.items():
            assert connection.execute("SELECT current_setting(%s)", (name,)).fetchone() == (value,)


def test_postgresql_keeps_what_was_committed_when_it_is_killed(
    postgresql_server: PostgresqlServer, postgresql_database: str
) -> None:
    with closing(postgresql_server.connect(postgresql_database)) as connection:
        connection.execute("CREATE TABLE kept (id integer)")
        connection.execute("INSERT INTO kept VALUES (7)")
        postgresql_server.server.kill()
    postgresql_server.start()
    with closing(postgresql_server.connect(postgresql_database)) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]
    postgresql_server.server.stop()
    postgresql_server.start()


def test_mariadb_databases_are_empty_and_for_their_users(mariadb_server: MariadbServer, mariadb_database: str) -> None:
    with closing(mariadb_server.connect(mariadb_database, "application")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
    other = mariadb_server.create_database()
    with closing(mariadb_server.connect(other, "replicator")) as connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW TABLES") == 0
    mariadb_server.drop_database(other)


def test_mariadb_is_durable_and_against_those_who_pin_nothing(
    mariadb_server: MariadbServer, mariadb_database: str
) -> None:
    settings = {
        "innodb_flush_log_at_trx_commit": 1,
        "innodb_rollback_on_timeout": 0,
        "character_set_server": "latin1",
        "time_zone": "+05:30",
    }
    with closing(mariadb_server.connect(mariadb_database)) as connection, connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"SELECT @@global.{name}")
            assert cursor.fetchall() == ((value,),)


def test_mariadb_keeps_what_was_committed_when_it_is_killed(
    mariadb_server: MariadbServer, mariadb_database: str
) -> None:
    with closing(mariadb_server.connect(mariadb_database)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id integer)")
        cursor.execute("INSERT INTO kept VALUES (7)")
        mariadb_server.server.kill()
    mariadb_server.start()
    with closing(mariadb_server.connect(mariadb_database)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM kept")
        assert cursor.fetchall() == ((7,),)
    mariadb_server.server.stop()
    mariadb_server.start()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_killed_test_process_leaves_no_database_server_behind(kind: str) -> None:
    leave_out(kind, {"postgresql": missing_postgresql, "mariadb": missing_mariadb}[kind]())
    name = f"{kind.capitalize()}Server"
    script = (
        f"import time; from tests.servers.{kind} import {name}; print({name}().folder, flush=True); time.sleep(600)"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    folder = process.stdout.readline().strip()
    assert groups_of(folder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    wait_until(lambda: not Path(folder).exists(), "the guardian has removed the folder")
    assert groups_of(folder) == set()
