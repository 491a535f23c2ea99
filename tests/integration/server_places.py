"""Nodes whose database is on a real server, used as `command_line.Place` is. See `new_place` in conftest.py."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.command_line import Place
from tests.servers.postgresql import ADMINISTRATOR, binaries

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

    def back_up(self) -> None:
        self._program("pg_dump", "--format=custom", f"--file={self.backup}", self.database)

    def put_back(self) -> None:
        self.server.drop_database(self.database)
        self.server.create_database(self.database)
        self.allow()
        self._program("pg_restore", "--exit-on-error", f"--dbname={self.database}", self.backup)

    def _program(self, name: str, *arguments: str | Path) -> None:
        programs = binaries()
        assert programs is not None
        login = ["--host=127.0.0.1", f"--port={self.server.port}", f"--username={ADMINISTRATOR}"]
        environment = {**os.environ, "PGPASSWORD": ADMINISTRATOR}
        subprocess.run([programs / name, *login, *arguments], check=True, env=environment)

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

    def back_up(self) -> None:
        with self.backup.open("wb") as file:
            self._program("mariadb-dump", "--single-transaction", self.database, stdout=file)

    def put_back(self) -> None:
        self.server.drop_database(self.database)
        self.server.create_database(self.database)
        with self.backup.open("rb") as file:
            self._program("mariadb", self.database, stdin=file)

    def _program(self, name: str, *arguments: str, **streams: Any) -> None:
        login = ["--no-defaults", "--host=127.0.0.1", f"--port={self.server.port}", f"--user={ADMINISTRATOR}"]
        environment = {**os.environ, "MYSQL_PWD": ADMINISTRATOR}
        subprocess.run([name, *login, *arguments], check=True, env=environment, **streams)

    def allow(self) -> None:
        """The users have all rights on the databases that the server makes for tests."""
