"""What became of single numbers, as it is kept for good: which came to be used, and whose rows went (protocol.md 8.4).

Pure. The journal is purged and deleted rows are forgotten; this is not. Numbers that one node drew one after the other
are one row of the record, with the time of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import accumulate, repeat
from operator import sub
from typing import Any, NamedTuple

from replicator.protocol.codec_plain import pack, unpack
from replicator.types import Key

LONGEST = 1000
"""Numbers in one span: whoever reads the record by number need not look further back."""


class UseKind(StrEnum):
    USED = "used"
    """It came to stand in a row."""
    RESTORED = "restored"
    """Its row was given back to a host that was set back: nobody knows any more when it was drawn."""
    VOIDED = "voided"
    """Its row was deleted, or has another number now (`CHANGED`)."""
    REFUSED = "refused"
    """It was drawn, and the host did not take its row; the reason is the conflict's kind."""


CHANGED = "changed"
"""Reason of a voided number whose row stays."""

_LAST_COUNTS = (UseKind.VOIDED, UseKind.REFUSED)
"""Of several in one go the last one; of the others the first."""


class Use(NamedTuple):
    """Something that happened to one number."""

    kind: UseKind
    number: int
    key: Key
    """Of the row."""
    node: int
    """Peer that did it, 0 for the host."""
    at: int
    """By that node's clock, microseconds since 1970 UTC; 0: nobody knows."""
    reason: str = ""


class UseSpan(NamedTuple):
    """The same of numbers in a row."""

    kind: UseKind
    lowest: int
    highest: int
    node: int
    reason: str
    times: list[int]
    """When, of each number; a single one stands for all."""
    keys: list[Key]
    """Of the rows that had them; of used ones none, as the rows tell."""

    def detail(self) -> bytes:
        """Times as differences, and keys."""
        return pack([self.times[:1] + list(map(sub, self.times[1:], self.times)), self.keys])


def read_detail(data: bytes) -> tuple[list[int], list[Key]]:
    """Times and keys of a span. Raises PeerFault where the record was damaged."""
    read: Any = unpack(data)
    return list(accumulate(read[0])), read[1]


def times_of(times: list[int], count: int) -> Iterable[int]:
    return repeat(times[0], count) if len(times) == 1 else times


def spans_of(uses: Iterable[Use]) -> list[UseSpan]:
    """In as few spans as there are: by kind, node and reason, and numbers that follow one another.

    A row that was written anew in one go, deleted and inserted with its number as REPLACE does it, has not gone.
    """
    groups: dict[tuple[UseKind, int, str], dict[int, Use]] = {}
    for use in _less_replaced(uses):
        known = groups.setdefault((use.kind, use.node, use.reason), {})
        if use.number not in known or use.kind in _LAST_COUNTS:
            known[use.number] = use
    found = []
    for (kind, node, reason), by_number in groups.items():
        run: list[Use] = []
        for number in sorted(by_number):
            if run and (number != run[-1].number + 1 or len(run) >= LONGEST):
                found.append(_span(kind, node, reason, run))
                run = []
            run.append(by_number[number])
        found.append(_span(kind, node, reason, run))
    return found


def _less_replaced(uses: Iterable[Use]) -> list[Use]:
    kept: list[Use | None] = []
    gone: dict[tuple[int, Key, int], int] = {}
    for use in uses:
        row = use.number, use.key, use.node
        if use.kind is UseKind.VOIDED:
            gone[row] = len(kept)
        elif use.kind is UseKind.USED and row in gone:
            kept[gone.pop(row)] = None
            continue
        kept.append(use)
    return [use for use in kept if use is not None]


def _span(kind: UseKind, node: int, reason: str, run: list[Use]) -> UseSpan:
    times = [use.at for use in run]
    if len(set(times)) == 1:
        del times[1:]
    keys = [use.key for use in run] if kind in _LAST_COUNTS else []
    return UseSpan(kind, run[0].number, run[-1].number, node, reason, times, keys)
