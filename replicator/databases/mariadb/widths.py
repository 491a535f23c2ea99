"""How many bytes columns take in an index and in a row of InnoDB, by their types' words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

ROW_BYTES = 65_535
"""Of all columns of a row but the long ones."""
_PAGE_BYTES = 8_126
"""What of a row has to stand in its page of 16 KB."""
_POINTER_BYTES = 12
"""At most, that a long column counts among those of a row."""
_SHORT_BYTES = 255
"""A column that varies and may be longer can stand outside of the page, but for this much:"""
_OUTSIDE_BYTES = 21
_SYSTEM_BYTES = 18
"""Of each row: its head, who wrote it, and where its former state is."""

_WORDS = re.compile(r"([a-z0-9]+)(?:\((\d+)(?:,(\d+))?\))?")
_FIXED = {
    "tinyint": 1,
    "smallint": 2,
    "mediumint": 3,
    "int": 4,
    "bigint": 8,
    "year": 1,
    "float": 4,
    "double": 8,
    "date": 3,
    "uuid": 16,
    "inet4": 4,
    "inet6": 16,
    "enum": 2,
    "set": 8,
}
_TIMES = {"time": 3, "datetime": 5, "timestamp": 4}
_LEFT_OVER = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""Bytes of so many decimal digits beside whole groups of nine, which take four."""


class Width(NamedTuple):
    bytes: int
    """At most; 0 where it is long."""
    varies: bool
    is_long: bool
    """A text or blob of any length, of which no index holds the whole."""


def width_of(words: str, character: int) -> Width:
    """`words`: a type as CREATE TABLE has it; `character`: bytes of a character of its texts."""
    match = _WORDS.match(words)
    assert match is not None, words  # noqa: S101 - words of our own
    base, first, second = match[1], int(match[2] or 0), int(match[3] or 0)
    if base in _FIXED:
        return Width(_FIXED[base], varies=False, is_long=False)
    if base in _TIMES:
        return Width(_TIMES[base] + (first + 1) // 2, varies=False, is_long=False)
    if base in ("varchar", "char"):
        return Width(first * character, varies=base == "varchar" or character > 1, is_long=False)
    if base in ("varbinary", "binary"):
        return Width(first, varies=base == "varbinary", is_long=False)
    if base == "decimal":
        return Width(_digits((first or 10) - second) + _digits(second), varies=False, is_long=False)
    if base == "bit":
        return Width((max(first, 1) + 7) // 8, varies=False, is_long=False)
    return Width(0, varies=True, is_long=True)


def _digits(count: int) -> int:
    return count // 9 * 4 + _LEFT_OVER[count % 9]


def fits_row(widths: Sequence[Width]) -> bool:
    """Whether a table can have these columns."""
    row = sum(_POINTER_BYTES if width.is_long else width.bytes + 2 * width.varies for width in widths)
    return row <= ROW_BYTES and fits_page(widths)


def fits_page(widths: Sequence[Width]) -> bool:
    page = sum(_in_page(width) for width in widths)
    return page + (len(widths) + 7) // 8 + _SYSTEM_BYTES <= _PAGE_BYTES


def _in_page(width: Width) -> int:
    if width.is_long or (width.varies and width.bytes > _SHORT_BYTES):
        return _OUTSIDE_BYTES
    return width.bytes + width.varies
