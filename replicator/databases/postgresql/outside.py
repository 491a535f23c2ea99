"""Foreign keys of the application's other tables that refer to replicated ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from replicator.databases.outside import keys_from_outside
from replicator.databases.postgresql import catalogue
from replicator.databases.postgresql.catalogue import LocalForeignKey
from replicator.databases.postgresql.statements import Driver, fetch
from replicator.types import ForeignKey, Table

_CHILDREN = """
SELECT DISTINCT n.nspname::text, c.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class p ON p.oid = k.confrelid
JOIN pg_namespace m ON m.oid = p.relnamespace
WHERE k.contype = 'f' AND m.nspname = %s AND p.relname = ANY(%s) ORDER BY 1, 2
"""


def foreign_keys_from_outside(raw: Driver, schema: str, replicated: Collection[Table]) -> list[tuple[str, ForeignKey]]:
    """See `Database.foreign_keys_from_outside`."""

    def keys_of(child_schema: str, child: str) -> Iterable[LocalForeignKey]:
        local = catalogue.read(raw, child_schema, child)
        return local.foreign_keys if local is not None else ()

    children = fetch(raw, _CHILDREN, (schema, sorted(table.name for table in replicated)))
    return keys_from_outside(
        schema, replicated, ((of, child) for of, child in children), keys_of, LocalForeignKey.portable
    )
