"""What SQLite calls equal in unique and foreign keys, as Python values (`Database.comparable`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence

from replicator.databases.sqlite.columntypes import affinity, type_words
from replicator.types import ColumnDefinition, TableDefinition, Value

_FOLD = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}
_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[ \t\n\v\f\r]*", re.ASCII)
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)

Mapper = Callable[[Value], Hashable]


def comparable(definition: TableDefinition, columns: Sequence[str]) -> Callable[[Sequence[Value]], Hashable | None]:
    """See `Database.comparable`. Python agrees with SQLite on 1 == 1.0 and on '1' != 1; the rest is done here."""
    strict = "strict" in definition.options
    mappers = [_mapper(definition.columns[place], strict=strict) for place in definition.indexes_of(columns)]
    if len(mappers) == 1:
        only = mappers[0]
        return lambda values: None if values[0] is None else only(values[0])

    def several(values: Sequence[Value]) -> Hashable | None:
        if None in values:
            return None
        return tuple(mapper(value) for mapper, value in zip(mappers, values, strict=True))

    return several


def _mapper(column: ColumnDefinition, *, strict: bool) -> Mapper:
    """Affinity first, as SQLite applies the parent's to what a child holds; then the collation."""
    kind = affinity(type_words(column.type, strict=strict), strict=strict)
    fold = {"NOCASE": fold_nocase, "RTRIM": fold_rtrim}.get(column.collation or "BINARY")

    def text(value: Value) -> Hashable:
        if isinstance(value, (int, float)):
            value = number_as_text(value)
        return fold(value) if fold is not None and isinstance(value, str) else value

    def number(value: Value) -> Hashable:
        if isinstance(value, str):
            value = text_as_number(value)
        return fold(value) if fold is not None and isinstance(value, str) else value

    def anything(value: Value) -> Hashable:
        return fold(value) if fold is not None and isinstance(value, str) else value

    return {"TEXT": text, "BLOB": anything}.get(kind, number)


def fold_nocase(text: str) -> str:
    """NOCASE: A to Z only, and nothing behind a NUL but its length, as SQLite's comparison stops there."""
    head, nul, tail = text.partition("\0")
    folded = head.lower() if head.isascii() else head.translate(_FOLD)
    return f"{folded}\0{len(tail.encode('utf-8', 'surrogateescape'))}" if nul else folded


def fold_rtrim(text: str) -> str:
    return text.rstrip(" ")


def number_as_text(value: float) -> str:
    """How SQLite writes a number into a text column."""
    if isinstance(value, int):
        return str(int(value))
    if value == 0:
        return "0.0"
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    text = f"{value:.15g}"
    mantissa, exponent_mark, exponent = text.partition("e")
    return (mantissa if "." in mantissa else mantissa + ".0") + exponent_mark + exponent


def text_as_number(text: str) -> Value:
    """The number that SQLite makes of text in a numeric column; text that is none stays text."""
    if not _NUMBER.fullmatch(text):
        return text
    if _INTEGER.fullmatch(text):
        number = int(text)
        return number if -(2**63) <= number < 2**63 else float(number)
    return float(text)
