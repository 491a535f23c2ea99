"""A node's PostgreSQL database and an application that writes to it as a role of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from database_places import NodePlace
from sqlalchemy import make_url

from replicator.databases.postgresql.database import PostgresqlDatabase
from replicator.runtime import Runtime

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgresqlServer


class PostgresqlPlace(NodePlace):
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
        super().__init__(self.open())
        self.database.prepare()
        self.application = server.connect(name, "application")

    def open(self, **query: str) -> PostgresqlDatabase:
        url = make_url(self.server.url(self.name, "replicator")).update_query_dict(query)
        return PostgresqlDatabase(url, Runtime())

    def another(self) -> Any:
        """A second session of the application."""
        return self.server.connect(self.name, "application")

    def do(self, session: Any, *statements: str) -> None:
        for statement in statements:
            session.execute(statement.encode())

    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self.application.execute(sql.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def make(self, *statements: str) -> None:
        for statement in statements:
            self.run(statement)

    def close(self) -> None:
        self.application.close()
        self.database.close()
