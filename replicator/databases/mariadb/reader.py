"""The reader: a second connection that reads the change tables, and the application's tables, as of one moment."""

from __future__ import annotations

import pymysql
from sqlalchemy import Connection

from replicator.databases.mariadb.connections import Opener
from replicator.databases.mariadb.errors import is_lost
from replicator.databases.mariadb.statements import Driver, driver, execute


class Reader:
    """A snapshot is taken by `begin` and kept until `end`, `begin` again, or until it is handed over."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._connection: Connection | None = None
        self._stands = False
        self._is_read = False

    def begin(self) -> Driver:
        """A new snapshot, of now."""
        try:
            self._start()
        except pymysql.err.Error as error:
            if not is_lost(error):
                raise
            self.close()
            self._start()
        assert self._connection is not None  # noqa: S101 - just made
        return driver(self._connection)

    def _start(self) -> None:
        if self._connection is None:
            self._connection = self._opener.another()
        raw = driver(self._connection)
        self._stands = False
        execute(raw, "ROLLBACK")
        execute(raw, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        execute(raw, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        self._stands, self._is_read = True, False

    def fresh(self) -> Driver:
        """The snapshot that `begin` took, once; then a new one: what is read must not be older than what was asked."""
        if not self._stands or self._is_read or self._connection is None:
            self.begin()
        assert self._connection is not None  # noqa: S101 - just made
        self._is_read = True
        return driver(self._connection)

    def hand_over(self) -> Connection:
        """The connection with the snapshot that stands, or a new one; the receiver closes it."""
        if not self._stands:
            self.begin()
        connection = self._connection
        assert connection is not None  # noqa: S101 - just made
        self._connection, self._stands = None, False
        return connection

    def end(self) -> None:
        """Let the snapshot go: the server keeps all old rows as long as one sees them."""
        if self._stands and self._connection is not None:
            self._stands = False
            try:
                execute(driver(self._connection), "ROLLBACK")
            except pymysql.err.Error:
                self.close()

    def close(self) -> None:
        self._stands = False
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
