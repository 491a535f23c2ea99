"""PostgreSQL's types, to and from the portable ones; `carriage` says how each value is read and written.

| here | portable value | |
|---|---|---|
| smallint, integer, bigint, oid | int | |
| real, double precision | float | shortest digits that give the same number |
| numeric(p, s) of at most 15 digits | int, or float where there is a fraction | as SQLite keeps them, exactly |
| numeric of more digits, or of any | str | any precision, NaN, infinity; in keys without trailing zeros |
| boolean | 0 or 1 | |
| text, varchar, citext, name, enums, arrays, ranges, bit, inet, xml and all others | str | as PostgreSQL writes them |
| char(n) | str | without the padding |
| bytea | bytes | |
| date, time, timestamp, interval | str | ISO 8601; infinity and years BC as PostgreSQL writes them |
| timestamptz | str | in UTC |
| uuid, json, jsonb | str | |

`money` depends on the server's locale and is refused.
"""

from __future__ import annotations

import re
from dataclasses import replace

from replicator.types import DOUBLE_DIGITS, ColumnType, TypeKind

_KINDS = {
    "int2": ColumnType(TypeKind.INTEGER, bits=16),
    "int4": ColumnType(TypeKind.INTEGER, bits=32),
    "int8": ColumnType(TypeKind.INTEGER, bits=64),
    "oid": ColumnType(TypeKind.INTEGER, bits=64),
    "float4": ColumnType(TypeKind.REAL, bits=32),
    "float8": ColumnType(TypeKind.REAL, bits=64),
    "numeric": ColumnType(TypeKind.NUMERIC),
    "bool": ColumnType(TypeKind.BOOLEAN),
    "bytea": ColumnType(TypeKind.BLOB),
    "date": ColumnType(TypeKind.DATE),
    "time": ColumnType(TypeKind.TIME),
    "timestamp": ColumnType(TypeKind.TIMESTAMP),
    "timestamptz": ColumnType(TypeKind.TIMESTAMP_WITH_ZONE),
    "interval": ColumnType(TypeKind.INTERVAL),
    "uuid": ColumnType(TypeKind.UUID),
    "json": ColumnType(TypeKind.JSON),
    "jsonb": ColumnType(TypeKind.JSON),
}
"""By the type's name in the catalogue; all others are text."""

REFUSED = {"money"}

_WORDS = {
    TypeKind.REAL: "double precision",
    TypeKind.BOOLEAN: "boolean",
    TypeKind.BLOB: "bytea",
    TypeKind.DATE: "date",
    TypeKind.TIME: "time",
    TypeKind.TIMESTAMP: "timestamp",
    TypeKind.TIMESTAMP_WITH_ZONE: "timestamptz",
    TypeKind.INTERVAL: "interval",
    TypeKind.UUID: "uuid",
    TypeKind.JSON: "json",
    TypeKind.ANY: "text",
}
_INTEGERS = {16: "smallint", 32: "integer"}
_LONGEST_TEXT, _MOST_DIGITS = 10_485_760, 1000
"""That may be declared: SQLite takes any number."""
_DECLARED = re.compile(r"([a-z ]+?)(?:\((\d+)(?:,(-?\d+))?\))?( with(?:out)? time zone)?")
_BUILT_IN = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "real": "float4",
    "double precision": "float8",
    "numeric": "numeric",
    "boolean": "bool",
    "bytea": "bytea",
    "date": "date",
    "time without time zone": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "interval": "interval",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "jsonb",
    "text": "text",
    "character varying": "varchar",
    "character": "bpchar",
}
"""What `format_type` says, to the catalogue's name: types that every PostgreSQL has."""
_MODIFIED = {"numeric", "varchar", "bpchar", "time", "timestamp", "timestamptz", "interval"}
"""Those that take a length or a precision. MariaDB says bigint(20)."""


def column_type(name: str, declared: str) -> ColumnType:
    """The portable type of a column of type `name` in the catalogue that `format_type` writes as `declared`."""
    found = _KINDS.get(name, ColumnType(TypeKind.TEXT))
    match = _DECLARED.fullmatch(declared)
    length = precision = scale = None
    if match and match[2] is not None and name in ("varchar", "bpchar"):
        length = int(match[2])
    elif match and match[2] is not None and name == "numeric":
        precision, scale = int(match[2]), int(match[3] or 0)
    made = ColumnType(found.kind, length, precision, scale, found.bits, declared)
    if made.kind is TypeKind.NUMERIC and (precision or DOUBLE_DIGITS + 1) > DOUBLE_DIGITS:
        # SQLite would take the words for its own and make a double of the value.
        return replace(made, declared=None)
    return made


def type_words(wanted: ColumnType) -> str:
    """How to declare a column of this type here: in the source's own words if they are PostgreSQL's and built in."""
    if wanted.declared is not None and (match := _DECLARED.fullmatch(wanted.declared)):
        name = _BUILT_IN.get(match[1] + (match[4] or ""))
        takes = match[2] is None or (name in _MODIFIED and 0 < int(match[2]) <= _LONGEST_TEXT)
        if name is not None and takes and column_type(name, wanted.declared) == wanted:
            return wanted.declared
    if wanted.kind is TypeKind.INTEGER:
        return _INTEGERS.get(wanted.bits or 64, "bigint")
    if wanted.kind is TypeKind.TEXT:
        length = int(wanted.length or 0)
        return f"varchar({length})" if 0 < length <= _LONGEST_TEXT else "text"
    if wanted.kind is TypeKind.NUMERIC:
        precision, scale = int(wanted.precision or 0), int(wanted.scale or 0)
        fits = 0 < precision <= _MOST_DIGITS >= abs(scale)
        return f"numeric({precision},{scale})" if fits else "numeric"
    return _WORDS[wanted.kind]
