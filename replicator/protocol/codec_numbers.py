"""Integers and reals of a column as bytes and back, exactly.

* integers: little-endian machine integers of the least width, as differences where that narrows them;
* reals: as whole numbers of units, hundredths or ten-thousandths when every value is exactly that (prices are), else
  as IEEE doubles; -0.0, infinities and NaN come through bit for bit.

Wide items are stored as *planes*: first byte of every item, then the second of every item and so on, as Blosc's
shuffle does, so that zstd sees bytes of one kind beside each other.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, islice
from operator import sub
from struct import unpack
from typing import Any

from replicator.protocol.tape import LARGEST, SMALLEST, TapeReader, TapeWriter

_UNSIGNED = ((2**8 - 1, "B"), (2**16 - 1, "H"), (2**32 - 1, "I"), (LARGEST, "q"))
_SIGNED = ((2**7 - 1, "b"), (2**15 - 1, "h"), (2**31 - 1, "i"), (LARGEST, "q"))
_TYPECODES = "BHIbhiq"
_WIDTHS = {"B": 1, "H": 2, "I": 4, "b": 1, "h": 2, "i": 4, "q": 8}
_DIFFERENCES = 8
"""Added to the code of an integer layout: the items are differences, the first value stands before them."""

_SCALES = (1, 100, 10_000)
_PLAIN_REALS = len(_SCALES)
_SAMPLE = 64


def put_integers(tape: TapeWriter, values: Sequence[int]) -> None:
    """Write integers; ValueError for one beyond signed 64 bits."""
    if not values:
        return
    low, high = min(values), max(values)
    if low < SMALLEST or high > LARGEST:
        raise ValueError("an integer has more than 64 bits")
    if high - low < LARGEST and _narrowed(values[:_SAMPLE]) and (layout := _narrowed(values)):
        code, differences = layout
        tape.put(_TYPECODES.index(code) + _DIFFERENCES, values[0], _items(code, differences))
    else:
        code = _typecode(low, high)
        tape.put(_TYPECODES.index(code), _items(code, values))


def _narrowed(values: Sequence[int]) -> tuple[str, list[int]] | None:
    """The differences and their typecode, where they vary clearly less than the values do: counters, times, keys."""
    if len(values) < 3:
        return None
    differences = list(map(sub, islice(values, 1, None), values))
    least, most = min(differences), max(differences)
    if most - least < (max(values) - min(values)) // 4:
        return _typecode(least, most), differences
    return None


def read_integers(tape: TapeReader, field: str, count: int, low: int = SMALLEST, high: int = LARGEST) -> list[int]:
    """Read `count` integers, all from `low` to `high`."""
    if not count:
        return []
    code, first = _layout(tape, field, count)
    if first is not None:
        differences = _array(code, tape.exact(field, (count - 1) * _WIDTHS[code]))
        values = list(accumulate(differences, initial=first))
    else:
        values = _array(code, tape.exact(field, count * _WIDTHS[code])).tolist()
        if high == LARGEST and (low == SMALLEST or (low == 0 and code.isupper())):
            return values  # the layout itself keeps them in range
    if min(values) < low or max(values) > high:
        raise tape.fault(f"{field} is out of range")
    return values


def _layout(tape: TapeReader, field: str, count: int) -> tuple[str, int | None]:
    """The items' typecode, and the first value if they are differences."""
    layout = tape.integer(f"{field}, layout", 0, _DIFFERENCES + len(_TYPECODES) - 1)
    if layout % _DIFFERENCES >= len(_TYPECODES) or (count < 2 and layout >= _DIFFERENCES):
        raise tape.fault(f"{field} has an unknown layout")
    first = tape.integer(f"{field}, first", SMALLEST, LARGEST) if layout >= _DIFFERENCES else None
    return _TYPECODES[layout % _DIFFERENCES], first


def pick_integers(tape: TapeReader, field: str, count: int, places: Sequence[int]) -> list[int]:
    """Of `count` integers those at these places, ascending."""
    if not count:
        return []
    code, first = _layout(tape, field, count)
    data = tape.exact(field, (count - (first is not None)) * _WIDTHS[code])
    if not places:
        return []
    if first is not None:
        values = list(accumulate(_array(code, data), initial=first))
        return [values[place] for place in places]
    return [int.from_bytes(data[place::count], "little", signed=code.islower()) for place in places]


def _typecode(low: int, high: int) -> str:
    if low >= 0:
        return next(code for limit, code in _UNSIGNED if high <= limit)
    return next(code for limit, code in _SIGNED if high <= limit and low >= -limit - 1)


def _items(code: str, values: Sequence[int] | Sequence[float]) -> bytes:
    items = array(code, values)
    if sys.byteorder == "big":
        items.byteswap()
    return planes(items.tobytes(), items.itemsize)


def _array(code: str, data: bytes) -> array[Any]:
    items = array(code)
    items.frombytes(interleaved(data, items.itemsize))
    if sys.byteorder == "big":
        items.byteswap()
    return items


def planes(data: bytes, width: int) -> bytes:
    """Items of that width: the first byte of each, then the second of each, and so on."""
    return b"".join(data[place::width] for place in range(width)) if width > 1 else data


def interleaved(data: bytes, width: int) -> bytes | bytearray:
    """The items from their planes."""
    if width == 1:
        return data
    items = bytearray(len(data))
    count = len(data) // width
    for place in range(width):
        items[place::width] = data[place * count : (place + 1) * count]
    return items


def put_places(tape: TapeWriter, places: Sequence[int], number: int) -> None:
    """Write places in a list of `number` elements; `read_places` reads them back."""
    tape.put(_items(_typecode(0, number - 1), places))


def read_places(tape: TapeReader, field: str, count: int, number: int) -> Sequence[int]:
    code = _typecode(0, number - 1)
    data = tape.exact(field, count * _WIDTHS[code])
    places: Sequence[int] = data if code == "B" else _array(code, data)
    if count and max(places) >= number:
        raise tape.fault(f"{field} names a value that isn't there")
    return places


def put_reals(tape: TapeWriter, values: Sequence[float]) -> None:
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


def read_reals(tape: TapeReader, field: str, count: int) -> list[float]:
    layout = tape.integer(f"{field}, scale", 0, _PLAIN_REALS)
    if layout == _PLAIN_REALS:
        return _array("d", tape.exact(field, count * 8)).tolist()
    scale = _SCALES[layout]
    return [number / scale for number in read_integers(tape, field, count)]


def pick_reals(tape: TapeReader, field: str, count: int, places: Sequence[int]) -> list[float]:
    """Of `count` reals those at these places."""
    layout = tape.integer(f"{field}, scale", 0, _PLAIN_REALS)
    if layout == _PLAIN_REALS:
        data = tape.exact(field, count * 8)
        return [unpack("<d", data[place::count])[0] for place in places]
    scale = _SCALES[layout]
    return [number / scale for number in pick_integers(tape, field, count, places)]
