"""MariaDB's types, to and from the portable ones.

| here | portable value | |
|---|---|---|
| tinyint … bigint, year | int | `tinyint(1)` is a boolean |
| bigint unsigned | int in an index, else str | a numeric of 20 digits but where it may number rows |
| float, double | float | shortest digits that give the same number; -0.0 is kept as 0.0 |
| decimal(p, s) of at most 15 digits | int, or float where there is a fraction | as SQLite keeps them, exactly |
| decimal of more digits | str | exactly |
| bit(1), bit(n) | 0 or 1, str of zeros and ones | |
| char, varchar, text family, enum, set, inet4, inet6 | str | `char` without the padding |
| binary, varbinary, blob family | bytes | `binary(n)` with its padding |
| date, time, datetime | str | ISO 8601, no trailing zeros of the fraction; zero dates as they are |
| timestamp | str | the same, in UTC, with +00 |
| json, uuid | str | |

Spatial types are refused: nobody else has them in a form that comes back the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replicator.errors import UnfitTable
from replicator.protocol.bounds import BOUNDS
from replicator.types import DOUBLE_DIGITS, ColumnType, TypeKind

if TYPE_CHECKING:
    from replicator.databases.mariadb.catalogue import LocalColumn

INTEGERS = {"tinyint": 16, "smallint": 16, "mediumint": 32, "int": 32, "bigint": 64, "year": 16}
"""By the portable width that holds it with a sign."""
TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "inet4", "inet6"}
BLOBS = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_TIMES = {
    "date": TypeKind.DATE,
    "time": TypeKind.TIME,
    "datetime": TypeKind.TIMESTAMP,
    "timestamp": TypeKind.TIMESTAMP_WITH_ZONE,
}
_WITH_LENGTH = {"char", "varchar", "binary", "varbinary"}
_MOST_DIGITS, _MOST_SCALE = 65, 38
_FREE_SCALE = 30
"""Digits behind the point of a column for numbers of any precision: MariaDB has a fixed scale only."""
FREE_DIGITS = (_MOST_DIGITS - _FREE_SCALE, _FREE_SCALE)
"""Of such a column, before and behind the point."""
_LONG = 1000
"""Longer texts are made as LONGTEXT: all columns of a row share 65,535 bytes, and only long ones don't count."""


def column_type(data_type: str, words: str, *, is_json: bool = False, is_indexed: bool = False) -> ColumnType | None:
    """The portable type of a column of that type, written in `words`; None: there is none."""
    first, second = _sizes(words)
    unsigned = " unsigned" in words
    if is_json or data_type == "json":
        return ColumnType(TypeKind.JSON, declared="json")
    if data_type == "tinyint" and first == 1 and not unsigned:
        return ColumnType(TypeKind.BOOLEAN, declared=words)
    if data_type == "bigint" and unsigned and not is_indexed:
        return ColumnType(TypeKind.NUMERIC, precision=20, scale=0)
    if data_type in INTEGERS:
        # Elsewhere a number without a sign may be one of the same width with one, or a wider one.
        return ColumnType(TypeKind.INTEGER, bits=None if unsigned else INTEGERS[data_type], declared=words)
    if data_type in ("float", "double"):
        return ColumnType(TypeKind.REAL, bits=32 if data_type == "float" else 64, declared=words)
    if data_type == "decimal":
        precision = first or 10
        # Words of its own would say that it is kept as a number (portable).
        declared = words if precision <= DOUBLE_DIGITS else None
        return ColumnType(TypeKind.NUMERIC, precision=precision, scale=second or 0, declared=declared)
    if data_type == "bit":
        return ColumnType(TypeKind.BOOLEAN if (first or 1) == 1 else TypeKind.TEXT, first, declared=words)
    if data_type in TEXTS or data_type in BLOBS:
        kind = TypeKind.TEXT if data_type in TEXTS else TypeKind.BLOB
        # An enumeration of many members has more words than travel.
        declared = words if len(words) <= BOUNDS.name else None
        return ColumnType(kind, first if data_type in _WITH_LENGTH else None, declared=declared)
    if data_type in _TIMES:
        return ColumnType(_TIMES[data_type], declared=words)
    if data_type == "uuid":
        return ColumnType(TypeKind.UUID, declared=words)
    return None


def type_of(table: str, column: LocalColumn, *, is_indexed: bool) -> ColumnType:
    """Raises UnfitTable."""
    found = column_type(column.data_type, column.column_type, is_json=column.is_json, is_indexed=is_indexed)
    if found is None:
        raise UnfitTable(
            f"Column {table}.{column.name} is of the type {column.column_type}, which other databases can't keep: "
            "leave the table out, or keep this in another one."
        )
    return found


def _sizes(words: str) -> tuple[int | None, int | None]:
    match = re.match(r"[a-z0-9]+\((\d+)(?:,(\d+))?\)", words)
    if match is None:
        return None, None
    return int(match[1]), None if match[2] is None else int(match[2])


# --- making columns ---------------------------------------------------------------------------------------------------

_DECLARED = re.compile(
    r"([a-z0-9]+)(?:\(\d+(?:,\d+)?\))?(?: unsigned)?(?: zerofill)?|(enum|set)\('(?:[^'\\]|'')*'(?:,'(?:[^'\\]|'')*')*\)"
)
_WORDS = {
    TypeKind.BOOLEAN: "tinyint(1)",
    TypeKind.DATE: "date",
    TypeKind.TIME: "time(6)",
    TypeKind.TIMESTAMP: "datetime(6)",
    TypeKind.TIMESTAMP_WITH_ZONE: "timestamp(6)",
    TypeKind.INTERVAL: "varchar(100)",
    TypeKind.UUID: "uuid",
    TypeKind.JSON: "json",
}
_ALSO_ELSEWHERE = {"text", "blob", "time", "datetime"}
"""Words that PostgreSQL or applications on SQLite use as well, for texts of any length and fractions of a second."""
_MOST_LENGTHS = {"char": 255, "binary": 255, "varchar": 16_383, "varbinary": 65_532, "bit": 64}
_INTEGER_WORDS = {16: "smallint", 32: "int"}


def type_words(wanted: ColumnType, key_bytes: int | None = None) -> str:
    """How to declare a column of this type here: in the source's own words if they are MariaDB's.

    `key_bytes`: the column is part of a key, and may take so many of its bytes. Raises UnfitTable.
    """
    match = _DECLARED.fullmatch(wanted.declared or "")
    own = match is not None and match[0] not in _ALSO_ELSEWHERE and _can_be(match[0])
    if match is not None and own and column_type(match[1] or match[2], match[0], is_indexed=True) == wanted:
        return match[0]
    if wanted.kind is TypeKind.INTEGER:
        return _INTEGER_WORDS.get(wanted.bits or 64, "bigint")
    if wanted.kind is TypeKind.REAL:
        return "float" if wanted.bits == 32 else "double"
    if wanted.kind is TypeKind.NUMERIC:
        return _decimal(wanted)
    if wanted.kind in (TypeKind.TEXT, TypeKind.BLOB):
        return _text(wanted, key_bytes)
    if wanted.kind is TypeKind.ANY:
        raise UnfitTable("A column without a type, which holds values of any, is known to SQLite only: give it one.")
    return _WORDS[wanted.kind]


def _can_be(words: str) -> bool:
    """Applications on SQLite use the same words with any numbers."""
    base, (first, second) = re.split(r"\W", words, maxsplit=1)[0], _sizes(words)
    if base == "decimal":
        return first is None or (0 < first <= _MOST_DIGITS and (second or 0) <= min(first, _MOST_SCALE))
    return first is None or first <= _MOST_LENGTHS.get(base, first)


def _decimal(wanted: ColumnType) -> str:
    if wanted.precision is None:
        return f"decimal({_MOST_DIGITS},{_FREE_SCALE})"
    precision, scale = int(wanted.precision), int(wanted.scale or 0)
    if precision > _MOST_DIGITS or not 0 <= scale <= min(_MOST_SCALE, precision):
        raise UnfitTable(
            f"MariaDB has no numbers of {precision} digits with {scale} behind the point: {_MOST_DIGITS} and "
            f"{_MOST_SCALE} are the most."
        )
    return f"decimal({precision},{scale})"


def _text(wanted: ColumnType, key_bytes: int | None) -> str:
    binary = wanted.kind is TypeKind.BLOB
    short, long = ("varbinary", "longblob") if binary else ("varchar", "longtext")
    most = _LONG if key_bytes is None else key_bytes // (1 if binary else 4)
    length = wanted.length
    if key_bytes is not None:
        return f"{short}({min(length, most) if length and length > 0 else most})"
    return f"{short}({length})" if 0 < (length or 0) <= most else long


# --- capture ----------------------------------------------------------------------------------------------------------

_CAPTURED_TEXTS = TEXTS - {"inet4", "inet6"}
_CAPTURED_WHOLE = set(INTEGERS) - {"year"}


def captured_words(words: str) -> str:
    """A type that holds all values of the type that is written so, and those of what the application may make of it:
    else its statements would fail from the moment that it makes a column wider until our next run. Nor does a long text
    count towards the bytes that the columns of a row share."""
    base = re.split(r"\W", words, maxsplit=1)[0]
    if base in _CAPTURED_TEXTS:
        return "longtext"
    if base in BLOBS:
        return "longblob"
    if base in _CAPTURED_WHOLE:
        return "bigint(20) unsigned" if " unsigned" in words else "bigint(20)"
    if base == "decimal":
        return f"decimal({_MOST_DIGITS},{_sizes(words)[1] or 0})"
    return words
