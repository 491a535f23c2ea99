"""Foreign keys of the application's other tables that refer to replicated ones."""

from __future__ import annotations

from collections.abc import Collection

from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.statements import OURS, Driver, fetch
from replicator.types import ForeignKey, Table


def foreign_keys_from_outside(raw: Driver, schema: str, replicated: Collection[Table]) -> list[tuple[str, ForeignKey]]:
    """See `Database.foreign_keys_from_outside`. A table of another database is named with it."""
    ours = {table.name for table in replicated}
    found = []
    children = fetch(
        raw,
        "SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE"
        " WHERE REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY 1, 2",
        (schema,),
    )
    for child_schema, child in children:
        if child_schema == schema and (child in ours or child.startswith(OURS)):
            continue
        local = catalogue.read(raw, child_schema, child)
        for key in local.foreign_keys if local is not None else ():
            if key.parent_schema == schema and key.parent in ours:
                name = child if child_schema == schema else f"{child_schema}.{child}"
                key_here = ForeignKey(
                    key.columns, key.parent, key.parent_columns, key.on_delete, key.on_update, key.name
                )
                found.append((name, key_here))
    return found
