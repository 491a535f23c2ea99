"""One column of portable values as bytes and back, exactly, small and fast.

A column is split by type first (NULL, integer, real, text, bytes: a byte an element, left out when all are alike), then
each type is written in the form that suits it:

* integers: little-endian machine integers of the least width, as differences where that narrows them;
* reals: as whole numbers of units, hundredths or ten-thousandths when every value is exactly that (prices are), else
  as IEEE doubles; -0.0, infinities and NaN come through bit for bit;
* text: a dictionary when few are distinct, byte planes when all have the same width (dates, timestamps), else joined
  by NUL; text that itself holds NUL by lengths. Bytes that are not UTF-8 are surrogate escapes (PEP 383);
* bytes: lengths, then everything joined.

Wide items are stored as *planes*: first byte of every item, then the second of every item and so on, as Blosc's
shuffle does, so that zstd sees bytes of one kind beside each other. All of it is chosen by content alone: the same
column gives the same bytes. A column's count is always known to the reader, so every length is checked against it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice
from operator import sub
from typing import Any

from replicator.protocol.tape import LARGEST, SMALLEST, TapeReader, TapeWriter
from replicator.types import Value

_NULL, _INTEGER, _REAL, _TEXT, _BYTES = range(5)
_CODES: dict[type, int] = {type(None): _NULL, int: _INTEGER, float: _REAL, str: _TEXT, bytes: _BYTES}
_ALL_TYPES = 0b11111

_UNSIGNED = ((2**8 - 1, "B"), (2**16 - 1, "H"), (2**32 - 1, "I"), (LARGEST, "q"))
_SIGNED = ((2**7 - 1, "b"), (2**15 - 1, "h"), (2**31 - 1, "i"), (LARGEST, "q"))
_TYPECODES = "BHIbhiq"
_WIDTHS = {"B": 1, "H": 2, "I": 4, "b": 1, "h": 2, "i": 4, "q": 8}
_DIFFERENCES = 8
"""Added to the code of an integer layout: the items are differences, the first value stands before them."""

_SCALES = (1, 100, 10_000)
_PLAIN_REALS = len(_SCALES)

_JOINED, _SIZED, _FIXED, _DICTIONARY = range(4)
_WIDEST_FIXED = 64
_SAMPLE = 64


# --- columns --------------------------------------------------------------------------------------------------------


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
    present = tape.integer(field, 0, _ALL_TYPES)
    codes = [code for code in _CODES.values() if present >> code & 1]
    if not codes:
        if count:
            raise tape.fault(f"{field} has no values")
        return []
    if len(codes) == 1:
        return [None] * count if codes[0] == _NULL else _READ[codes[0]](tape, field, count)
    stream = tape.exact(f"{field}, types", count)
    numbers = {code: stream.count(code) for code in codes}
    if sum(numbers.values()) != count:
        raise tape.fault(f"{field} has values of an unknown type")
    parts = {code: iter(_READ[code](tape, field, numbers[code])) for code in codes if code != _NULL}
    if codes[0] == _NULL and len(codes) == 2:  # the usual nullable column
        take = parts[codes[1]].__next__
        return [take() if code else None for code in stream]
    nothing: Iterator[Value] = iter(lambda: None, True)
    takes = {code: parts.get(code, nothing).__next__ for code in codes}
    return [takes[code]() for code in stream]


# --- integers -------------------------------------------------------------------------------------------------------


def put_integers(tape: TapeWriter, values: Sequence[int]) -> None:
    """Write integers of signed 64 bits; OverflowError becomes ValueError."""
    if not values:
        return
    low, high = min(values), max(values)
    if low < SMALLEST or high > LARGEST:
        raise ValueError("an integer has more than 64 bits")
    if len(values) > 2 and high - low < LARGEST:
        differences = list(map(sub, islice(values, 1, None), values))
        least, most = min(differences), max(differences)
        # Differences pay where they vary clearly less than the values do: counters, times, sorted keys.
        if most - least < (high - low) // 4:
            code = _typecode(least, most)
            tape.put(_TYPECODES.index(code) + _DIFFERENCES, values[0], _items(code, differences))
            return
    code = _typecode(low, high)
    tape.put(_TYPECODES.index(code), _items(code, values))


def read_integers(tape: TapeReader, field: str, count: int, low: int = SMALLEST, high: int = LARGEST) -> list[int]:
    """Read `count` integers, all from `low` to `high`."""
    if not count:
        return []
    layout = tape.integer(f"{field}, layout", 0, _DIFFERENCES + len(_TYPECODES) - 1)
    if layout % _DIFFERENCES >= len(_TYPECODES) or (count < 2 and layout >= _DIFFERENCES):
        raise tape.fault(f"{field} has an unknown layout")
    code = _TYPECODES[layout % _DIFFERENCES]
    if layout >= _DIFFERENCES:
        first = tape.integer(f"{field}, first", SMALLEST, LARGEST)
        differences = _array(code, tape.exact(field, (count - 1) * _WIDTHS[code]))
        values = list(accumulate(differences, initial=first))
    else:
        values = _array(code, tape.exact(field, count * _WIDTHS[code])).tolist()
        if high == LARGEST and (low == SMALLEST or (low == 0 and code.isupper())):
            return values  # the layout itself keeps them in range
    if min(values) < low or max(values) > high:
        raise tape.fault(f"{field} is out of range")
    return values


def _typecode(low: int, high: int) -> str:
    if low >= 0:
        return next(code for limit, code in _UNSIGNED if high <= limit)
    return next(code for limit, code in _SIGNED if high <= limit and low >= -limit - 1)


def _items(code: str, values: Sequence[int] | Sequence[float]) -> bytes:
    items = array(code, values)
    if sys.byteorder == "big":
        items.byteswap()
    return _planes(items.tobytes(), items.itemsize)


def _array(code: str, data: bytes) -> array[Any]:
    items = array(code)
    items.frombytes(_interleaved(data, items.itemsize))
    if sys.byteorder == "big":
        items.byteswap()
    return items


def _planes(data: bytes, width: int) -> bytes:
    return b"".join(data[place::width] for place in range(width)) if width > 1 else data


def _interleaved(planes: bytes, width: int) -> bytes | bytearray:
    if width == 1:
        return planes
    data = bytearray(len(planes))
    count = len(planes) // width
    for place in range(width):
        data[place::width] = planes[place * count : (place + 1) * count]
    return data


# --- reals ----------------------------------------------------------------------------------------------------------


def _put_reals(tape: TapeWriter, values: Sequence[float]) -> None:
    sample = values[:_SAMPLE]
    for index, scale in enumerate(_SCALES):
        if _scaled(sample, scale) is not None:
            whole = _scaled(values, scale)
            if whole is not None:
                tape.put(index)
                put_integers(tape, whole)
                return
    tape.put(_PLAIN_REALS, _items("d", values))


def _scaled(values: Sequence[float], scale: int) -> list[int] | None:
    """The values as whole numbers of 1/scale, if dividing gives back exactly the same bits."""
    try:
        whole = [round(value * scale) for value in values]
        back = array("d", [number / scale for number in whole])
    except (OverflowError, ValueError):  # infinities, NaN
        return None
    if back.tobytes() != array("d", values).tobytes() or min(whole) < SMALLEST or max(whole) > LARGEST:
        return None
    return whole


def _read_reals(tape: TapeReader, field: str, count: int) -> list[float]:
    layout = tape.integer(f"{field}, scale", 0, _PLAIN_REALS)
    if layout == _PLAIN_REALS:
        return _array("d", tape.exact(field, count * 8)).tolist()
    scale = _SCALES[layout]
    return [number / scale for number in read_integers(tape, field, count)]


# --- text and bytes -------------------------------------------------------------------------------------------------


def put_texts(tape: TapeWriter, values: Sequence[str]) -> None:
    """Write text, that which is not UTF-8 included. ValueError for a surrogate that no byte stands behind."""
    if not values:
        return
    count = len(values)
    if count >= _SAMPLE // 8:
        distinct = _few_distinct(values)
        if distinct is not None:
            places = {value: place for place, value in enumerate(distinct)}
            tape.put(_DICTIONARY, len(distinct))
            put_integers(tape, list(map(places.__getitem__, values)))
            _put_joined(tape, distinct)
            return
        width = len(values[0])
        if 1 < width <= _WIDEST_FIXED and len(values[-1]) == width and set(map(len, values)) == {width}:
            joined = "".join(values)
            if joined.isascii():
                tape.put(_FIXED, width, _planes(joined.encode(), width))
                return
    _put_joined(tape, values)


def _few_distinct(values: Sequence[str]) -> list[str] | None:
    """The distinct values in order of appearance, if each stands for at least four; a sample decides at once."""
    sample = values[: _SAMPLE * 16]
    if len(set(sample)) * 2 > len(sample):
        return None
    distinct = list(dict.fromkeys(values))
    return distinct if len(distinct) * 4 <= len(values) else None


def _put_joined(tape: TapeWriter, values: Sequence[str]) -> None:
    joined = "\0".join(values)
    if joined.count("\0") == len(values) - 1:
        tape.put(_JOINED, _encoded(joined))
    else:
        tape.put(_SIZED)
        put_blobs(tape, [_encoded(value) for value in values])


def read_texts(tape: TapeReader, field: str, count: int) -> list[str]:
    if not count:
        return []
    layout = tape.integer(f"{field}, layout", 0, _DICTIONARY)
    if layout == _DICTIONARY:
        number = tape.integer(f"{field}, distinct values", 1, count)
        places = read_integers(tape, field, count, 0, number - 1)
        words = _read_spelled(tape, field, tape.integer(f"{field}, layout", _JOINED, _SIZED), number)
        return list(map(words.__getitem__, places))
    if layout == _FIXED:
        width = tape.integer(f"{field}, width", 1, _WIDEST_FIXED)
        planes = tape.exact(field, count * width)
        if not planes.isascii():
            raise tape.fault(f"{field} is not ASCII")
        joined = _interleaved(planes, width).decode("ascii")
        return [joined[start : start + width] for start in range(0, len(joined), width)]
    return _read_spelled(tape, field, layout, count)


def _read_spelled(tape: TapeReader, field: str, layout: int, count: int) -> list[str]:
    if layout == _SIZED:
        return [_decoded(value) for value in read_blobs(tape, field, count)]
    joined = tape.blob(field, LARGEST)
    if joined.count(0) != count - 1:
        raise tape.fault(f"{field} has another number of values")
    return _decoded(joined).split("\0")


def put_blobs(tape: TapeWriter, values: Sequence[bytes]) -> None:
    put_integers(tape, list(map(len, values)))
    if values:
        tape.put(b"".join(values))


def read_blobs(tape: TapeReader, field: str, count: int) -> list[bytes]:
    if not count:
        return []
    lengths = read_integers(tape, f"{field}, lengths", count, 0)
    ends = list(accumulate(lengths))
    joined = tape.exact(field, ends[-1])
    return [joined[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


_PUT: dict[int, Callable[[TapeWriter, Any], None]] = {
    _INTEGER: put_integers,
    _REAL: _put_reals,
    _TEXT: put_texts,
    _BYTES: put_blobs,
}
_READ: dict[int, Callable[[TapeReader, str, int], list[Any]]] = {
    _INTEGER: read_integers,
    _REAL: _read_reals,
    _TEXT: read_texts,
    _BYTES: read_blobs,
}
