"""Digests of rows that are the same on every database, and their sums by bucket (protocol.md 7.3, "Compare").

A row's digest is BLAKE2b (16 bytes) of its portable values as a msgpack array, each in the form that `portable` calls
equal: what two places only write otherwise is no difference. Rows are spread over buckets by CRC-32 of their keys, and
a bucket's sum is that of its rows' digests modulo 2^128, so that no order of rows plays a part: databases sort by
collations of their own. Rows are looked at a column at a time: the check that all of a column is in its form already
costs a tenth of bringing each value into it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from hashlib import blake2b
from math import copysign, isfinite
from operator import eq, itemgetter
from typing import NamedTuple, cast
from zlib import crc32

from replicator.databases.portable import EXACT_KINDS, are_exact, canonical, is_exact
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.keys import keys_packer
from replicator.types import ColumnType, Image, Key, TableDefinition, TypeKind, Value

SIZE = 16
"""Bytes of a row's digest and of a bucket's sum."""

SHORT = 8
"""Bytes of a row's digest where rows are named."""

ROWS_A_BUCKET = 2048
MOST_BUCKETS = 512
"""8 kB of sums, which is what the compare of a large table costs by mail if nothing differs."""

_MODULUS = 1 << 8 * SIZE
_LARGEST = 2**63
_EXACT_DIGITS = 15
"""Any decimal with so many comes back from a double as it was (IEEE 754, 53 bits)."""


class RowDigest(NamedTuple):
    key: Key
    bucket: int
    digest: bytes

    @property
    def short(self) -> bytes:
        return self.digest[:SHORT]


def bucket_count(rows: int) -> int:
    """A power of two."""
    wanted = 1
    while wanted < MOST_BUCKETS and wanted * ROWS_A_BUCKET < rows:
        wanted *= 2
    return wanted


def free_forms(definition: TableDefinition) -> tuple[int, ...]:
    """Places of columns whose values databases of two kinds write each in a way of its own, with nothing that tells
    which ways are equal: networks, ranges, intervals, enumerations, sets."""
    return tuple(place for place, column in enumerate(definition.columns) if _is_free(column.type))


_PLAIN_TEXTS = frozenset(
    {"text", "tinytext", "mediumtext", "longtext", "clob", "string", "citext", "name", "char", "character", "bpchar"}
    | {"varchar", "character varying", "varying character", "nchar", "nvarchar", "native character"}
)
_WITH_PADDING = ("char", "character", "bpchar")


def _is_free(kind: ColumnType) -> bool:
    if kind.kind is TypeKind.INTERVAL:
        return True
    if kind.kind is not TypeKind.TEXT or not kind.declared:
        return False
    return "[" in kind.declared or _word(kind) not in _PLAIN_TEXTS


def _word(kind: ColumnType) -> str:
    return (kind.declared or "").lower().partition("(")[0].strip()


# --- one form ---------------------------------------------------------------------------------------------------------

Column = Sequence[Value]
_Settle = Callable[[Column], Column | None]
"""A column in its one form; None: it is so already."""


def _settler(kind: ColumnType) -> _Settle | None:
    if kind.kind is TypeKind.NUMERIC:
        return _numbers
    if kind.kind is TypeKind.REAL:
        return _reals
    if kind.kind in EXACT_KINDS:
        return lambda column: _moments(kind, column)
    if kind.kind is TypeKind.JSON:
        return lambda column: [_json(value) for value in column]
    if kind.kind is TypeKind.TEXT and _word(kind) in _WITH_PADDING:
        return _padded
    return None


def _numbers(column: Column) -> Column | None:
    types = set(map(type, column))
    if types <= {int, type(None)}:
        return None
    if types <= {int, float, type(None)} and not any(
        value.is_integer() or not isfinite(value) for value in column if value.__class__ is float
    ):
        return None
    if types <= {str, type(None)} and (found := _short_decimals(column)) is not None:
        return found
    return [_number(value) for value in column]


def _short_decimals(column: Column) -> Column | None:
    """Decimals of so few digits that a double holds each exactly, as `_number` has them, at a fraction of the time.
    None where there are others."""
    texts = cast(Sequence[str], list(filter(None, column)))
    if "" in column or max(map(len, texts), default=0) > _EXACT_DIGITS or "".join(texts).strip("0123456789.-"):
        return None
    try:
        found = map(float, texts)
        numbers = iter([int(value) if value.is_integer() else value for value in found])
    except ValueError:
        return None
    return [None if value is None else next(numbers) for value in column]


def _number(value: Value) -> Value:
    """An integer where it is whole and has 64 bits, a double where that is exact, else text."""
    found = canonical(ColumnType(TypeKind.NUMERIC), value)
    if not isinstance(found, Decimal) or not found.is_finite():
        return str(found) if isinstance(found, Decimal) else found
    if abs(found.adjusted()) > 400:
        return str(found.normalize())
    whole = int(found)
    if whole == found:
        return whole if -_LARGEST <= whole < _LARGEST else str(whole)
    short = float(found)
    return short if Decimal(repr(short)) == found else str(found.normalize())


def _reals(column: Column) -> Column | None:
    if (
        set(map(type, column)) <= {float, type(None)}
        and all(map(eq, column, column))  # no NaN
        and not (0.0 in column and any(value == 0 and copysign(1, value) < 0 for value in column))
    ):
        return None
    real = ColumnType(TypeKind.REAL)
    # As canonical has it, and whole numbers as doubles: they are equal.
    return [float(found) if type(found := canonical(real, value)) is int else found for value in column]


def _moments(kind: ColumnType, column: Column) -> Column | None:
    distinct = set(column)
    distinct.discard(None)
    if set(map(type, distinct)) <= {str} and are_exact(kind.kind, distinct):
        return None
    other = {value: canonical(kind, value) for value in distinct if not is_exact(kind.kind, value)}
    if all(value == found and type(value) is type(found) for value, found in other.items()):
        return None
    return [other.get(value, value) for value in column]


def _json(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    try:
        return json.dumps(json.loads(value), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return value


def _padded(column: Column) -> Column | None:
    if not any(value.__class__ is str and value.endswith(" ") for value in column):
        return None
    return [value.rstrip(" ") if isinstance(value, str) else value for value in column]


# --- digests ----------------------------------------------------------------------------------------------------------


class Digester:
    """Digests of a table's rows, over `buckets` buckets; columns at the places `without` count as equal."""

    def __init__(self, definition: TableDefinition, buckets: int, without: Iterable[int] = ()) -> None:
        self._pack_keys = keys_packer(definition)
        self._mask = buckets - 1
        self._without = frozenset(without)
        self._settlers = [
            (place, settle)
            for place, column in enumerate(definition.columns)
            if place not in self._without and (settle := _settler(column.type)) is not None
        ]

    def bucket(self, key: Key) -> int:
        return crc32(key) & self._mask

    def add(self, sums: list[int], images: Sequence[Image]) -> None:
        """Add rows to the sums of their buckets. The hot path: nothing is made for a row but its digest."""
        mask, integer = self._mask, int.from_bytes
        for key, packed in zip(self._pack_keys(images), map(pack_row, self._settled(images)), strict=True):
            sums[crc32(key) & mask] += integer(blake2b(packed, digest_size=SIZE).digest(), "big")

    def rows(self, images: Sequence[Image]) -> Iterator[RowDigest]:
        mask = self._mask
        for key, packed in zip(self._pack_keys(images), map(pack_row, self._settled(images)), strict=True):
            yield RowDigest(key, crc32(key) & mask, blake2b(packed, digest_size=SIZE).digest())

    def _settled(self, images: Sequence[Image]) -> Sequence[Image]:
        changed: dict[int, Column] = {place: [None] * len(images) for place in self._without}
        for place, settle in self._settlers:
            settled = settle(list(map(itemgetter(place), images)))
            if settled is not None:
                changed[place] = settled
        if not changed or not images:
            return images
        columns = list(zip(*images, strict=True))
        for place, column in changed.items():
            columns[place] = tuple(column)
        return list(zip(*columns, strict=True))


def number_of(digest: bytes) -> int:
    return int.from_bytes(digest, "big")


def encode_sums(sums: Sequence[int]) -> bytes:
    return b"".join((number % _MODULUS).to_bytes(SIZE, "big") for number in sums)


def differing(mine: Sequence[int], theirs: bytes) -> set[int]:
    """Buckets whose sums are not the same."""
    own = encode_sums(mine)
    return {
        bucket
        for bucket in range(len(mine))
        if own[bucket * SIZE : (bucket + 1) * SIZE] != theirs[bucket * SIZE : (bucket + 1) * SIZE]
    }
