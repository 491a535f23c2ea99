"""Transactions on an SQLite file: on a connection of our own, or as parts of one of the application's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from replicator.databases.sqlite import joining
from replicator.databases.sqlite.connections import Opener
from replicator.databases.sqlite.errors import translate, translated
from replicator.databases.sqlite.giving_way import GivingWay
from replicator.databases.sqlite.statements import driver


class Transactions:
    """`reached` is told of the points of a commit; `ended` is called when a transaction ends, `undone` when it or a
    part of it comes to nothing."""

    def __init__(
        self,
        opener: Opener,
        path: str,
        giving_way: GivingWay,
        *,
        reached: Callable[[str], None],
        ended: Callable[[], None],
        undone: Callable[[], None],
    ) -> None:
        self._opener, self._path, self._giving_way = opener, path, giving_way
        self._reached, self._ended, self._undone = reached, ended, undone
        self._inside = False
        self.joined_to: Connection | None = None
        """The application's connection, or our own, that all are parts of for now."""

    @contextmanager
    def begin(self, *, write: bool) -> Iterator[Connection]:
        """See `Database.transaction`."""
        if self.joined_to is not None:
            with self._part(self.joined_to):
                yield self.joined_to
            return
        if self._inside:
            raise RuntimeError("a transaction of this database is open already")
        connection = self._opener.kept()
        raw = driver(connection)
        self._inside = True
        try:
            if write:
                self._giving_way.before()
            raw.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield connection
            if write:
                self._reached("commit:before")
            raw.execute("COMMIT")
        except BaseException as error:
            self._undone()
            self._roll_back(raw)
            ours = translate(error, self._path) if isinstance(error, Exception) else None
            if ours is None:
                raise
            raise ours from error
        finally:
            self._inside = False
            self._ended()
            if write:
                self._giving_way.after()
            if connection.in_transaction():
                # SQLAlchemy's own idea of a transaction; SQLite's is over.
                connection.rollback()
        if write:
            self._reached("commit:after")

    @contextmanager
    def joined(self, connection: Connection) -> Iterator[None]:
        """See `Database.joined`."""
        raw = driver(connection)
        # All that is done within is done whole or not at all.
        with translated(self._path), joining.prepared(raw), joining.part(raw):
            self._undone()
            self.joined_to = connection
            try:
                yield
            finally:
                self.joined_to = None
                # Whoever ends the transaction may undo it.
                self._undone()

    @contextmanager
    def _part(self, connection: Connection) -> Iterator[None]:
        try:
            with translated(self._path), joining.part(driver(connection)):
                yield
        except BaseException:
            self._undone()
            raise
        finally:
            self._ended()

    def _roll_back(self, raw: sqlite3.Connection) -> None:
        try:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        except sqlite3.Error:
            # What went wrong first is what counts; closing rolls back for certain.
            self._opener.close()
