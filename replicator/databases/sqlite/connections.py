"""Opening an SQLite file: one kept connection, and further ones for snapshots."""

from __future__ import annotations

import os
import sqlite3
from urllib.parse import quote

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from replicator.databases.sqlite.errors import translated
from replicator.databases.sqlite.statements import driver
from replicator.errors import DatabaseTrouble

_PRAGMAS = (
    # In WAL mode NORMAL loses commits at a power cut (protocol.md 7.1).
    "PRAGMA synchronous = FULL",
    # We check all keys ourselves (protocol.md 7.7); a cascade would change rows behind the journal's back.
    "PRAGMA foreign_keys = OFF",
    "PRAGMA recursive_triggers = OFF",
    # One large transaction must not leave its size in the -wal file for ever.
    "PRAGMA journal_size_limit = 67108864",
)


class Opener:
    """Opens connections to one file, and never makes it unless told to."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._busy_timeout = 5.0
        self._engine = create_engine("sqlite+pysqlite://", creator=self._connect, poolclass=NullPool)
        self._create = False
        self._kept: Connection | None = None
        self._file: tuple[int, int] | None = None

    @property
    def busy_timeout(self) -> float:
        return self._busy_timeout

    @busy_timeout.setter
    def busy_timeout(self, seconds: float) -> None:
        self._busy_timeout = seconds
        if self._kept is not None:
            driver(self._kept).execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def kept(self, *, create: bool = False) -> Connection:
        """The one connection for all transactions; opened anew if another file was put in the place of the old one."""
        file = self._identity()
        if self._kept is not None and file == self._file and file is not None:
            return self._kept
        self.close()
        if file is None and not create:
            raise DatabaseTrouble(f"The database {self._path} is missing: put it back, or restore it from a backup.")
        self._create = create
        try:
            self._kept = self._open()
        finally:
            self._create = False
        self._file = self._identity()
        return self._kept

    def another(self) -> Connection:
        return self._open()

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            # What is wrong with it, beyond its absence, opening will tell.
            return None if not os.path.lexists(self._path) else (0, 0)
        return status.st_dev, status.st_ino

    def _open(self) -> Connection:
        with translated(self._path):
            return self._engine.connect()

    def _connect(self) -> sqlite3.Connection:
        mode = "rwc" if self._create else "rw"
        raw = sqlite3.connect(
            f"file:{quote(self._path)}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            cached_statements=256,
        )
        for pragma in _PRAGMAS:
            raw.execute(pragma)
        return raw
