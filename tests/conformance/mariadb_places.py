"""A node's MariaDB database and an application that writes to it as a user of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from database_places import NodePlace
from sqlalchemy import make_url

from replicator.databases.mariadb.database import MariadbDatabase
from replicator.runtime import Runtime

if TYPE_CHECKING:
    from tests.servers.mariadb import MariadbServer


class MariadbPlace(NodePlace):
    """`application` has no right on our tables; `replicator` has those on this database that it needs, no more."""

    def __init__(self, server: MariadbServer, name: str) -> None:
        self.server, self.name = server, name
        super().__init__(self.open())
        self.database.prepare()
        self.application = server.connect(name, "application")

    def open(self) -> MariadbDatabase:
        return MariadbDatabase(make_url(self.server.url(self.name, "replicator")), Runtime())

    def another(self) -> Any:
        """A second session of the application."""
        return self.server.connect(self.name, "application")

    def do(self, session: Any, *statements: str) -> None:
        with session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.application.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    def make(self, *statements: str) -> None:
        for statement in statements:
            self.run(statement)

    def close(self) -> None:
        self.application.close()
        self.database.close()
