"""Foreign keys of the application's other tables that refer to replicated ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol, TypeVar

from replicator.types import ForeignKey, Table


class LocalForeignKey(Protocol):
    """As the catalogue has it."""

    @property
    def parent_schema(self) -> str: ...

    @property
    def parent(self) -> str: ...


_Local = TypeVar("_Local", bound=LocalForeignKey)


def keys_from_outside(
    schema: str,
    replicated: Collection[Table],
    children: Iterable[tuple[str, str]],
    keys_of: Callable[[str, str], Iterable[_Local]],
    portable: Callable[[_Local], ForeignKey],
) -> list[tuple[str, ForeignKey]]:
    """See `Database.foreign_keys_from_outside`. A table of another schema is named with it.

    `children`: (schema, table) of all that refer to tables of `schema`; `keys_of` gives a table's foreign keys.
    """
    ours = {table.name for table in replicated}
    found = []
    for child_schema, child in children:
        if child_schema == schema and child in ours:
            continue
        name = child if child_schema == schema else f"{child_schema}.{child}"
        found += [
            (name, portable(key))
            for key in keys_of(child_schema, child)
            if key.parent_schema == schema and key.parent in ours
        ]
    return found
