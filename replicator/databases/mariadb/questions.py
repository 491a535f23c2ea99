"""A connection for questions about the catalogue and about collations, beside all transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pymysql
from sqlalchemy import Connection

from replicator.databases.mariadb.connections import Opener
from replicator.databases.mariadb.errors import is_lost
from replicator.databases.mariadb.statements import Driver, driver, execute

_Answer = TypeVar("_Answer")


class Questions:
    """Nothing stands on the connection between two questions: where it was lost, another one is asked."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._connection: Connection | None = None

    def ask(self, question: Callable[[Driver], _Answer]) -> _Answer:
        try:
            return question(self._driver())
        except pymysql.err.Error as error:
            if not is_lost(error):
                raise
        self.close()
        return question(self._driver())

    def _driver(self) -> Driver:
        if self._connection is None:
            self._connection = self._opener.another()
        return driver(self._connection)

    def rest(self) -> None:
        """Hold nothing that a definition would wait for."""
        if self._connection is None:
            return
        try:
            execute(driver(self._connection), "ROLLBACK")
        except pymysql.err.Error:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
