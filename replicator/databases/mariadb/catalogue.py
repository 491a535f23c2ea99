"""Tables as they stand in the catalogue (`information_schema`): read in a few queries, whatever a table has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from replicator.databases.mariadb.statements import OURS, Driver, fetch, quoted


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


_COLUMNS = """
SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, IS_GENERATED,
  CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION,
  CHARACTER_SET_NAME, COLLATION_NAME
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION
"""

_KEYS = """
SELECT INDEX_NAME, COLUMN_NAME, NON_UNIQUE, SUB_PART, INDEX_TYPE
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY INDEX_NAME, SEQ_IN_INDEX
"""

_FOREIGN_KEYS = """
SELECT k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME,
  r.DELETE_RULE, r.UPDATE_RULE
FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r
  ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME
  AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
WHERE k.TABLE_SCHEMA = %s AND k.TABLE_NAME = %s AND k.REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY k.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""

_CHECKS = """
SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s
"""

_TRIGGERS = """
SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER, ACTION_STATEMENT
FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s
ORDER BY EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER
"""

_JSON = "json_valid(`{name}`)"


def table_names(raw: Driver, schema: str) -> list[str]:
    """The application's tables, sorted."""
    found = fetch(
        raw,
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')",
        (schema,),
    )
    return sorted(name for (name,) in found if not name.startswith(OURS))


def read(raw: Driver, schema: str, name: str) -> LocalTable | None:
    """The table, or whatever else has that name; None: nothing has."""
    place = (schema, name)
    head = fetch(
        raw,
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_NAME = %s",
        place,
    )
    # The catalogue compares names without regard to case, tables may differ in it.
    row = next((row for row in head if row[0] == name), None)
    if row is None:
        return None
    checks = dict(fetch(raw, _CHECKS, place))
    columns = tuple(_column(found, checks) for found in fetch(raw, _COLUMNS, place))
    json = {column.name for column in columns if column.is_json}
    triggers = (LocalTrigger(*found) for found in fetch(raw, _TRIGGERS, place))
    return LocalTable(
        schema=schema,
        name=name,
        kind=row[1],
        engine=row[2] or "",
        columns=columns,
        keys=tuple(_grouped(fetch(raw, _KEYS, place), _key)),
        foreign_keys=tuple(_grouped(fetch(raw, _FOREIGN_KEYS, place), _foreign_key)),
        checks=tuple(check for check in checks if check not in json),
        triggers=tuple(trigger for trigger in triggers if trigger.table == name),
    )


def trigger(raw: Driver, schema: str, name: str) -> str | None:
    """The table that the trigger of that name stands on."""
    found = fetch(
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
