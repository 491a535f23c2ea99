"""Tables as they stand in the catalogue (`information_schema`): read in a few queries, whatever a table has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from replicator.databases.mariadb.statements import Driver, look_up, quoted
from replicator.databases.own_names import OURS


@dataclass(frozen=True, slots=True)
class LocalColumn:
    name: str
    data_type: str
    """The type's name: int, varchar, datetime …"""
    column_type: str
    """The whole type, as `int(10) unsigned` or `enum('a','b')`."""
    nullable: bool
    default: str | None
    """As SQL; None: there is none."""
    counts: bool
    """AUTO_INCREMENT."""
    generated: bool
    updates_itself: bool
    """ON UPDATE CURRENT_TIMESTAMP."""
    length: int | None
    """Characters; bytes for binary types."""
    octets: int | None
    precision: int | None
    scale: int | None
    fraction: int | None
    """Digits behind the seconds."""
    character_set: str | None
    collation: str | None
    is_json: bool
    """A CHECK sees to it that it is valid JSON: MariaDB's type `json` is made of that."""

    @property
    def unsigned(self) -> bool:
        return " unsigned" in self.column_type


@dataclass(frozen=True, slots=True)
class LocalKey:
    """An index."""

    name: str
    columns: tuple[str, ...]
    unique: bool
    whole: bool
    """Of whole values of plain columns."""

    @property
    def primary(self) -> bool:
        return self.name == "PRIMARY"


@dataclass(frozen=True, slots=True)
class LocalForeignKey:
    name: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str


@dataclass(frozen=True, slots=True)
class LocalTrigger:
    name: str
    table: str
    event: str
    """INSERT, UPDATE, DELETE."""
    timing: str
    order: int
    """1 fires first among those of the same event and timing."""
    body: str

    @property
    def is_ours(self) -> bool:
        return self.name.startswith(OURS)


@dataclass(frozen=True, slots=True)
class LocalTable:
    schema: str
    name: str
    kind: str
    """BASE TABLE, VIEW, SYSTEM VERSIONED, SEQUENCE."""
    engine: str
    columns: tuple[LocalColumn, ...]
    keys: tuple[LocalKey, ...]
    foreign_keys: tuple[LocalForeignKey, ...]
    checks: tuple[str, ...]
    """Names of CHECKs other than those that make a column JSON."""
    triggers: tuple[LocalTrigger, ...]

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def primary_key(self) -> LocalKey | None:
        return next((key for key in self.keys if key.primary), None)

    def is_indexed(self, column: str) -> bool:
        return any(column in key.columns for key in self.keys)

    def column(self, name: str) -> LocalColumn:
        """Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


# Each row begins with its table's name; {one}: of one table only.
_TABLES = """
SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s{one}
"""

_COLUMNS = """
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, IS_GENERATED,
  CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION,
  CHARACTER_SET_NAME, COLLATION_NAME
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s{one} ORDER BY TABLE_NAME, ORDINAL_POSITION
"""

_KEYS = """
SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, NON_UNIQUE, SUB_PART, INDEX_TYPE
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s{one} ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX
"""

_FOREIGN_KEYS = """
SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME,
  k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE
FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
  ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME
  AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
WHERE k.TABLE_SCHEMA = %s{one} AND k.REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""

_CHECKS = """
SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = %s{one}
"""

_TRIGGERS = """
SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER,
  ACTION_STATEMENT
FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s{one}
ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER
"""

_MANY = 12
"""Tables."""

_JSON = "json_valid(`{name}`)"


def table_names(raw: Driver, schema: str) -> list[str]:
    """The application's tables, sorted."""
    found = look_up(
        raw,
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')",
        (schema,),
    )
    return sorted(name for (name,) in found if not name.startswith(OURS))


def read(raw: Driver, schema: str, name: str) -> LocalTable | None:
    """The table, or whatever else has that name; None: nothing has."""
    return _read(raw, schema, name).get(name)


def read_some(raw: Driver, schema: str, names: Collection[str]) -> dict[str, LocalTable]:
    """Those that there are. Many are found among all of the schema: that costs as much as a dozen one by one."""
    if len(names) > _MANY:
        found = _read(raw, schema, None)
        return {name: found[name] for name in names if name in found}
    return {name: local for name in names if (local := read(raw, schema, name)) is not None}


def _read(raw: Driver, schema: str, name: str | None) -> dict[str, LocalTable]:
    """That table, or all."""

    def rows(sql: str, column: str) -> dict[str, list[tuple[Any, ...]]]:
        one, parameters = ("", (schema,)) if name is None else (f" AND {column} = %s", (schema, name))
        found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for table, *row in look_up(raw, sql.format(one=one), parameters):
            found[table].append(tuple(row))
        return found

    # The catalogue compares names without regard to case, tables may differ in it.
    heads = rows(_TABLES, "TABLE_NAME")
    if name is not None and name not in heads:
        return {}
    checks, columns, keys = rows(_CHECKS, "TABLE_NAME"), rows(_COLUMNS, "TABLE_NAME"), rows(_KEYS, "TABLE_NAME")
    foreign_keys, triggers = rows(_FOREIGN_KEYS, "k.TABLE_NAME"), rows(_TRIGGERS, "EVENT_OBJECT_TABLE")
    return {
        table: _table(
            (schema, table, *head), columns[table], keys[table], foreign_keys[table], checks[table], triggers[table]
        )
        for table, (head, *_) in heads.items()
    }


def _table(head: tuple[Any, ...], *rows: list[tuple[Any, ...]]) -> LocalTable:
    schema, name, kind, engine = head
    columns_here, keys, foreign_keys, checks, triggers = rows
    clauses = dict(checks)
    columns = tuple(_column(found, clauses) for found in columns_here)
    json = {column.name for column in columns if column.is_json}
    return LocalTable(
        schema=schema,
        name=name,
        kind=kind,
        engine=engine or "",
        columns=columns,
        keys=tuple(_grouped(keys, _key)),
        foreign_keys=tuple(_grouped(foreign_keys, _foreign_key)),
        checks=tuple(check for check in clauses if check not in json),
        triggers=tuple(LocalTrigger(*found) for found in triggers),
    )


def trigger(raw: Driver, schema: str, name: str) -> str | None:
    """The table that the trigger of that name stands on."""
    found = look_up(
        raw,
        "SELECT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s AND TRIGGER_NAME = %s",
        (schema, name),
    )
    return found[0][0] if found else None


def _column(row: tuple[Any, ...], checks: dict[str, str]) -> LocalColumn:
    name, data_type, column_type, nullable, default, extra, generated, *sizes = row
    length, octets, precision, scale, fraction, character_set, collation = sizes
    is_json = data_type == "longtext" and checks.get(name) == _JSON.format(name=name.replace("`", "``"))
    return LocalColumn(
        name=name,
        data_type=data_type,
        column_type=column_type,
        nullable=nullable == "YES",
        default=default,
        counts="auto_increment" in extra,
        generated=generated == "ALWAYS",
        updates_itself="on update" in extra.lower(),
        length=length,
        octets=octets,
        precision=precision,
        scale=scale,
        fraction=fraction,
        character_set=character_set,
        collation=collation,
        is_json=is_json,
    )


def _grouped(rows: Iterable[tuple[Any, ...]], make: Callable[[list[tuple[Any, ...]]], Any]) -> list[Any]:
    return [make(list(group)) for _, group in groupby(rows, key=itemgetter(0))]


def _key(rows: list[tuple[Any, ...]]) -> LocalKey:
    return LocalKey(
        name=rows[0][0],
        columns=tuple(row[1] for row in rows),
        unique=not rows[0][2],
        whole=all(row[1] is not None and row[3] is None and row[4] in ("BTREE", "HASH") for row in rows),
    )


def _foreign_key(rows: list[tuple[Any, ...]]) -> LocalForeignKey:
    name, _, schema, parent, _, on_delete, on_update = rows[0]

    def action(rule: str) -> str:
        # InnoDB checks at once either way.
        return "NO ACTION" if rule == "RESTRICT" else rule

    return LocalForeignKey(
        name=name,
        columns=tuple(row[1] for row in rows),
        parent_schema=schema,
        parent=parent,
        parent_columns=tuple(row[4] for row in rows),
        on_delete=action(on_delete),
        on_update=action(on_update),
    )
