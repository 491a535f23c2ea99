"""`PostgresqlServer`: a real PostgreSQL on a port of 127.0.0.1, with durable commits, for as long as tests need it.

It is set up so that whatever a client doesn't pin for itself is against it: time zone, the style of dates and
intervals, the digits of floats, the form of bytea. Roles: an administrator (superuser), an application that owns the
databases, a replicator that is no superuser; each has its own name as password.

Trap: the server's processes leave its process group, and notice only after a moment that a killed server is gone. Until
then no new one starts in that folder. What it keeps in /dev/shm would stay there: it has its folder for that, too.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from tests.servers.guardian import groups_of
from tests.servers.ports import PortBlock
from tests.servers.processes import Guardian, Server, identity_of, wait_until

USER = "postgres"
"""Made by Debian's package. The server refuses to run as root."""

ADMINISTRATOR, APPLICATION, REPLICATOR = "administrator", "application", "replicator"

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
max_wal_size = 256MB
max_prepared_transactions = 4
password_encryption = 'scram-sha-256'
TimeZone = 'Asia/Kolkata'
DateStyle = 'German'
IntervalStyle = 'sql_standard'
bytea_output = 'escape'
extra_float_digits = 0
"""


def binaries() -> Path | None:
    """Folder of the newest PostgreSQL that is installed; None: there is none."""
    found = [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


class PostgresqlServer:
    """Started when made; close it, or use it as a context. `settings`: further lines of postgresql.conf."""

    def __init__(self, settings: str = "") -> None:
        programs = binaries()
        assert programs is not None
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/var/tmp"))
        self._guardian = Guardian(self.folder)
        self._block = PortBlock()
        self.port = next(iter(self._block))
        self._data = self.folder / "data"
        self._numbers = count(1)
        self.server = Server(
            [f"{programs}/postgres", "-D", str(self._data), "-p", str(self.port)],
            self.folder / "output",
            user=USER,
            ending=signal.SIGINT,  # SIGTERM would wait for all clients to leave
        )
        try:
            self._make(programs, settings)
            self.start()
            self._make_roles()
        except BaseException:
            self.close()
            raise

    def url(self, database: str, user: str = ADMINISTRATOR) -> str:
        """As SQLAlchemy writes it, with the driver."""
        return f"postgresql+psycopg://{user}:{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres", user: str = ADMINISTRATOR) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as a program of that user has one, each statement a transaction unless it begins one."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user=user, password=user, autocommit=True
        )

    def create_database(self, name: str | None = None) -> str:
        """An empty database, with a name of its own if none is given, which the application owns."""
        name = name or f"test {next(self._numbers)}"
        self._administer(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
                sql.Identifier(name), sql.Identifier(APPLICATION)
            )
        )
        return name

    def drop_database(self, name: str) -> None:
        """Whoever is still connected to it is thrown out."""
        self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def start(self) -> None:
        """Also after `server.kill()` or `server.stop()`, on the same port."""
        wait_until(lambda: not groups_of(str(self.folder)), "the old server's processes are gone")
        self.server.start()
        wait_until(self._answers, "PostgreSQL answers")

    def _answers(self) -> bool:
        self.server.require_running()
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _make(self, programs: Path, settings: str) -> None:
        self.folder.chmod(0o755)
        password = self.folder / "password"
        password.write_text(ADMINISTRATOR)
        self._data.mkdir(mode=0o700)
        identity = identity_of(USER)
        if identity:
            for each in (password, self._data):
                shutil.chown(each, USER)
        options = ["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]
        command = [f"{programs}/initdb", *options, f"--username={ADMINISTRATOR}", f"--pwfile={password}"]
        subprocess.run([*command, f"--pgdata={self._data}"], check=True, capture_output=True, cwd="/", **identity)
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS + settings)

    def _make_roles(self) -> None:
        for role in (APPLICATION, REPLICATOR):
            self._administer(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(role))
            )

    def _administer(self, statement: sql.Composed) -> None:
        with closing(self.connect()) as connection:
            connection.execute(statement)

    def close(self) -> None:
        """May be repeated."""
        self.server.kill()
        self._guardian.close()
        self._block.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
