"""Plain data and single rows as canonical msgpack: journal blobs, settings, bodies of control records.

Canonical: map keys in the order of their packed bytes, tuples as arrays, shortest integers; equal data gives equal
bytes. Text that is not UTF-8 (surrogate escapes, PEP 383) keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgpack

from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.tape import LARGEST, SMALLEST
from replicator.types import Image

# One packer each: both work in a single step of C code, so that threads can share them.
_pack_fast = msgpack.Packer().pack
_pack_escaped = msgpack.Packer(unicode_errors="surrogateescape").pack

_FAULTS = (ValueError, TypeError, OverflowError, msgpack.UnpackException)


def pack(value: Any) -> bytes:
    """Canonical bytes of None, bool, int, float, str, bytes and lists, tuples and dicts of them.

    Raises ValueError for anything else, for integers beyond 64 bits and for deeper nesting than `bounds.depth`.
    """
    return _pack_any(_canonical(value, BOUNDS.depth))


def unpack(data: bytes, longest: int = BOUNDS.blob) -> Any:
    """The data back, tuples as lists. Raises PeerFault for whatever `pack` would not have written."""
    if len(data) > longest:
        raise PeerFault(f"The plain data is damaged: it is longer than {longest} bytes.")
    try:
        value = msgpack.unpackb(
            data, unicode_errors="surrogateescape", strict_map_key=False, ext_hook=_no_extension, timestamp=0
        )
        _containers(value, BOUNDS.depth)
        return value
    except _FAULTS as error:
        raise PeerFault("The plain data is damaged: it can't be unpacked.") from error


def _canonical(value: Any, depth: int) -> Any:
    """The value with its maps in canonical order; ValueError where it isn't plain."""
    kind = type(value)
    if kind is list or kind is tuple:
        if not depth:
            raise ValueError("nested too deeply")
        return [_canonical(item, depth - 1) for item in value]
    if kind is dict:
        if not depth:
            raise ValueError("nested too deeply")
        if not all(type(key) in (str, int, bytes) for key in value):
            raise ValueError("a map key is neither text, integer nor bytes")
        return {key: _canonical(value[key], depth - 1) for key in sorted(value, key=_pack_any)}
    _check_scalar(value)
    return value


def _containers(value: Any, depth: int) -> int:
    """How many lists and maps there are in plain data; ValueError where it isn't plain. Copies nothing."""
    kind = type(value)
    if kind is list:
        if not depth:
            raise ValueError("nested too deeply")
        return 1 + sum(_containers(item, depth - 1) for item in value)
    if kind is dict:
        if not depth:
            raise ValueError("nested too deeply")
        if not all(type(key) in (str, int, bytes) for key in value):
            raise ValueError("a map key is neither text, integer nor bytes")
        return 1 + sum(_containers(item, depth - 1) for item in value.values())
    _check_scalar(value)
    return 0


def _check_scalar(value: Any) -> None:
    kind = type(value)
    if kind is int:
        if not SMALLEST <= value <= LARGEST:
            raise ValueError("an integer has more than 64 bits")
    elif value is not None and kind not in (str, bytes, float, bool):
        raise ValueError(f"{kind.__name__} is not plain data")


def count_containers(value: Any) -> int:
    """How many lists and maps there are in what `unpack` gave."""
    return _containers(value, BOUNDS.depth)


def _pack_any(value: Any) -> bytes:
    try:
        return cast(bytes, _pack_fast(value))
    except UnicodeEncodeError:
        return cast(bytes, _pack_escaped(value))


def _no_extension(_code: int, _data: bytes) -> object:
    raise ValueError("extension types are not part of this format version")


def pack_row(image: Image) -> bytes:
    """A row as a msgpack array: fast, for the journal. That its values are portable is checked when they travel."""
    try:
        return cast(bytes, _pack_fast(image))
    except UnicodeEncodeError:
        return cast(bytes, _pack_escaped(image))


def unpack_rows(rows: Sequence[bytes]) -> list[Image]:
    """Many rows of `pack_row` at once: set behind one array header and unpacked in a single step. Our own data."""
    count = len(rows)
    if count < 16:
        head = bytes((0x90 | count,))
    elif count < 2**16:
        head = b"\xdc" + count.to_bytes(2, "big")
    else:
        head = b"\xdd" + count.to_bytes(4, "big")
    joined = b"".join((head, *rows))
    return list(msgpack.unpackb(joined, use_list=False, unicode_errors="surrogateescape", strict_map_key=False))
