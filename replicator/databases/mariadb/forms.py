"""The form that a value has once it is stored in a column: what is read again, and what is told to others (portable).

All of it is decided here, not by the server: it would round, cut and convert silently, and what it made of a value
could be learned only by asking. A value that the column can't hold is refused; a number with more decimals than the
column has is rounded, and more digits of a second are cut, as the server would do it.

A table that was there before may have other types than the definition: a `char(32)` for a uuid, a `datetime` for a
point of time. So both decide.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from math import isfinite
from typing import NamedTuple

from replicator.databases import portable
from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.columntypes import BLOBS, INTEGERS, TEXTS
from replicator.databases.portable import number, takes_numbers, trimmed, with_dashes
from replicator.errors import ConstraintViolation
from replicator.types import ColumnType, TypeKind, Value

Stored = Callable[[Value], Value]


class Pair(NamedTuple):
    """A column as the definition has it, and as it is here."""

    type: ColumnType
    local: LocalColumn
    in_key: bool
    """It is in a primary, unique or foreign key."""

    @property
    def has_digits_only(self) -> bool:
        """A uuid without dashes: here, or where it comes from."""
        if self.type.kind is TypeKind.UUID:
            return self.local.data_type in ("char", "varchar") and self.local.length == _UUID_DIGITS
        return self.type.kind is TypeKind.TEXT and self.local.data_type == "uuid" and self.type.length == _UUID_DIGITS


_UUID_DIGITS = 32
_LARGEST = 2**63
_INTEGER = re.compile(r"[+-]?\d{1,65}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"(-?)(\d{1,3}):(\d\d)(?::(\d\d)(?:\.(\d+))?)?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.(\d+))?", re.ASCII)
_ZEROS_AND_ONES = re.compile("[01]{1,64}")


def stored(pair: Pair) -> Stored:
    """A function from a value that is not None to what is read again. It raises ConstraintViolation."""
    kind, local = pair.type, pair.local
    data_type = local.data_type
    if data_type in INTEGERS:
        as_text = kind.kind is TypeKind.NUMERIC and not takes_numbers(kind)
        return (lambda value: str(_integer(value, local))) if as_text else (lambda value: _integer(value, local))
    if data_type in BLOBS:
        return _padded(local.length or 0) if data_type == "binary" else as_bytes
    match data_type:
        case "decimal":
            return _decimal(pair)
        case "float":
            return lambda value: _float(value, local)
        case "double":
            return lambda value: _double(value, local)
        case "bit":
            return _bits(pair)
        case "date":
            return lambda value: _date(value, local)
        case "time":
            return lambda value: _time(value, local)
        case "datetime" | "timestamp":
            return lambda value: _moment(value, pair)
        case "inet4" | "inet6":
            return _address
        case "uuid":
            return lambda value: _uuid(value).replace("-", "") if pair.has_digits_only else _uuid(value)
        case "char" | "varchar" if pair.has_digits_only:
            return lambda value: with_dashes(as_text_of(value))
        case "char":
            return lambda value: as_text_of(value).rstrip(" ")
        case _ if data_type in TEXTS:
            return as_text_of
        case _:
            return lambda value: value


def _refused(value: Value, local: LocalColumn) -> ConstraintViolation:
    return ConstraintViolation(
        f"The column {local.name} is {local.column_type} here and can't hold the value {str(value)[:60]!r}."
    )


# --- numbers ----------------------------------------------------------------------------------------------------------


def _integer(value: Value, local: LocalColumn) -> int | str:
    """What 64 bits don't hold is text, as everywhere."""
    found: int
    if type(value) is int:
        found = value
    elif (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _INTEGER.fullmatch(value)):
        found = int(value)
    else:
        raise _refused(value, local)  # a fraction would be rounded
    return found if -_LARGEST <= found < _LARGEST else str(found)


def _decimal(pair: Pair) -> Stored:
    local = pair.local
    step = Decimal(1).scaleb(-(local.scale or 0))
    most = Decimal(10) ** ((local.precision or 10) - (local.scale or 0))
    read = decimal_reader(pair)

    def decimal(value: Value) -> Value:
        try:
            found = Decimal(repr(value) if isinstance(value, float) else value)
            if not found.is_finite() or abs(found) >= most:
                raise _refused(value, local)
            rounded = found.quantize(step, ROUND_HALF_UP, _ROOM)
        except (InvalidOperation, TypeError, ValueError):
            raise _refused(value, local) from None
        if abs(rounded) >= most:
            raise _refused(value, local)
        text = format(rounded, "f")
        # MariaDB has no -0.
        return read(text.lstrip("-") if rounded.is_zero() else text)

    return decimal


_ROOM = Context(prec=150)
"""Digits to reckon with: the default has too few for MariaDB's 65."""


def decimal_reader(pair: Pair) -> Callable[[str], Value]:
    """From what the server writes to the portable value."""
    kind = pair.type
    if takes_numbers(kind) or kind.kind is not TypeKind.NUMERIC:
        return number
    # A column for numbers of any precision has many decimals, which mean nothing.
    return trimmed if pair.in_key or kind.precision is None else lambda text: text


def _float(value: Value, local: LocalColumn) -> float:
    try:
        return shortest(in_32_bits(_double(value, local)))
    except OverflowError:
        raise _refused(value, local) from None


def _double(value: Value, local: LocalColumn) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _refused(value, local) from None
    if not isfinite(found):
        raise _refused(value, local)
    return found or 0.0  # MariaDB has no -0.0


def shortest(value: float) -> float:
    """The number of the fewest digits that a column of 32 bits takes for the same one."""
    for digits in range(6, 10):
        found = float(f"{value:.{digits}g}")
        if abs(found) < _MOST_FLOAT and in_32_bits(found) == value:
            return found
    return value


_MOST_FLOAT = 3.4028236e38


def in_32_bits(value: float) -> float:
    """What a column of 32 bits makes of it. Raises OverflowError."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _bits(pair: Pair) -> Stored:
    local = pair.local
    width = local.precision or 1
    as_number = pair.type.kind is not TypeKind.TEXT

    def bits(value: Value) -> Value:
        if isinstance(value, str) and _ZEROS_AND_ONES.fullmatch(value):
            value = int(value, 2)
        if type(value) is not int or not 0 <= value < 2**width:
            raise _refused(value, local)
        return value if as_number else f"{value:0{width}b}"

    return bits


# --- texts and bytes --------------------------------------------------------------------------------------------------


def as_text_of(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        raise ConstraintViolation("A blob stands for a value that isn't binary here: it can't be stored.")
    return repr(value) if isinstance(value, float) else str(int(value))


def _uuid(value: Value) -> str:
    """Without dashes it is one as well; what is none is refused by the column, or kept by a text."""
    text = as_text_of(value)
    found = with_dashes(text.strip("{}").replace("-", "").lower())
    return found if "-" in found else text


def _address(value: Value) -> Value:
    """Compressed, in lower case; those of IPv4 in IPv6, which the server writes in a way of its own, as they are."""
    text = as_text_of(value)
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return text
    return text if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None else str(found)


def as_bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else as_text_of(value).encode("utf-8", "surrogateescape")


def _padded(length: int) -> Stored:
    return lambda value: as_bytes(value).ljust(length, b"\0")


# --- dates and times --------------------------------------------------------------------------------------------------


def cut(fraction: str | None, local: LocalColumn) -> str:
    digits = (fraction or "")[: local.fraction or 0].rstrip("0")
    return f".{digits}" if digits else ""


def _date(value: Value, local: LocalColumn) -> str:
    found = portable.moment(TypeKind.DATE, value) if isinstance(value, str) else ""
    if not _DATE.fullmatch(found):
        raise _refused(value, local)
    return found


def _time(value: Value, local: LocalColumn) -> str:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _refused(value, local)
    sign, hours, minutes, seconds, fraction = match.groups()
    return f"{sign}{hours.zfill(2)}:{minutes}:{seconds or '00'}{cut(fraction, local)}"


def _moment(value: Value, pair: Pair) -> str:
    """A zone of its own is heeded also where the column has none: it is told in UTC then."""
    local = pair.local
    text = value if isinstance(value, str) else ""
    with_zone = pair.type.kind is TypeKind.TIMESTAMP_WITH_ZONE
    if text.endswith("+00"):
        text = text[:-3]
    if not _MOMENT.fullmatch(text):
        # Year 0 and the like stay what they are: only zero dates of MariaDB's own come so.
        text = portable.moment(TypeKind.TIMESTAMP_WITH_ZONE, text).removesuffix("+00")
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise _refused(value, local)
    return f"{text[:19]}{cut(match[1], local)}{'+00' if with_zone else ''}"
