"""Nodes whose database is on a real server, used as `command_line.Place` is. See `new_place` in conftest.py."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.integration.command_line import Place

if TYPE_CHECKING:
    from tests.servers.mariadb import MariadbServer
    from tests.servers.postgresql import PostgresqlServer


class PostgresqlPlace(Place):
    """A computer whose database is on the server; the application owns its tables there."""

    server: PostgresqlServer
    database: str
    query = ""
    """At the end of the node's URL."""

    @property
    def options(self) -> list[str]:
        url = f"postgresql+psycopg://replicator@127.0.0.1:{self.server.port}/{self.database}{self.query}"
        return ["--database", url, "--mailbox", f"folder:{self.folder / 'mail'}"]

    def connect(self) -> Any:
        """The application's own connection, each statement a transaction."""
        return self.server.connect(self.database, "application")

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    is_alone = False

    @property
    def application_url(self) -> str:
        return self.server.url(self.database, "application")

    @property
    def django(self) -> dict[str, Any]:
        """The database's settings in Django's words."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": self.server.port,
            "NAME": self.database,
            "USER": "application",
            "PASSWORD": "application",
            # The test's server writes dates the German way, which Django doesn't read.
            "OPTIONS": {"options": "-c DateStyle=ISO"},
        }

    def allow(self) -> None:
        """What docs/databases.md has an administrator do."""
        with closing(self.server.connect(self.database)) as administrator:
            for statement in (
                "GRANT SET ON PARAMETER session_replication_role TO replicator",
                f'GRANT CREATE ON DATABASE "{self.database}" TO replicator',
                "ALTER SCHEMA public OWNER TO application",
                "GRANT application TO replicator",
            ):
                administrator.execute(statement.encode())


class MariadbPlace(Place):
    """A computer whose database is on the server; the application has its own user there."""

    server: MariadbServer
    database: str

    @property
    def options(self) -> list[str]:
        url = f"mariadb://replicator@127.0.0.1:{self.server.port}/{self.database}"
        return ["--database", url, "--mailbox", f"folder:{self.folder / 'mail'}"]

    def connect(self) -> Any:
        """The application's own connection, each statement a transaction."""
        return self.server.connect(self.database, "application")

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    is_alone = False

    @property
    def application_url(self) -> str:
        return self.server.url(self.database, "application")

    @property
    def django(self) -> dict[str, Any]:
        """The database's settings in Django's words."""
        return {
            "ENGINE": "django.db.backends.mysql",
            "HOST": "127.0.0.1",
            "PORT": self.server.port,
            "NAME": self.database,
            "USER": "application",
            "PASSWORD": "application",
            "OPTIONS": {"charset": "utf8mb4"},
        }

    def allow(self) -> None:
        """The users have all rights on the databases that the server makes for tests."""
