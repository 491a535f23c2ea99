"""Local edits of shared rows that the rules don't send up: which columns, and their values before (protocol.md 7.9)."""

from __future__ import annotations

from typing import Any

from replicator.protocol.codec_plain import pack, unpack
from replicator.protocol.versions import Reshaping
from replicator.types import Value


def merge_edit(known: bytes | None, mask: int, before: tuple[Value, ...]) -> bytes:
    """Add an edit to what is kept of a row: a column's first value before any edit stays."""
    kept: dict[int, Value] = {} if known is None else dict(_pairs(known))
    columns = (index for index in range(mask.bit_length()) if mask >> index & 1)
    for index, value in zip(columns, before, strict=True):
        kept.setdefault(index, value)
    return pack([[index, kept[index]] for index in sorted(kept)])


def read_edit(blob: bytes) -> tuple[int, tuple[Value, ...]]:
    """(mask of the edited columns, their values before the first edit)."""
    pairs = _pairs(blob)
    return sum(1 << index for index, _ in pairs), tuple(value for _, value in pairs)


def _pairs(blob: bytes) -> list[tuple[int, Any]]:
    return [(index, value) for index, value in unpack(blob)]


def reshape_edit(blob: bytes, shape: Reshaping) -> bytes | None:
    """The same of a row of another version of its table; None: nothing of it is left."""
    known = dict(_pairs(blob))
    left = [[place, known[source]] for place, source in enumerate(shape.places) if source in known]
    return pack(left) if left else None
