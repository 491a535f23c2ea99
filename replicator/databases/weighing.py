"""How much rows weigh: their number says nothing of the memory they take, when one may hold a photograph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replicator.types import Value

PAGE_BYTES = 4_000_000
"""Of rows that are read at a time, about: one that is larger by itself comes alone with a few before it."""


def weight(rows: Iterable[Sequence[Value]]) -> int:
    """Bytes of their texts (a character counts as one) and blobs; what else is in them is small and counted nowhere."""
    return sum(len(value) for row in rows for value in row if isinstance(value, (str, bytes)))
