"""Noticing, between two runs, that the application has written: one short query on a connection of its own."""

from __future__ import annotations

from threading import Lock

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from replicator.databases.postgresql.change_tables import change_tables, is_empty
from replicator.databases.postgresql.connections import Opener
from replicator.databases.postgresql.statements import driver
from replicator.errors import DatabaseTrouble


class Watch:
    """Call it to learn whether captured changes wait. Threads may share it."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._lock = Lock()
        self._connection: Connection | None = None

    def __call__(self) -> bool:
        """False as well where it can't be told: the next run says what is wrong."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._opener.another()
                raw = driver(self._connection)
                return not is_empty(raw, change_tables(raw, self._opener.schemas))
            except (DatabaseTrouble, SQLAlchemyError, psycopg.Error):
                self._drop()
                return False

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        with self._lock:
            self._drop()
