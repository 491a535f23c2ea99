"""One column of portable values as bytes and back, exactly, small and fast.

A column is split by type first (NULL, integer, real, text, bytes: a byte an element, left out when all are alike), then
each type is written in the form that suits it (`codec_numbers`, `codec_texts`). The form is chosen by content alone:
the same column gives the same bytes. A column's count is always known to the reader, so that every length is checked
against it. Further portable types get further type numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from replicator.protocol.codec_numbers import (
    pick_integers,
    pick_reals,
    put_integers,
    put_reals,
    read_integers,
    read_reals,
)
from replicator.protocol.codec_texts import pick_blobs, pick_texts, put_blobs, put_texts, read_blobs, read_texts
from replicator.protocol.tape import TapeReader, TapeWriter
from replicator.types import Value

_NULL, _INTEGER, _REAL, _TEXT, _BYTES = range(5)
_CODES: dict[type, int] = {type(None): _NULL, int: _INTEGER, float: _REAL, str: _TEXT, bytes: _BYTES}
_ALL_TYPES = 0b11111
_STRIDE = 512

_PUT: dict[int, Callable[[TapeWriter, Any], None]] = {
    _INTEGER: put_integers,
    _REAL: put_reals,
    _TEXT: put_texts,
    _BYTES: put_blobs,
}
_READ: dict[int, Callable[[TapeReader, str, int], list[Any]]] = {
    _INTEGER: read_integers,
    _REAL: read_reals,
    _TEXT: read_texts,
    _BYTES: read_blobs,
}
_PICK: dict[int, Callable[[TapeReader, str, int, Sequence[int]], list[Any]]] = {
    _INTEGER: pick_integers,
    _REAL: pick_reals,
    _TEXT: pick_texts,
    _BYTES: pick_blobs,
}


def columns_of(rows: Sequence[tuple[Value, ...]]) -> Iterator[list[Value]]:
    """The columns of rows of one width; in strides, so that the rows of a stride are still in the processor's cache."""
    columns: list[list[Value]] = [[] for _ in rows[0]]
    for start in range(0, len(rows), _STRIDE):
        for column, piece in zip(columns, zip(*rows[start : start + _STRIDE], strict=True), strict=True):
            column.extend(piece)
    yield from columns


def put_column(tape: TapeWriter, values: Sequence[Value]) -> None:
    """Write a column. Raises ValueError for a value that is not portable (a bool, a Decimal, 65 bits ...)."""
    types = set(map(type, values))
    if not types <= _CODES.keys():
        raise ValueError(f"not portable: {sorted(kind.__name__ for kind in types - _CODES.keys())}")
    present = sorted(_CODES[kind] for kind in types)
    tape.put(sum(1 << code for code in present))
    if len(present) > 1:
        stream = bytes(map(_CODES.__getitem__, map(type, values)))
        tape.put(stream)
        for code in present:
            if code != _NULL:
                _PUT[code](tape, [value for value, kind in zip(values, stream, strict=True) if kind == code])
    elif present and present[0] != _NULL:
        _PUT[present[0]](tape, values)


def read_column(tape: TapeReader, field: str, count: int) -> list[Value]:
    """Read back `count` values."""
    codes = _codes(tape, field, count)
    if len(codes) < 2:
        return [None] * count if codes in ([], [_NULL]) else _READ[codes[0]](tape, field, count)
    stream, numbers = _types(tape, field, count, codes)
    parts = {code: iter(_READ[code](tape, field, numbers[code])) for code in codes if code != _NULL}
    if codes[0] == _NULL and len(codes) == 2:  # the usual nullable column
        take = parts[codes[1]].__next__
        return [take() if code else None for code in stream]
    nothing: Iterator[Value] = iter(lambda: None, True)
    takes = {code: parts.get(code, nothing).__next__ for code in codes}
    return [takes[code]() for code in stream]


def pick_column(tape: TapeReader, field: str, count: int, places: Sequence[int]) -> list[Value]:
    """Of `count` values those at these places, ascending: none are made of the others."""
    if len(places) * 4 > count:
        values = read_column(tape, field, count)
        return [values[place] for place in places]
    codes = _codes(tape, field, count)
    if len(codes) < 2:
        return [None] * len(places) if codes in ([], [_NULL]) else _PICK[codes[0]](tape, field, count, places)
    stream, numbers = _types(tape, field, count, codes)
    found: dict[int, Value] = {}
    for code in codes:
        if code != _NULL:
            mine = [place for place in places if stream[place] == code]
            picked = _PICK[code](tape, field, numbers[code], among(stream, code, mine))
            found.update(zip(mine, picked, strict=True))
    return [found.get(place) for place in places]


def among(stream: bytes, code: int, places: Sequence[int]) -> list[int]:
    """For each of these places, ascending, how many elements before it are this one."""
    counted, before, result = 0, 0, []
    for place in places:
        counted += stream.count(code, before, place)
        before = place
        result.append(counted)
    return result


def _codes(tape: TapeReader, field: str, count: int) -> list[int]:
    """Which types occur in a column."""
    present = tape.integer(field, 0, _ALL_TYPES)
    codes = [code for code in _CODES.values() if present >> code & 1]
    if count and not codes:
        raise tape.fault(f"{field} has no values")
    return codes


def _types(tape: TapeReader, field: str, count: int, codes: list[int]) -> tuple[bytes, dict[int, int]]:
    """The type of each value, and how many there are of each."""
    stream = tape.exact(f"{field}, types", count)
    numbers = {code: stream.count(code) for code in codes}
    if sum(numbers.values()) != count:
        raise tape.fault(f"{field} has values of an unknown type")
    return stream, numbers
