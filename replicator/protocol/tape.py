"""A tape: a flat sequence of canonical msgpack scalars (None, integer, text, bytes), without maps and arrays.

Everything that travels is written to a tape: fields in a fixed order, lists as a count and then their elements. A flat
sequence has one encoding only, needs no key names, and gives hostile input no way to nest, to declare a huge array or
to make a few bytes unfold into many objects: what reading costs is bound by the bytes that really are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgpack

from replicator.errors import PeerFault

SMALLEST = -(2**63)
LARGEST = 2**63 - 1
COUNT = 2**53
"""Upper bound of sizes, counters and sequence numbers: exact in every language's numbers."""


class TapeWriter:
    """Collects scalars; `bytes()` gives the tape."""

    __slots__ = ("_pack", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._pack = cast(Callable[[object], bytes], msgpack.Packer().pack)

    def put(self, *scalars: int | str | bytes | None) -> None:
        """Append scalars. Integers lie within signed 64 bits, text is valid Unicode: the callers see to it."""
        self._pieces.extend(map(self._pack, scalars))

    def put_pair(self, pair: tuple[int, int]) -> None:
        self.put(*pair)

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)


class TapeReader:
    """Reads scalars back, each with its type and range. Every fault is a PeerFault that names `what` is damaged."""

    __slots__ = ("_length", "_unpacker", "what")

    def __init__(self, data: bytes, what: str) -> None:
        self.what = what
        self._length = len(data)
        # Lengths of zero make msgpack refuse every container before it allocates for it.
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=len(data) or 1, max_array_len=0, max_map_len=0, max_ext_len=0, ext_hook=_no_extension
        )
        self._unpacker.feed(data)

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return int(self._unpacker.tell())

    def fault(self, field: str) -> PeerFault:
        return PeerFault(f"The {self.what} is damaged: {field}.")

    def _next(self, field: str) -> object:
        try:
            return cast(object, self._unpacker.unpack())
        except (ValueError, msgpack.UnpackException) as error:
            raise self.fault(f"{field} is missing or can't be read") from error

    def integer(self, field: str, low: int = 0, high: int = COUNT) -> int:
        value = self._next(field)
        if type(value) is not int or not low <= value <= high:
            raise self.fault(f"{field} is not an integer from {low} to {high}")
        return value

    def integer_or_none(self, field: str, low: int = 0, high: int = COUNT) -> int | None:
        value = self._next(field)
        if value is not None and (type(value) is not int or not low <= value <= high):
            raise self.fault(f"{field} is not an integer from {low} to {high}")
        return value

    def pair(self, field: str) -> tuple[int, int]:
        """A position or an epoch."""
        return self.integer(field), self.integer(field)

    def text(self, field: str, longest: int) -> str:
        value = self._next(field)
        if type(value) is not str or len(value) > longest:
            raise self.fault(f"{field} is not a text of at most {longest} characters")
        return value

    def text_or_none(self, field: str, longest: int) -> str | None:
        value = self._next(field)
        if value is not None and (type(value) is not str or len(value) > longest):
            raise self.fault(f"{field} is not a text of at most {longest} characters")
        return value

    def blob(self, field: str, longest: int) -> bytes:
        value = self._next(field)
        if type(value) is not bytes or len(value) > longest:
            raise self.fault(f"{field} is not a string of at most {longest} bytes")
        return value

    def exact(self, field: str, length: int) -> bytes:
        """Bytes of a length that is known already."""
        value = self._next(field)
        if type(value) is not bytes or len(value) != length:
            raise self.fault(f"{field} is not a string of {length} bytes")
        return value

    def exact_or_none(self, field: str, length: int) -> bytes | None:
        value = self._next(field)
        if value is not None and (type(value) is not bytes or len(value) != length):
            raise self.fault(f"{field} is not a string of {length} bytes")
        return value

    def end(self) -> None:
        """Nothing may follow."""
        if self._unpacker.tell() != self._length:
            raise self.fault("more follows after its end")


def _no_extension(_code: int, _data: bytes) -> object:
    raise ValueError("extension types are not part of this format version")
