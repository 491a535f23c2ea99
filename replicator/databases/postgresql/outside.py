"""Foreign keys of the application's other tables that refer to replicated ones."""

from __future__ import annotations

from collections.abc import Collection

from replicator.databases.postgresql import catalogue
from replicator.databases.postgresql.statements import Driver, fetch
from replicator.types import ForeignKey, Table


def foreign_keys_from_outside(raw: Driver, schema: str, replicated: Collection[Table]) -> list[tuple[str, ForeignKey]]:
    """See `Database.foreign_keys_from_outside`. A table of another schema is named with it."""
    ours = {table.name for table in replicated}
    found = []
    for child_schema, child in fetch(
        raw,
        "SELECT DISTINCT n.nspname::text, c.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class p ON p.oid = k.confrelid"
        " JOIN pg_namespace m ON m.oid = p.relnamespace WHERE k.contype = 'f' AND m.nspname = %s"
        " AND p.relname = ANY(%s) ORDER BY 1, 2",
        (schema, sorted(ours)),
    ):
        if child_schema == schema and child in ours:
            continue
        local = catalogue.read(raw, child_schema, child)
        for key in local.foreign_keys if local is not None else ():
            if key.parent_schema == schema and key.parent in ours:
                name = child if child_schema == schema else f"{child_schema}.{child}"
                found.append(
                    (
                        name,
                        ForeignKey(
                            key.columns,
                            key.parent,
                            key.parent_columns,
                            key.on_delete,
                            key.on_update,
                            key.name,
                            key.deferred,
                        ),
                    )
                )
    return found
