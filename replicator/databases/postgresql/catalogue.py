"""Tables as they stand in the catalogue: read in four queries, whatever a table has."""

from __future__ import annotations

from dataclasses import dataclass

from replicator.databases.postgresql.statements import Driver, fetch, quoted
from replicator.types import ForeignKey


@dataclass(frozen=True, slots=True)
class LocalColumn:
    name: str
    declared: str
    """As `format_type` writes it."""
    type_name: str
    """The catalogue's, of the base type where it is a domain."""
    type_kind: str
    """b base, c composite, e enum, r range, m multirange; p pseudo."""
    not_null: bool
    identity: str
    """'' none, a always, d by default."""
    generated: bool
    default: str | None
    collation: str | None
    """None: its type's own."""
    deterministic: bool


@dataclass(frozen=True, slots=True)
class LocalKey:
    """A primary key, a unique constraint or a unique index."""

    name: str
    columns: tuple[str, ...]
    primary: bool
    constraint: bool
    deferrable: bool
    whole: bool
    """On plain columns of all rows, NULLs distinct."""


@dataclass(frozen=True, slots=True)
class LocalForeignKey:
    name: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str
    deferred: bool

    def portable(self) -> ForeignKey:
        return ForeignKey(
            self.columns,
            self.parent,
            self.parent_columns,
            self.on_delete,
            self.on_update,
            self.name,
            self.deferred,
        )


@dataclass(frozen=True, slots=True)
class LocalIndex:
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocalTable:
    oid: int
    schema: str
    name: str
    kind: str
    """r table, p partitioned, v view, m materialised view, f foreign."""
    persistence: str
    inherits: bool
    row_security: bool
    """Policies hide rows from our role."""
    columns: tuple[LocalColumn, ...]
    keys: tuple[LocalKey, ...]
    foreign_keys: tuple[LocalForeignKey, ...]
    indexes: tuple[LocalIndex, ...]
    checks: bool
    captured_by: tuple[str, ...]
    """Schemas whose captures stand on it: of this node, or of another one's."""

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def primary_key(self) -> LocalKey | None:
        return next((key for key in self.keys if key.primary), None)

    def column(self, name: str) -> LocalColumn:
        """Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


_TABLE = """
SELECT c.oid::bigint, c.relkind::text, c.relpersistence::text, row_security_active(c.oid),
  EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid OR i.inhparent = c.oid),
  EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'x')),
  ARRAY(SELECT DISTINCT f.pronamespace::regnamespace::text FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
    WHERE t.tgrelid = c.oid AND starts_with(t.tgname::text, '!replicator_'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

_COLUMNS = """
WITH RECURSIVE base AS (
  SELECT a.attnum, a.atttypid AS type FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL SELECT b.attnum, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd')
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text, t.typtype::text, a.attnotnull,
  a.attidentity::text, a.attgenerated <> '', pg_get_expr(d.adbin, d.adrelid),
  CASE WHEN a.attcollation <> o.typcollation THEN l.collname::text END, coalesce(l.collisdeterministic, true)
FROM pg_attribute a JOIN base b ON b.attnum = a.attnum JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd'
JOIN pg_type o ON o.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s ORDER BY a.attnum
"""

_INDEXES = """
SELECT c.relname::text, i.indisprimary, i.indisunique, k.oid IS NOT NULL, coalesce(k.condeferrable, false),
  i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
    AND coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) = false,
  ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY u (num, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.num ORDER BY u.place)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indrelid = %s ORDER BY c.relname
"""

_FOREIGN_KEYS = """
SELECT k.conname::text, n.nspname::text, p.relname::text, k.confdeltype::text, k.confupdtype::text, k.condeferred,
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (num, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.place),
  ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (num, place)
    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.place)
FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conrelid = %s ORDER BY k.conname
"""

_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def table_names(raw: Driver, schema: str) -> list[str]:
    """Ordinary and partitioned tables of the schema, sorted."""
    found = fetch(
        raw,
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
        (schema,),
    )
    return sorted(name for (name,) in found)


def read(raw: Driver, schema: str, name: str) -> LocalTable | None:
    """The table, or whatever else has that name; None: nothing has."""
    row = next(iter(fetch(raw, _TABLE, (schema, name))), None)
    if row is None:
        return None
    oid, kind, persistence, row_security, inherits, checks, captured_by = row
    columns = tuple(LocalColumn(*found) for found in fetch(raw, _COLUMNS, (oid, oid)))
    keys, indexes = [], []
    for index, primary, unique, constraint, deferrable, whole, listed in fetch(raw, _INDEXES, (oid,)):
        if unique:
            keys.append(LocalKey(index, tuple(listed), primary, constraint, deferrable, whole))
        elif whole:
            indexes.append(LocalIndex(index, tuple(listed)))
    foreign_keys = tuple(
        LocalForeignKey(key, tuple(own), parent_schema, parent, tuple(theirs), _ACTIONS[delete], _ACTIONS[update], late)
        for key, parent_schema, parent, delete, update, late, own, theirs in fetch(raw, _FOREIGN_KEYS, (oid,))
    )
    return LocalTable(
        oid,
        schema,
        name,
        kind,
        persistence,
        inherits,
        row_security,
        columns,
        tuple(keys),
        foreign_keys,
        tuple(indexes),
        checks,
        tuple(captured_by),
    )
