"""How rows are read from columns and written to them: select lists, what comes of them, and literals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from replicator.databases.mariadb.columntypes import BLOBS, INTEGERS, TEXTS
from replicator.databases.mariadb.forms import Pair, decimal_reader, in_32_bits, shortest, stored
from replicator.databases.portable import takes_numbers, with_dashes, without_dashes
from replicator.errors import ConstraintViolation
from replicator.types import TypeKind, Value

Row = tuple[Any, ...]
Reader = Callable[[Any], Value]
Writer = Callable[[Value], str]
_UNICODE = ("utf", "ucs2")
_LARGEST = 2**63


class Carrier:
    """Reads and writes rows of some columns."""

    def __init__(self, columns: Sequence[Pair]) -> None:
        self._columns = columns
        self._readers = [(place, read) for place, pair in enumerate(columns) if (read := _reader(pair)) is not None]
        self._stored = [stored(pair) for pair in columns]
        self._writers = [_writer(pair) for pair in columns]

    def selected(self, expressions: Sequence[str]) -> str:
        """SQL for a select list, of these expressions for the columns' values."""
        pairs = zip(self._columns, expressions, strict=True)
        return ", ".join(_reading(pair.local.data_type, expression) for pair, expression in pairs)

    def read(self, rows: Iterable[Row]) -> list[Row]:
        """Portable rows of what the driver gives for `selected`."""
        columns: list[Iterable[Value]] = list(zip(*rows, strict=True))
        for place, read in self._readers if columns else ():
            columns[place] = [None if value is None else read(value) for value in columns[place]]
        return list(zip(*columns, strict=True))

    def stored(self, row: Sequence[Value]) -> Row:
        """The row as it would be read again. Raises ConstraintViolation for what a column can't hold."""
        return tuple(None if value is None else keep(value) for value, keep in zip(row, self._stored, strict=True))

    def literals(self, row: Sequence[Value]) -> list[str]:
        """The row's values as SQL. Raises ConstraintViolation for what a column can't hold."""
        kept = self.stored(row)
        return ["NULL" if value is None else write(value) for value, write in zip(kept, self._writers, strict=True)]

    def listed(self, rows: Sequence[Sequence[Value]]) -> list[str]:
        """Rows as `(1, 'a')`, a column at a time. Raises ConstraintViolation for what a column can't hold."""
        texts = [
            ["NULL" if value is None else write(keep(value)) for value in values]
            for values, keep, write in zip(zip(*rows, strict=True), self._stored, self._writers, strict=True)
        ]
        return [f"({', '.join(row)})" for row in zip(*texts, strict=True)]

    def sought(self, row: Sequence[Value]) -> list[str]:
        """The row's values as SQL to compare columns with. Raises ConstraintViolation as `literals`."""
        texts = self.literals(row)
        for place, pair in enumerate(self._columns):
            character_set = pair.local.character_set
            if character_set is not None and not character_set.startswith(_UNICODE):
                # A text with letters that the column can't hold would not be compared at all. It is found as another
                # one, with question marks; whoever looks at what is found sees that it is another.
                texts[place] = f"CONVERT({texts[place]} USING {character_set}) COLLATE {pair.local.collation}"
        return texts


# --- reading ----------------------------------------------------------------------------------------------------------


def _reading(data_type: str, expression: str) -> str:
    """SQL that gives the value in a form that says all of it."""
    match data_type:
        case "float":
            # As it is, it would be shown with six digits.
            return f"CAST({expression} AS DOUBLE)"
        case "decimal" | "uuid" | "inet4" | "inet6":
            return f"CAST({expression} AS CHAR)"
        case _:
            return expression


def _reader(pair: Pair) -> Reader | None:
    """From what the driver gives to the portable value; None where it is that already."""
    kind, local = pair.type, pair.local
    with_zone = kind.kind is TypeKind.TIMESTAMP_WITH_ZONE
    match local.data_type:
        case "decimal":
            return decimal_reader(pair)
        case "float":
            return shortest
        case "bit":
            bits = local.precision or 1
            return _whole if kind.kind is not TypeKind.TEXT else lambda value: f"{_whole(value):0{bits}b}"
        case "time" | "datetime" | "timestamp":
            tail = "+00" if with_zone else ""
            if not local.fraction:
                return (lambda text: text + tail) if with_zone else None
            return lambda text: _trimmed(text) + tail
        case "uuid" if pair.has_digits_only:
            return lambda text: text.replace("-", "")
        case "char" | "varchar" if pair.has_digits_only:
            return with_dashes
        case data_type if data_type in INTEGERS and kind.kind is TypeKind.NUMERIC and not takes_numbers(kind):
            return str
        case "bigint" if local.unsigned:
            return lambda value: value if value < _LARGEST else str(value)
        case _:
            return None


def _whole(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- writing ----------------------------------------------------------------------------------------------------------

_ESCAPED = str.maketrans({"\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z", "'": "\\'", "\\": "\\\\"})
_SURROGATE = re.compile("[\ud800-\udfff]")


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


def _writer(pair: Pair) -> Writer:
    """From a value in the form that is stored (forms.py) to SQL that is compared as the column's type."""
    data_type = pair.local.data_type
    if data_type in INTEGERS:
        return str
    if data_type in BLOBS:
        return lambda value: f"x'{value.hex()}'"
    match data_type:
        case "decimal":
            # Without quotes: a text would be compared as a double.
            return lambda value: str(value) if not isinstance(value, float) else _plain(value)
        case "float":
            return lambda value: _double(in_32_bits(value))
        case "double":
            return _double
        case "bit":
            # As a number: a bit literal would be compared as bytes.
            return lambda value: str(int(value, 2)) if isinstance(value, str) else str(value)
        case "datetime" | "timestamp":
            return lambda value: f"'{value.removesuffix('+00')}'"
        case "date" | "time":
            return lambda value: f"'{value}'"
        case "char" | "varchar" if pair.has_digits_only:
            return lambda value: text_literal(without_dashes(value))
        case _ if data_type in TEXTS or data_type == "uuid":
            return text_literal
        case _:
            return literal


def _plain(value: float) -> str:
    """All digits, no exponent."""
    return format(Decimal(repr(value)), "f")


def _double(value: float) -> str:
    text = repr(value)
    return text if "e" in text else f"{text}e0"
