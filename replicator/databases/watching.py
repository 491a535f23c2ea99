"""Noticing, between two runs, that the application has written: one short query on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from replicator.errors import ReplicatorError


class Watch:
    """Call it to learn whether captured changes wait. Threads may share it. `opened` gives a connection, `asked` the
    answer on it; nothing may be held afterwards. `trouble`: errors of the driver."""

    def __init__(
        self, opened: Callable[[], Connection], asked: Callable[[Connection], bool], trouble: type[Exception]
    ) -> None:
        self._opened = opened
        self._asked = asked
        self._trouble = trouble
        self._lock = Lock()
        self._connection: Connection | None = None

    def __call__(self) -> bool:
        """False as well where it can't be told: the next run says what is wrong."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._opened()
                return self._asked(self._connection)
            except (ReplicatorError, SQLAlchemyError, self._trouble):
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
