"""Foreign keys of the application's other tables that refer to replicated ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.catalogue import LocalForeignKey
from replicator.databases.mariadb.statements import Driver, look_up
from replicator.databases.outside import keys_from_outside
from replicator.databases.own_names import OURS
from replicator.types import ForeignKey, Table

_CHILDREN = """
SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE
WHERE REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY 1, 2
"""


def foreign_keys_from_outside(raw: Driver, schema: str, replicated: Collection[Table]) -> list[tuple[str, ForeignKey]]:
    """See `Database.foreign_keys_from_outside`."""

    def keys_of(child_schema: str, child: str) -> Iterable[LocalForeignKey]:
        local = catalogue.read(raw, child_schema, child)
        return local.foreign_keys if local is not None else ()

    def portable(key: LocalForeignKey) -> ForeignKey:
        return ForeignKey(key.columns, key.parent, key.parent_columns, key.on_delete, key.on_update, key.name)

    children = look_up(raw, _CHILDREN, (schema,))
    theirs = ((of, child) for of, child in children if of != schema or not child.startswith(OURS))
    return keys_from_outside(schema, replicated, theirs, keys_of, portable)
