"""What MariaDB calls equal in unique and foreign keys, as Python values (`Database.comparable`)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal, InvalidOperation

from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.columntypes import BLOBS, INTEGERS
from replicator.databases.mariadb.forms import Pair, stored
from replicator.databases.mariadb.weights import Weights
from replicator.errors import ConstraintViolation
from replicator.types import Value

Mapper = Callable[[Value], Hashable]
_NUMBERS = {*INTEGERS, "decimal", "float", "double"}


def comparable(weights: Weights, columns: Callable[[], Sequence[Pair]]) -> Callable[[Sequence[Value]], Hashable | None]:
    """See `Database.comparable`. `columns` are asked for when they are needed first."""
    known: list[Mapper] = []

    def mappers() -> list[Mapper]:
        if not known:
            known.extend(_mapper(weights, each) for each in columns())
        return known

    def compare(values: Sequence[Value]) -> Hashable | None:
        if None in values:
            return None
        return tuple(mapper(value) for mapper, value in zip(mappers(), values, strict=True))

    return compare


def has_exact_key(columns: Sequence[Pair]) -> bool:
    """Two keys that the database calls equal are the same values."""
    return all(
        local.data_type in INTEGERS
        or local.data_type in BLOBS
        or (is_exact(local.collation) and local.data_type == "varchar")
        for _, local, _ in columns
    )


def is_exact(collation: str | None) -> bool:
    return collation is not None and collation.endswith("_nopad_bin")


def weighed(local: LocalColumn) -> str | None:
    """The collation whose weights decide; None: something else does."""
    collation = local.collation
    return None if collation is None or collation.endswith("_bin") else collation


def _mapper(weights: Weights, pair: Pair) -> Mapper:
    local = pair.local
    if local.data_type in _NUMBERS:
        return _number
    if local.data_type in BLOBS:
        return lambda value: value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    collation = local.collation
    if collation is None:
        return _as_written(pair)
    if collation.endswith("_bin"):
        padded = not is_exact(collation) or local.data_type == "char"
        return (lambda value: _text(value).rstrip(" ")) if padded else _text

    def weight(value: Value) -> Hashable:
        text = _text(value)
        if local.data_type == "char":
            text = text.rstrip(" ")
        try:
            return weights.weight(collation, text)
        except ConstraintViolation:
            return text  # no text of this database

    return weight


def _text(value: Value) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else repr(value)


def _number(value: Value) -> Hashable:
    """1, 1.0 and '1.00' are one number; a float is the decimal that it is written as."""
    if not isinstance(value, (str, int, float)):
        return bytes(value)
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return str(value)


def _as_written(pair: Pair) -> Mapper:
    """Dates, times, uuids, bits: two values that come to stand as the same."""
    keep = stored(pair)

    def written(value: Value) -> Hashable:
        try:
            return str(keep(value)).lower()
        except ConstraintViolation:
            return _text(value)

    return written
