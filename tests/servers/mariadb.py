"""`MariadbServer`: a real MariaDB on a port of 127.0.0.1, with durable commits, for as long as tests need it.

Users: an administrator with all rights, an application and a replicator with all rights on the databases made here;
each has its own name as password. The server's character set is not ours, and its time zone is a strange one: whatever
a client doesn't pin for itself is against it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymysql

from tests.servers.ports import PortBlock
from tests.servers.processes import Guardian, Server, identity_of, wait_until

USER = "mysql"
"""Made by Debian's package. The server refuses to run as root."""

ADMINISTRATOR, APPLICATION, REPLICATOR = "administrator", "application", "replicator"
DAEMON = "/usr/sbin/mariadbd"
INSTALLER = "/usr/bin/mariadb-install-db"

_PREFIX = "test "

_SETTINGS = """
[mariadbd]
datadir = {folder}/data
tmpdir = {folder}/temporary
socket = {folder}/data/socket
pid-file = {folder}/data/process
init-file = {folder}/users.sql
bind-address = 127.0.0.1
port = {port}
skip-name-resolve
innodb-buffer-pool-size = 64M
innodb-log-file-size = 64M
innodb-flush-log-at-trx-commit = 1
character-set-server = latin1
default-time-zone = +05:30
"""


class MariadbServer:
    """Started when made; close it, or use it as a context. `settings`: further lines for the daemon."""

    def __init__(self, settings: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mariadb-", dir="/var/tmp"))
        self._guardian = Guardian(self.folder)
        self._block = PortBlock()
        self.port = next(iter(self._block))
        self._numbers = count(1)
        self._options = f"--defaults-file={self.folder}/settings"
        self.server = Server([DAEMON, self._options], self.folder / "output", user=USER)
        try:
            self._make(settings)
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: str, user: str = ADMINISTRATOR) -> str:
        """As SQLAlchemy writes it, with the driver."""
        return f"mariadb+pymysql://{user}:{user}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str | None = None, user: str = ADMINISTRATOR) -> pymysql.Connection[Any]:
        """A connection as a program of that user has one, each statement a transaction unless it begins one."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=user,
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def create_database(self, name: str | None = None) -> str:
        """An empty database, with a name of its own if none is given."""
        name = name or f"{_PREFIX}{next(self._numbers)}"
        self._administer(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return name

    def drop_database(self, name: str) -> None:
        """Whoever is still connected to it is thrown out: it would wait for transactions that a failed test left."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.PROCESSLIST WHERE db = %s", (name,))
            for (session,) in cursor.fetchall():
                with suppress(pymysql.err.OperationalError):  # gone meanwhile
                    cursor.execute(f"KILL {session}")
            cursor.execute(f"DROP DATABASE `{name}`")

    def start(self) -> None:
        """Also after `server.kill()` or `server.stop()`, on the same port."""
        self.server.start()
        wait_until(self._answers, "MariaDB answers")

    def _answers(self) -> bool:
        self.server.require_running()
        try:
            self.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def _make(self, settings: str) -> None:
        self.folder.chmod(0o755)
        (self.folder / "settings").write_text(_SETTINGS.format(folder=self.folder, port=self.port) + settings)
        (self.folder / "users.sql").write_text("".join(map(_user, (ADMINISTRATOR, APPLICATION, REPLICATOR))))
        identity = identity_of(USER)
        # A server that starts clears its temporary folder, whoever else has files there.
        for name in ("data", "temporary"):
            (self.folder / name).mkdir(mode=0o700)
            if identity:
                shutil.chown(self.folder / name, USER)
        subprocess.run(
            [INSTALLER, self._options, "--skip-test-db"], check=True, capture_output=True, cwd="/", **identity
        )

    def _administer(self, statement: str) -> None:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

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


def _user(name: str) -> str:
    """Statements that make a user, each on a line of its own. The server runs them at each start."""
    what = "*.*" if name == ADMINISTRATOR else f"`{_PREFIX}%`.*"
    option = " WITH GRANT OPTION" if name == ADMINISTRATOR else ""
    account = f"'{name}'@'127.0.0.1'"
    return f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{name}';\nGRANT ALL ON {what} TO {account}{option};\n"
