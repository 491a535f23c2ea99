"""Noticing, between two runs, that the application has written: one short query on a connection of its own."""

from __future__ import annotations

from threading import Lock

import pymysql
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from replicator.databases.mariadb import capture, collect
from replicator.databases.mariadb.connections import Opener
from replicator.databases.mariadb.statements import driver, execute
from replicator.errors import ConfigurationError, DatabaseTrouble


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
                raw, schema = driver(self._connection), self._opener.database
                waits = not collect.is_empty(raw, schema, capture.change_tables(raw, schema))
                execute(raw, "COMMIT")  # hold nothing until the next question
                return waits
            except (DatabaseTrouble, ConfigurationError, SQLAlchemyError, pymysql.err.MySQLError):
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
