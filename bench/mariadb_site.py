"""A database on a MariaDB server of the benchmark's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from bench.data import Row, Work
from bench.sites import NewSite, Site
from replicator import databases
from replicator.databases.mariadb.database import MariadbDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.processes import wait_until

_AS_IT_COMES = """
innodb-buffer-pool-size = 128M
innodb-log-file-size = 96M
"""
"""The tests' servers are smaller."""

_TYPES = {" TEXT": " VARCHAR(200)", " TIMESTAMP": " DATETIME", " REAL": " DOUBLE"}
_CHUNK = 1000
_PUT_OFF = 50
"""Old transactions that the server may still have to tidy up after when it counts as idle; pages to write."""


class MariadbSite(Site):
    def __init__(self, server: MariadbServer) -> None:
        self.server = server
        self.database = server.create_database()
        self.application = self.connect()
        self.administrator = server.connect(self.database)
        self.url = f"mariadb+pymysql://replicator@127.0.0.1:{server.port}/{self.database}"

    def make(self, schema: str) -> None:
        for words, here in _TYPES.items():
            schema = schema.replace(words, here)
        for statement in filter(str.strip, schema.split(";")):
            self.execute(statement)

    def connect(self) -> Any:
        return self.server.connect(self.database, "application")

    def ready(self, work: Work) -> None:
        table, listed = work.table, ", ".join(work.changed)
        self.execute(f"CREATE TABLE new_{table} LIKE {table}")
        self.execute(f"CREATE TABLE changed_{table} (PRIMARY KEY (id)) AS SELECT {listed}, id FROM {table} LIMIT 0")
        for name, rows in ((f"new_{table}", work.rows), (f"changed_{table}", work.updates)):
            rest = iter(rows)
            while some := list(islice(rest, _CHUNK)):
                with self.application.cursor() as cursor:
                    cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(some[0]))})", some)

    def text(self, sql: str, parameters: Sequence[Any]) -> str:
        with self.application.cursor() as cursor:
            return str(cursor.mogrify(sql, parameters))

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        with self.application.cursor() as cursor:
            cursor.execute(sql, parameters or None)

    def fetch(self, sql: str) -> list[Row]:
        with self.application.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def update(self, work: Work) -> None:
        settings = ", ".join(f"t.{name} = c.{name}" for name in work.changed)
        self.execute(f"UPDATE {work.table} t JOIN changed_{work.table} c ON c.id = t.id SET {settings}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.application.begin()
        yield
        self.application.commit()

    def empty(self, table: str) -> None:
        """TRUNCATE fires no triggers here."""
        self.execute(f"TRUNCATE {table}")
        for (name,) in self.fetch("SHOW TABLES LIKE 'replicator\\_change\\_%'"):
            if name.rpartition("_")[2].isdecimal():
                self.execute(f"TRUNCATE {name}")

    def rest(self) -> None:
        wait_until(lambda: self._put_off() <= _PUT_OFF, "MariaDB has tidied up")

    def flush(self) -> None:
        with self.administrator.cursor() as cursor:
            cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
            wait_until(lambda: self._status("Innodb_buffer_pool_pages_dirty") <= _PUT_OFF, "MariaDB has written")
            cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT")

    def _put_off(self) -> int:
        return self._status("Innodb_history_list_length")

    def _status(self, name: str) -> int:
        with self.administrator.cursor() as cursor:
            cursor.execute(f"SHOW GLOBAL STATUS LIKE '{name}'")
            ((_, number),) = cursor.fetchall()
        return int(number)

    def close(self) -> None:
        self.application.close()
        self.administrator.close()
        self.server.drop_database(self.database)


@contextmanager
def started(settings: str) -> Iterator[NewSite]:
    # Not yet offered to users.
    databases._DATABASES.setdefault("mariadb", MariadbDatabase)
    with MariadbServer(_AS_IT_COMES + settings) as server:
        yield lambda: MariadbSite(server)
