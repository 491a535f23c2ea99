"""Noticing, between two runs, that the application has written: by a look at the file's size and time.

The alternative, `PRAGMA data_version` on a connection that stays open, would hold on to a file that is moved away or
restored meanwhile, and would keep the -wal file alive.
"""

from __future__ import annotations

import os
import sqlite3
from threading import Lock
from typing import TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from replicator.databases.sqlite import collect
from replicator.databases.sqlite.connections import Opener
from replicator.databases.sqlite.statements import driver
from replicator.errors import DatabaseTrouble

Sign: TypeAlias = tuple[int, ...]


class Watch:
    """Call it to learn whether captured changes wait in the outbox of the file at `path`. Threads may share it."""

    def __init__(self, path: str, opener: Opener) -> None:
        self._path = path
        self._opener = opener
        self._lock = Lock()
        self._signs: tuple[Sign | None, Sign | None] = (None, None)
        """Of the last two calls."""

    def __call__(self) -> bool:
        with self._lock:
            before, last = self._signs
            sign = _sign(self._path)
            self._signs = last, sign
            # Looked at once more after a change: within one tick of a file's clock more may have been written.
            return sign != before and self._captured()

    def _captured(self) -> bool:
        """False as well where it can't be told: the next run says what is wrong."""
        try:
            connection = self._opener.another()
            try:
                return not collect.is_empty(driver(connection))
            finally:
                connection.close()
        except (DatabaseTrouble, SQLAlchemyError, sqlite3.Error):
            return False


def _sign(path: str) -> Sign:
    """Differs once somebody has written. A -wal file without content, which looking makes and removes, is none."""
    found: list[int] = []
    for name in (path, f"{path}-wal"):
        try:
            status = os.stat(name)
        except OSError:
            continue
        if status.st_size:
            found += [status.st_ino, status.st_size, status.st_mtime_ns]
    return tuple(found)
