"""Which columns of this database can hold the values of a definition's type, exactly (docs/databases.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.columntypes import BLOBS, INTEGERS, type_words
from replicator.databases.portable import takes_numbers
from replicator.errors import UnfitTable
from replicator.types import ColumnType, TypeKind


class Fit(NamedTuple):
    """What else decides about a column."""

    refers: bool
    """To a parent, whose type it has, as MariaDB insists on that."""
    is_indexed: bool
    """Of an index: then it can't be a text of any length."""


_CHARACTERS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
_LONG = {"text", "mediumtext", "longtext"}
_LONG_BLOBS = {"blob", "mediumblob", "longblob"}
_DIGITS = {"tinyint": 2, "smallint": 4, "mediumint": 6, "int": 9, "bigint": 18}
"""Decimal digits that every number of the type's range may have."""
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_OTHER = ""
"""The types have nothing to do with each other."""

Check = Callable[[ColumnType, LocalColumn, Fit], str | None]


def refusal(wanted: ColumnType, local: LocalColumn, fit: Fit) -> str | None:
    """Why values of the definition's type can't be carried by a column of this type; None: they can, exactly.

    To follow 'Column x.y '.
    """
    check = _CHECKS.get(wanted.kind)
    reason = _OTHER if check is None else check(wanted, local, fit)
    if reason is None:
        return None
    try:
        words = type_words(wanted)
    except UnfitTable as error:
        return f"can't be carried: {error}"
    return f"has the type {local.column_type}{reason or f', not {words}'}."


def _integer(wanted: ColumnType, local: LocalColumn, fit: Fit) -> str | None:
    same = re.split(r"\W", (wanted.declared or "").lower(), maxsplit=1)[0] == local.data_type
    bits = _BITS.get(local.data_type, 0)
    if bits == 0:
        return None if same and local.data_type in INTEGERS else _OTHER
    if local.unsigned and (wanted.bits or 64) == 64 and not (wanted.declared or "").lower().endswith("unsigned"):
        return ", which holds no negative numbers" if not fit.is_indexed else None
    # A column of MariaDB's own width is short of the portable one: it was as wide where it comes from.
    enough = bits + local.unsigned >= (wanted.bits or 0) or same
    return None if enough or fit.refers else _OTHER


def _real(wanted: ColumnType, local: LocalColumn, _fit: Fit) -> str | None:
    if local.data_type not in ("float", "double"):
        return _OTHER
    return _OTHER if local.data_type == "float" and wanted.bits != 32 else None


def _numeric(wanted: ColumnType, local: LocalColumn, _fit: Fit) -> str | None:
    if local.data_type == "bigint" and local.unsigned and (wanted.precision, wanted.scale or 0) == (20, 0):
        return None
    if local.data_type in INTEGERS:
        fits = wanted.precision is not None and not wanted.scale
        return None if fits and (wanted.precision or 0) <= _DIGITS.get(local.data_type, 0) else _OTHER
    if local.data_type != "decimal":
        return _OTHER
    if wanted.precision is None:
        # Of any precision: what is too large or too fine is refused row by row, or rounded.
        return None if wanted.declared is not None or (local.precision or 0) >= _MOST_DIGITS else _OTHER
    scale, wanted_scale = local.scale or 0, wanted.scale or 0
    fits = scale >= wanted_scale and (local.precision or 10) - scale >= wanted.precision - wanted_scale
    # Wide ones travel with the decimals of the column: of another scale they would differ at each place.
    return None if fits and (takes_numbers(wanted) or scale == wanted_scale) else _OTHER


_MOST_DIGITS = 65


def _text(wanted: ColumnType, local: LocalColumn, fit: Fit) -> str | None:
    if local.data_type == "uuid":
        return None if wanted.length in (32, 36) else _OTHER
    if local.data_type in ("inet4", "inet6", "enum", "set"):
        return None
    if local.data_type == "bit":
        return None if (wanted.declared or "").startswith("bit") else _OTHER
    if local.data_type not in _CHARACTERS:
        return _OTHER
    if local.data_type == "char" and not (wanted.declared or "").lower().startswith("char"):
        return ", which cuts blanks off"
    if wanted.length is None:
        fits = local.data_type in _LONG or fit.is_indexed or wanted.declared == local.column_type
        return None if fits else ", which holds less than any number of characters"
    holds = local.data_type in _LONG or (local.length or 0) >= wanted.length or fit.refers
    # A key takes no more than its index does.
    return None if holds or fit.is_indexed else f", which holds less than {wanted.length} characters"


def _blob(wanted: ColumnType, local: LocalColumn, fit: Fit) -> str | None:
    if local.data_type not in BLOBS:
        return _OTHER
    if local.data_type == "binary" and not (wanted.declared or "").lower().startswith("binary"):
        return ", which pads with zeros"
    holds = local.data_type in _LONG_BLOBS or (wanted.length is not None and (local.length or 0) >= wanted.length)
    return None if holds or fit.is_indexed else f", which holds less than {wanted.length or 'any number of'} bytes"


def _uuid(_wanted: ColumnType, local: LocalColumn, _fit: Fit) -> str | None:
    if local.data_type == "uuid" or local.data_type in _LONG:
        return None
    return None if local.data_type in ("char", "varchar") and local.length in (32, 36) else _OTHER


def _interval(_wanted: ColumnType, local: LocalColumn, _fit: Fit) -> str | None:
    fits = local.data_type in _LONG or (local.data_type == "varchar" and (local.length or 0) >= 100)
    return None if fits else _OTHER


def _one_of(*data_types: str) -> Check:
    return lambda _wanted, local, _fit: None if local.data_type in data_types else _OTHER


_CHECKS: dict[TypeKind, Check] = {
    TypeKind.INTEGER: _integer,
    TypeKind.REAL: _real,
    TypeKind.NUMERIC: _numeric,
    TypeKind.BOOLEAN: _one_of("tinyint", "bit", "smallint", "int", "bigint"),
    TypeKind.TEXT: _text,
    TypeKind.BLOB: _blob,
    TypeKind.DATE: _one_of("date"),
    TypeKind.TIME: _one_of("time"),
    TypeKind.TIMESTAMP: _one_of("datetime", "timestamp"),
    TypeKind.TIMESTAMP_WITH_ZONE: _one_of("timestamp", "datetime"),
    TypeKind.INTERVAL: _interval,
    TypeKind.UUID: _uuid,
    TypeKind.JSON: _one_of("longtext", "mediumtext", "text"),
}
