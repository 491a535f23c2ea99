"""Setting aside what the database refuses, on both sides (protocol.md 5.14).

A batch is applied in sets, without a thought of this. Where the database refuses something, all is rolled back, and the
batch is applied once more with `Care`: in savepoints, and by halves down to what is refused. So the usual path costs
nothing, and a bad row some savepoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from replicator.engine.node import Unit
from replicator.errors import ConstraintViolation, Dependent
from replicator.store import notices, quarantine
from replicator.types import HOST_PEER

KIND = "quarantine"
"""Of the notices."""

FIRST_WAIT, LONGEST_WAIT = 60 * 1_000_000, 6 * 3600 * 1_000_000
"""Microseconds until what was set aside is tried again: the first, doubling to the other."""

_Item = TypeVar("_Item")


@dataclass(slots=True)
class Care:
    """What is known of a batch that can't be applied in sets."""

    whole: set[int] = field(default_factory=set)
    """Numbers of transactions of which a part stood already when another one was refused."""
    unwritable: dict[int, str] = field(default_factory=dict)
    """At a station: tables whose rows can't be written for now, with the reason."""


def narrow(
    pieces: Sequence[list[_Item]],
    do: Callable[[list[_Item]], None],
    refuse: Callable[[list[_Item], ConstraintViolation], None],
) -> None:
    """Do all these pieces; where the database refuses something, by halves, down to the pieces that it refuses."""
    if not pieces:
        return
    try:
        do([item for piece in pieces for item in piece])
    except ConstraintViolation as refused:
        if len(pieces) == 1:
            refuse(pieces[0], refused)
            return
    else:
        return
    middle = len(pieces) // 2
    narrow(pieces[:middle], do, refuse)
    narrow(pieces[middle:], do, refuse)


def next_try(now: int, tries: int) -> int:
    return now + min(FIRST_WAIT << min(tries, 20), LONGEST_WAIT)


def cause_of(refused: ConstraintViolation) -> int | None:
    return refused.cause if isinstance(refused, Dependent) else None


def tell(unit: Unit) -> None:
    """Keep what a person is told in step with what is there."""
    wanted = {}
    for count in quarantine.counts(unit.connection):
        table = unit.tables.get(count.table_id)
        name = f"number {count.table_id}" if table is None else table.name
        peer = unit.peers.get(count.peer)
        whose = "the host" if count.peer == HOST_PEER else "a station" if peer is None else peer.name
        wanted[f"{count.peer} {count.table_id}"] = (
            f"some of {whose}'s changes of table {name} can't be applied here and wait in quarantine, the first "
            f"because: {count.error.rstrip('.')}; see: replicator quarantine list"
        )
    for subject in notices.known(unit.connection, KIND) - wanted.keys():
        notices.settle(unit.connection, (KIND,), subject)
    for subject, text in wanted.items():
        unit.notice(KIND, subject, text, waiting=True)
