"""How the values of a column are read and written here: by what the definition says of it, and by its type here.

A table that an application's own tools made may have another type than the definition of the host says (a uuid that is
char(32) elsewhere, a timestamp with or without zone). `refusal` says which pairs can't be carried, and why;
docs/databases.md has the table for people.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isinf, isnan
from typing import NamedTuple

from replicator.databases.portable import moment, number, takes_numbers, trimmed, with_dashes, without_dashes
from replicator.databases.postgresql.columntypes import column_type, type_words
from replicator.errors import ConstraintViolation
from replicator.types import ColumnDefinition, ColumnType, TypeKind, Value

INTEGERS = {"int2", "int4", "int8", "oid"}
REALS = {"float4", "float8"}
TEXTS = {"text", "varchar", "bpchar", "citext", "name"}
_BITS = {"int2": 16, "int4": 32, "int8": 64, "oid": 64}
_DIGITS = {"int2": 4, "int4": 9, "int8": 18, "oid": 9}
"""Decimal digits that every number of the type's range may have."""
_UUID_DIGITS = 32

Read = Callable[[Value], Value]
Write = Callable[[Value], str | None]


class LocalType(NamedTuple):
    """A column's type in this database."""

    name: str
    """The catalogue's, of the base type where it is a domain."""
    words: str
    """As `format_type` writes it."""
    bare: str
    """The same without length, precision or scale: a cast to that changes no value."""


class Carriage(NamedTuple):
    sql: Callable[[str], str]
    """From an expression to one that gives what `read` takes."""
    read: Read | None
    """From what the driver gives to the portable value; None where it is that already."""
    write: Write
    """From portable values to the text that PostgreSQL reads as the type here. Raises ConstraintViolation for values
    that no text says."""


def carriage(column: ColumnDefinition, here: LocalType, *, in_key: bool) -> Carriage:
    """`in_key`: the column is in a primary, unique or foreign key."""
    wanted, name = column.type, here.name
    if name == "bytea":
        return Carriage(_as_it_is, None, blob_text)
    if name in REALS or (name in INTEGERS and (wanted.kind is not TypeKind.NUMERIC or takes_numbers(wanted))):
        return Carriage(_as_it_is, None, text_of)
    if name == "bool":
        return Carriage(lambda sql: f"{sql}::integer", None, text_of)
    if name == "numeric":
        if takes_numbers(wanted) or wanted.kind is not TypeKind.NUMERIC:
            return Carriage(_as_text, number, text_of)
        return Carriage(_as_text, trimmed if in_key else None, text_of)
    if name == "uuid" and _is_hexadecimal(wanted):
        return Carriage(lambda sql: f"replace({sql}::text, '-', '')", None, text_of)
    if name in TEXTS and wanted.kind is TypeKind.UUID and _length(here) == _UUID_DIGITS:
        return Carriage(_as_text, with_dashes, lambda value: text_of(without_dashes(value)))
    if name == "timestamptz" and wanted.kind is TypeKind.TIMESTAMP:
        # Text without a zone is taken for UTC, as our connections are set to.
        return Carriage(lambda sql: f"({sql} AT TIME ZONE 'UTC')::text", None, text_of)
    if name == "timestamp" and wanted.kind is TypeKind.TIMESTAMP_WITH_ZONE:
        return Carriage(lambda sql: f"({sql} AT TIME ZONE 'UTC')::text", None, _text_in_utc)
    if name == "inet":
        # Its cast to text adds /32 to an address, which its own output doesn't.
        return Carriage(lambda sql: f"abbrev({sql})", None, text_of)
    return Carriage(_as_text, None, text_of)


def _as_it_is(sql: str) -> str:
    return sql


def _as_text(sql: str) -> str:
    return f"{sql}::text"


def _length(here: LocalType) -> int | None:
    return column_type(here.name, here.words).length


def _is_hexadecimal(wanted: ColumnType) -> bool:
    """Text of 32 characters that is a uuid here holds its digits without dashes."""
    return wanted.kind is TypeKind.TEXT and wanted.length == _UUID_DIGITS


# --- what can't be carried --------------------------------------------------------------------------------------------


def refusal(wanted: ColumnType, here: LocalType) -> str | None:
    """Why values of the definition's type can't be carried by a column of this type; None: they can, exactly.

    To follow 'Column x.y '.
    """
    check = _CHECKS.get(wanted.kind)
    reason = None if check is None else check(wanted, here)
    if wanted.kind is TypeKind.ANY:
        return "holds values of any type, as only SQLite can: give it a type there."
    if reason is None:
        return None
    told = reason if reason.startswith(",") else f", not {type_words(wanted)}"
    return f"has the type {here.words}{told}."


_OTHER = ""
"""The types have nothing to do with each other."""


def _integer(wanted: ColumnType, here: LocalType) -> str | None:
    if here.name not in INTEGERS:
        return _OTHER
    return _OTHER if wanted.bits is not None and _BITS[here.name] < wanted.bits else None


def _real(wanted: ColumnType, here: LocalType) -> str | None:
    if here.name not in REALS:
        return _OTHER
    return _OTHER if here.name == "float4" and wanted.bits != 32 else None


def _numeric(wanted: ColumnType, here: LocalType) -> str | None:
    if here.name in INTEGERS:
        fits = wanted.precision is not None and not wanted.scale and wanted.precision <= _DIGITS[here.name]
        return None if fits else _OTHER
    if here.name != "numeric":
        return _OTHER
    found = column_type(here.name, here.words)
    if found.precision is None or (wanted.precision is None and wanted.declared is not None):
        return None
    if wanted.precision is None:
        return _OTHER
    scale, wanted_scale = found.scale or 0, wanted.scale or 0
    fits = scale >= wanted_scale and found.precision - scale >= wanted.precision - wanted_scale
    # Wide ones travel with the decimals of the column: of another scale they would differ at each place.
    return None if fits and (takes_numbers(wanted) or scale == wanted_scale) else _OTHER


def _boolean(_wanted: ColumnType, here: LocalType) -> str | None:
    return None if here.name == "bool" or here.name in INTEGERS else _OTHER


def _text(wanted: ColumnType, here: LocalType) -> str | None:
    if here.name == "uuid":
        return None if wanted.length in (None, _UUID_DIGITS, 36) else _OTHER
    if here.name == "name" or column_type(here.name, here.words).kind not in (TypeKind.TEXT, TypeKind.JSON):
        return _OTHER
    if here.name not in TEXTS or wanted.declared == here.words:
        return None
    if here.name == "bpchar" and not (wanted.declared or "").lower().startswith("char"):
        return ", which pads with blanks"
    most = _length(here)
    if most is not None and (wanted.length is None or wanted.length > most):
        return f", which holds less than {wanted.length or 'any number of'} characters"
    return None


def _blob(_wanted: ColumnType, here: LocalType) -> str | None:
    return None if here.name == "bytea" else _OTHER


def _uuid(_wanted: ColumnType, here: LocalType) -> str | None:
    if here.name == "uuid":
        return None
    return None if here.name in TEXTS - {"name"} and _length(here) in (None, _UUID_DIGITS, 36) else _OTHER


def _json(_wanted: ColumnType, here: LocalType) -> str | None:
    if here.name in ("json", "jsonb"):
        return None
    return None if here.name in ("text", "varchar") and _length(here) is None else _OTHER


def _one_of(*names: str) -> Callable[[ColumnType, LocalType], str | None]:
    return lambda _wanted, here: None if here.name in names else _OTHER


_CHECKS: dict[TypeKind, Callable[[ColumnType, LocalType], str | None]] = {
    TypeKind.INTEGER: _integer,
    TypeKind.REAL: _real,
    TypeKind.NUMERIC: _numeric,
    TypeKind.BOOLEAN: _boolean,
    TypeKind.TEXT: _text,
    TypeKind.BLOB: _blob,
    TypeKind.DATE: _one_of("date"),
    TypeKind.TIME: _one_of("time"),
    TypeKind.TIMESTAMP: _one_of("timestamp", "timestamptz"),
    TypeKind.TIMESTAMP_WITH_ZONE: _one_of("timestamptz", "timestamp"),
    TypeKind.INTERVAL: _one_of("interval"),
    TypeKind.UUID: _uuid,
    TypeKind.JSON: _json,
}


# --- texts ------------------------------------------------------------------------------------------------------------


def text_of(value: Value) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return "NaN" if isnan(value) else repr(value)
    if isinstance(value, int):
        return str(int(value))
    raise ConstraintViolation("A blob stands for a value that isn't binary here: it can't be stored.")


def _text_in_utc(value: Value) -> str | None:
    text = text_of(value)
    # A column without a zone would overlook the one that the text has.
    return None if text is None else moment(TypeKind.TIMESTAMP_WITH_ZONE, text)


def blob_text(value: Value) -> str | None:
    if value is None:
        return None
    content = value if isinstance(value, bytes) else str(text_of(value)).encode("utf-8", "surrogateescape")
    return f"\\x{content.hex()}"
