"""Text and byte strings of a column as bytes and back, exactly.

* text: a dictionary when few are distinct, byte planes when all have the same width (dates, timestamps), else joined
  by NUL; text that itself holds NUL by lengths. Bytes that are not UTF-8 are surrogate escapes (PEP 383);
* byte strings: lengths, then everything joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from replicator.protocol.codec_numbers import (
    interleaved,
    planes,
    put_integers,
    put_places,
    read_integers,
    read_places,
)
from replicator.protocol.tape import LARGEST, TapeReader, TapeWriter

_JOINED, _SIZED, _FIXED, _DICTIONARY = range(4)
_WIDEST_FIXED = 64
_FEWEST = 8
"""Below this many values neither a dictionary nor planes pay."""
_SAMPLE = 1024


def put_texts(tape: TapeWriter, values: Sequence[str]) -> None:
    """Write text, that which is not UTF-8 included. ValueError for a surrogate that no byte stands behind."""
    if not values:
        return
    count = len(values)
    if count >= _FEWEST:
        found = _few_distinct(values)
        if found is not None:
            distinct, places = found
            tape.put(_DICTIONARY, len(distinct))
            put_places(tape, places, len(distinct))
            _put_joined(tape, distinct)
            return
        width = len(values[0])
        if 1 < width <= _WIDEST_FIXED and len(values[-1]) == width and set(map(len, values)) == {width}:
            joined = "".join(values)
            if joined.isascii():
                tape.put(_FIXED, width, planes(joined.encode(), width))
                return
    _put_joined(tape, values)


class _Places(dict[str, int]):
    """Numbers its keys as they are first asked for."""

    def __missing__(self, key: str) -> int:
        place = self[key] = len(self)
        return place


def _few_distinct(values: Sequence[str]) -> tuple[list[str], list[int]] | None:
    """The distinct values in order of appearance and the place of each value among them.

    None where a dictionary would not make the column much smaller; a sample decides, because counting costs more than
    the plain layout does.
    """
    sample = values[:_SAMPLE]
    if len(set(sample)) * 8 > len(sample):
        return None
    places = _Places()
    found = list(map(places.__getitem__, values))
    return list(places), found


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
        places = read_places(tape, field, count, number)
        words = _read_spelled(tape, field, tape.integer(f"{field}, layout", _JOINED, _SIZED), number)
        return list(map(words.__getitem__, places))
    if layout == _FIXED:
        width = tape.integer(f"{field}, width", 1, _WIDEST_FIXED)
        data = tape.exact(field, count * width)
        if not data.isascii():
            raise tape.fault(f"{field} is not ASCII")
        joined = interleaved(data, width).decode("ascii")
        return [joined[start : start + width] for start in range(0, len(joined), width)]
    return _read_spelled(tape, field, layout, count)


def pick_texts(tape: TapeReader, field: str, count: int, places: Sequence[int]) -> list[str]:
    """Of `count` texts those at these places, ascending."""
    if not count:
        return []
    layout = tape.integer(f"{field}, layout", 0, _DICTIONARY)
    if layout == _DICTIONARY:
        number = tape.integer(f"{field}, distinct values", 1, count)
        which = read_places(tape, field, count, number)
        words = _read_spelled(tape, field, tape.integer(f"{field}, layout", _JOINED, _SIZED), number)
        return [words[which[place]] for place in places]
    if layout == _FIXED:
        data = tape.exact(field, count * tape.integer(f"{field}, width", 1, _WIDEST_FIXED))
        return [data[place::count].decode("ascii") for place in places]
    if layout == _SIZED:
        return [_decoded(value) for value in pick_blobs(tape, field, count, places)]
    joined = tape.blob(field, LARGEST)
    if not places:
        return []
    values = joined.split(b"\0")
    if len(values) != count:
        raise tape.fault(f"{field} has another number of values")
    return [_decoded(values[place]) for place in places]


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


def pick_blobs(tape: TapeReader, field: str, count: int, places: Sequence[int]) -> list[bytes]:
    """Of `count` byte strings those at these places, ascending."""
    if not count:
        return []
    lengths = read_integers(tape, f"{field}, lengths", count, 0)
    ends = list(accumulate(lengths))
    joined = tape.exact(field, ends[-1])
    return [joined[ends[place] - lengths[place] : ends[place]] for place in places]


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
