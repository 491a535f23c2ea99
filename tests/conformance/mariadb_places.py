"""A node's MariaDB database and an application that writes to it as a user of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

from replicator.databases.base import Change
from replicator.databases.mariadb.database import MariadbDatabase
from replicator.runtime import Runtime
from replicator.types import Table

if TYPE_CHECKING:
    from tests.servers.mariadb import MariadbServer


class MariadbPlace:
    """`application` has no right on our tables; `replicator` has those on this database that it needs, no more."""

    def __init__(self, server: MariadbServer, name: str) -> None:
        self.server, self.name = server, name
        self.database = self.open()
        self.database.prepare()
        self.application = server.connect(name, "application")
        self.tables: dict[int, Table] = {}

    def open(self) -> MariadbDatabase:
        return MariadbDatabase(make_url(self.server.url(self.name, "replicator")), Runtime())

    def another(self) -> Any:
        """A second session of the application."""
        return self.server.connect(self.name, "application")

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.application.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    def make(self, *statements: str) -> None:
        for statement in statements:
            self.run(statement)

    def replicate(self, *names: str) -> list[Table]:
        """Take tables into replication, as `table add` does."""
        with self.database.transaction() as connection:
            for name in names:
                definition = self.database.inspect(connection, name)
                table = Table(len(self.tables) + 1, definition.name, definition)
                self.database.install_capture(connection, table)
                self.tables[table.id] = table
        return list(self.tables.values())

    def collect(self) -> list[Change]:
        with self.database.transaction() as connection:
            found = [change for chunk in self.database.read_outbox(connection, self.tables) for change in chunk]
            self.database.clear_outbox(connection)
            assert self.database.outbox_is_empty(connection)
        return found

    def close(self) -> None:
        self.application.close()
        self.database.close()
