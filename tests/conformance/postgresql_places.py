"""A node's PostgreSQL database and an application that writes to it as a role of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

from replicator.databases.base import Change
from replicator.databases.postgresql.database import PostgresqlDatabase
from replicator.runtime import Runtime
from replicator.types import Table

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgresqlServer


class PostgresqlPlace:
    """`application` owns its tables in the schema `public`; `replicator` is no superuser."""

    def __init__(self, server: PostgresqlServer, name: str) -> None:
        self.server, self.name = server, name
        with server.connect(name) as administrator:
            for statement in (
                "CREATE EXTENSION citext",
                "GRANT SET ON PARAMETER session_replication_role TO replicator",
                f'GRANT CREATE ON DATABASE "{name}" TO replicator',
                "ALTER SCHEMA public OWNER TO application",
                "GRANT application TO replicator",
                "GRANT ALL ON SCHEMA public TO replicator",
            ):
                administrator.execute(statement.encode())
        self.database = self.open()
        self.database.prepare()
        self.application = server.connect(name, "application")
        self.tables: dict[int, Table] = {}
        self.reached: list[str] = []

    def open(self) -> PostgresqlDatabase:
        return PostgresqlDatabase(make_url(self.server.url(self.name, "replicator")), Runtime())

    def another(self) -> Any:
        """A second session of the application."""
        return self.server.connect(self.name, "application")

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self.application.execute(sql.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

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
        return found

    def close(self) -> None:
        self.application.close()
        self.database.close()
