"""How each value is read from a column and written to it, by the portable type and the column's own.

A table that was there before may have other types than the definition: a `char(32)` for a uuid, a `datetime` for a
point of time. So both decide.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.columntypes import BLOBS, INTEGERS, TEXTS, is_short
from replicator.errors import ConstraintViolation
from replicator.types import ColumnType, TypeKind, Value

Row = tuple[Any, ...]
_UNICODE = ("utf", "ucs2")
Reader = Callable[[Any], Value]
Writer = Callable[[Value], str]


class Carrier:
    """Reads and writes rows of some columns: the definition's types beside the columns as they are here."""

    def __init__(self, columns: Sequence[tuple[ColumnType, LocalColumn]]) -> None:
        self._columns = columns
        self._readers = [(place, read) for place, pair in enumerate(columns) if (read := _reader(*pair)) is not None]
        self._writers = [_writer(*pair) for pair in columns]

    def selected(self, expressions: Sequence[str]) -> str:
        """SQL for a select list, of these expressions for the columns' values."""
        pairs = zip(self._columns, expressions, strict=True)
        return ", ".join(_reading(local, expression) for (_, local), expression in pairs)

    def read(self, rows: Iterable[Row]) -> list[Row]:
        """Portable rows of what the driver gives for `selected`."""
        if not self._readers:
            return list(rows)
        made = []
        for row in rows:
            values = list(row)
            for place, read in self._readers:
                if values[place] is not None:
                    values[place] = read(values[place])
            made.append(tuple(values))
        return made

    def literals(self, row: Sequence[Value]) -> list[str]:
        """The row's values as SQL. Raises ConstraintViolation for what a column can't hold."""
        return ["NULL" if value is None else write(value) for value, write in zip(row, self._writers, strict=True)]

    def sought(self, row: Sequence[Value]) -> list[str]:
        """The row's values as SQL to compare columns with. Raises ConstraintViolation as `literals`."""
        texts = self.literals(row)
        for place, (_, local) in enumerate(self._columns):
            if local.character_set is not None and not local.character_set.startswith(_UNICODE):
                # A text with letters that the column can't hold would not be compared at all. It is found as another
                # one, with question marks; whoever looks at what is found sees that it is another.
                converted = f"CONVERT({texts[place]} USING {local.character_set})"
                texts[place] = f"{converted} COLLATE {local.collation}"
        return texts


# --- reading ----------------------------------------------------------------------------------------------------------


def _reading(local: LocalColumn, expression: str) -> str:
    """SQL that gives the value in a form that says all of it."""
    match local.data_type:
        case "float":
            # As it is, it would be shown with six digits.
            return f"CAST({expression} AS DOUBLE)"
        case "decimal" | "uuid" | "inet4" | "inet6":
            return f"CAST({expression} AS CHAR)"
        case _:
            return expression


def _reader(wanted: ColumnType, local: LocalColumn) -> Reader | None:
    """From what the driver gives to the portable value; None where it is that already."""
    match local.data_type:
        case "decimal":
            return _short_number if is_short(wanted) else (_free_number if wanted.precision is None else None)
        case "float":
            return shortest
        case "bit":
            bits = local.precision or 1
            return _truth if wanted.kind is TypeKind.BOOLEAN else lambda value: f"{_whole(value):0{bits}b}"
        case "time" | "datetime":
            with_zone = wanted.kind is TypeKind.TIMESTAMP_WITH_ZONE
            return _zoned if with_zone else (_trimmed if local.fraction else None)
        case "timestamp":
            return _zoned if wanted.kind is TypeKind.TIMESTAMP_WITH_ZONE else _trimmed
        case "char" | "varchar" if wanted.kind is TypeKind.UUID:
            return _dashed
        case data_type if data_type in INTEGERS and wanted.kind is TypeKind.NUMERIC and not is_short(wanted):
            return str
        case _:
            return None


def _short_number(text: str) -> Value:
    """The same value, whoever stored it: 12 for 12.00, 12.5 for 12.50, as a key must be the same bytes everywhere."""
    whole, _, fraction = text.partition(".")
    return float(text) if fraction.strip("0") else int(whole)


def _free_number(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def shortest(value: float) -> float:
    """The number of the fewest digits that a column of 32 bits takes for the same one."""
    for digits in range(6, 10):
        found = float(f"{value:.{digits}g}")
        if in_32_bits(found) == value:
            return found
    return value


def in_32_bits(value: float) -> float:
    """What a column of 32 bits makes of it. Raises OverflowError."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _whole(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _truth(value: bytes) -> int:
    return _whole(value)


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _zoned(text: str) -> str:
    return f"{_trimmed(text)}+00"


def _dashed(text: str) -> str:
    bare = text.replace("-", "").lower()
    if len(bare) != 32:
        return text
    return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"


# --- writing ----------------------------------------------------------------------------------------------------------

_ESCAPED = str.maketrans({"\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z", "'": "\\'", "\\": "\\\\"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[+-]?\d{1,65}")
_DECIMAL = re.compile(r"([+-]?\d+)(?:\.(\d*))?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"-?\d{1,3}:\d\d(?::\d\d(?:\.(\d+))?)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?)?(?: ?(Z|[+-]\d\d(?::?\d\d)?))?")
_ZEROS_AND_ONES = re.compile("[01]{1,64}")


def text_literal(text: str) -> str:
    """Raises ConstraintViolation for what isn't UTF-8."""
    if not text.isascii() and _SURROGATE.search(text):
        raise ConstraintViolation("MariaDB can't store a text that isn't UTF-8.")
    return "'" + text.translate(_ESCAPED) + "'"


def literal(value: Value) -> str:
    """A value as SQL, whatever the column."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"x'{value.hex()}'"
        case float():
            return _double(value)
        case int():
            return str(int(value))
        case _:
            return text_literal(str(value))


def _writer(wanted: ColumnType, local: LocalColumn) -> Writer:
    kind = local.data_type
    if kind in INTEGERS:
        return _integer
    if kind in BLOBS:
        return _padded(local.length or 0) if kind == "binary" else _blob
    if kind in TEXTS or kind == "uuid":
        bare = wanted.kind is TypeKind.UUID and local.length == 32
        return _bare_uuid if bare else _text
    match kind:
        case "decimal":
            return lambda value: _decimal(value, local)
        case "float":
            return _float
        case "double":
            return _double
        case "bit":
            return _bits
        case "date":
            return _date
        case "time":
            return lambda value: _time(value, local)
        case "datetime" | "timestamp":
            return lambda value: _moment(value, local)
        case _:
            return literal


def _refused(value: Value, local_type: str) -> ConstraintViolation:
    return ConstraintViolation(f"A column of the type {local_type} can't hold the value {str(value)[:60]!r}.")


def _integer(value: Value) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return str(int(value))
    raise _refused(value, "integer")  # a fraction would be rounded silently


def _decimal(value: Value, local: LocalColumn) -> str:
    text = _plain(value) if isinstance(value, float) else str(value)
    match = _DECIMAL.fullmatch(text) if isinstance(value, (int, float, str)) else None
    # More digits than there is room for behind the point would be rounded silently.
    if match is None or len((match[2] or "").rstrip("0")) > (local.scale or 0) or len(text) > 80:
        raise _refused(value, local.column_type)
    return text


def _plain(value: float) -> str:
    """All digits, no exponent."""
    return format(Decimal(repr(value)), "f")


def _float(value: Value) -> str:
    number = _as_float(value)
    try:
        return _double(in_32_bits(number))
    except OverflowError:
        raise _refused(value, "float") from None


def _double(value: Value) -> str:
    number = _as_float(value)
    if not isfinite(number):
        raise _refused(value, "double")
    text = repr(number)
    return text if "e" in text else f"{text}e0"


def _as_float(value: Value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise _refused(value, "double") from None


def _bits(value: Value) -> str:
    # As a number: a bit literal would be compared as bytes.
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str) and _ZEROS_AND_ONES.fullmatch(value):
        return str(int(value, 2))
    raise _refused(value, "bit")


def _text(value: Value) -> str:
    if isinstance(value, bytes):
        raise ConstraintViolation("A blob stands for a value that isn't binary here: it can't be stored.")
    if isinstance(value, float):
        return f"'{value!r}'"
    return text_literal(value if isinstance(value, str) else str(int(value)))


def _bare_uuid(value: Value) -> str:
    return _text(value.replace("-", "") if isinstance(value, str) else value)


def _blob(value: Value) -> str:
    return f"x'{_as_bytes(value).hex()}'"


def _padded(length: int) -> Writer:
    """`binary(n)`: as it is stored, so that it is also found."""

    def write(value: Value) -> str:
        return "x'" + _as_bytes(value).ljust(length, b"\0").hex() + "'"

    return write


def _as_bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def _date(value: Value) -> str:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise _refused(value, "date")
    return f"'{value}'"


def _time(value: Value, local: LocalColumn) -> str:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None or not _fits(match[1], local):
        raise _refused(value, local.column_type)
    return f"'{value}'"


def _fits(fraction: str | None, local: LocalColumn) -> bool:
    """Further digits would be cut silently."""
    return len((fraction or "").rstrip("0")) <= (local.fraction or 0)


def _moment(value: Value, local: LocalColumn) -> str:
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not _fits(match[3], local):
        raise _refused(value, local.column_type)
    day, clock, fraction, zone = match.groups()
    text = f"{day} {clock or '00:00:00'}"
    if zone not in (None, "Z", "+00", "-00", "+00:00", "+0000"):
        try:
            text = _in_utc(text, zone)
        except ValueError:
            raise _refused(value, local.column_type) from None
    return f"'{text}.{fraction}'" if fraction else f"'{text}'"


def _in_utc(text: str, zone: str) -> str:
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    try:
        moment = datetime.fromisoformat(text) + (offset if zone[0] == "-" else -offset)
    except OverflowError as error:
        raise ValueError from error
    return moment.isoformat(" ")
