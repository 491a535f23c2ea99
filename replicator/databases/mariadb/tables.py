"""Replicated tables as they are here: the columns beside the definition's, read once and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from replicator.databases.captured import captured_columns
from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.capture import captured_here
from replicator.databases.mariadb.carrying import Carrier
from replicator.databases.mariadb.catalogue import LocalColumn, LocalTable
from replicator.databases.mariadb.definitions import read_local
from replicator.databases.mariadb.equality import has_exact_key
from replicator.databases.mariadb.forms import Pair
from replicator.databases.mariadb.statements import Driver, quoted
from replicator.databases.portable import key_columns
from replicator.errors import DatabaseTrouble, UnfitTable, UnknownName
from replicator.types import Table


@dataclass(frozen=True)
class Standing:
    """A replicated table with its columns here, in the definition's order."""

    table: Table
    local: LocalTable
    columns: tuple[LocalColumn, ...]

    @property
    def sql(self) -> str:
        return self.local.sql

    @cached_property
    def carrier(self) -> Carrier:
        return Carrier(self.pairs(self.table.definition.column_names))

    @cached_property
    def _pairs(self) -> list[Pair]:
        definition = self.table.definition
        keys = key_columns(definition)
        pairs = zip(definition.columns, self.columns, strict=True)
        return [Pair(column.type, local, column.name in keys) for column, local in pairs]

    def pairs(self, columns: Sequence[str]) -> list[Pair]:
        return [self._pairs[place] for place in self.table.definition.indexes_of(columns)]

    @cached_property
    def has_exact_key(self) -> bool:
        return has_exact_key(self.pairs(self.table.definition.primary_key))

    def select_list(self, columns: Sequence[str] | None = None) -> str:
        some = columns or self.table.definition.column_names
        return Carrier(self.pairs(some)).selected([f"t.{quoted(column)}" for column in some])


class Standings:
    """By the table's name. What the application changes of one is found by `Database.capture_faults`, in each run."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Standing] = {}

    def of(self, raw: Driver, schema: str, table: Table) -> Standing:
        """Raises DatabaseTrouble where the table is gone or no longer fit: its rows can't be read or written."""
        place = (table.name, table.id)
        found = self._known.get(place)
        if found is None or found.table.definition != table.definition:
            try:
                if table.is_outside:
                    found = self._known[place] = _outside(raw, schema, table)
                    return found
                # Rows can be read and written however keys cascade; that it may be missed is capture's affair.
                local = read_local(raw, schema, table.name, with_cascades=True)
                found = self._known[place] = Standing(table, local, tuple(captured_here(local, table)))
            except (UnknownName, UnfitTable) as error:
                raise DatabaseTrouble(str(error)) from error
        return found

    def forget(self, name: str | None = None) -> None:
        if name is None:
            self._known.clear()
        else:
            self._known = {place: found for place, found in self._known.items() if place[0] != name}


def _outside(raw: Driver, schema: str, table: Table) -> Standing:
    """Whatever it is like else: only the columns of its key to a replicated table matter."""
    local = catalogue.read(raw, schema, table.name)
    if local is None:
        other, _, name = table.name.partition(".")
        local = catalogue.read(raw, other, name)
    if local is None:
        raise UnknownName(f"Table {table.name} has been dropped meanwhile: try again.")
    key = table.definition.primary_key
    return Standing(table, local, tuple(captured_columns(table, local.columns, key)))
