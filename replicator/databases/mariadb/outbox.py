"""What was captured and waits, as one transaction of ours sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from replicator.databases.base import Change, Retyped
from replicator.databases.mariadb.change_tables import ChangeTable, change_tables, is_empty, leavings
from replicator.databases.mariadb.collect import Cleared, Reading, waiting_keys
from replicator.databases.mariadb.reader import Reader
from replicator.databases.mariadb.retyped import retyped
from replicator.databases.mariadb.statements import Driver
from replicator.databases.mariadb.tables import Standing
from replicator.types import Key, Position, Table


class Left(NamedTuple):
    tables: list[ChangeTable]
    """In which nothing is captured any more."""
    replicated: set[int]
    """Numbers of the tables that are replicated."""


class Outbox:
    """`standing` tells a replicated table as it is here. `raw` is the transaction's own connection."""

    def __init__(self, reader: Reader, schema: str, standing: Callable[[Table], Standing]) -> None:
        self._reader, self._schema, self._standing = reader, schema, standing
        self._begin()

    def _begin(self) -> None:
        self._cleared = Cleared()
        self._reading: Reading | None = None
        self._sources: list[ChangeTable] | None = None
        self._left = Left([], set())

    def end(self) -> Left:
        """The transaction is over. Returns what may be dropped if it was committed."""
        left = self._left
        self._begin()
        return left

    def forget(self) -> None:
        """Definitions are made."""
        self._sources, self._left = None, Left([], set())

    def _change_tables(self, raw: Driver) -> list[ChangeTable]:
        """Asked for once in a transaction: only we make them."""
        if self._sources is None:
            self._sources = change_tables(raw, self._schema)
        return self._sources

    def is_empty(self, raw: Driver) -> bool:
        sources = self._change_tables(raw)
        # The reader does not see what this transaction deletes.
        return is_empty(raw if self._cleared else self._reader.begin(), self._schema, sources)

    def read(
        self, raw: Driver, tables: Mapping[int, Table], forms: Mapping[tuple[int, Position], Table]
    ) -> Iterator[list[Change]]:
        sources = self._change_tables(raw)
        self._left = Left(leavings(sources, tables), set(tables))
        self._reading = Reading(self._reader.fresh(), self._schema, sources, self._cleared)
        yield from self._reading.changes(tables, self._standing, forms)

    def clear(self, raw: Driver) -> None:
        if self._reading is not None:
            self._reading.clear(raw)
            self._reading = None

    def pending(self, raw: Driver, table: Table, keys: Collection[Key]) -> set[Key]:
        sources = self._change_tables(raw)
        return waiting_keys(raw, self._schema, sources, table, self._standing).intersection(keys) if keys else set()

    def retyped(self, raw: Driver, table: Table) -> Retyped:
        return retyped(raw, self._schema, self._change_tables(raw), table, self._standing)
