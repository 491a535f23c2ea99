"""What each link still needs of the journal, and who is let go where that is too much (protocol.md 5.9)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.engine.node import Unit
from replicator.engine.restarting import AWAY, RESYNC, REWIND, SNAPSHOT
from replicator.store import batches, purging, slices
from replicator.store.state import LinkState
from replicator.types import NOWHERE, Position

LET_GO = "let-go"
"""Kind of the notice about a station that was away for too long."""
ENDLESS: Position = (purging.BEYOND, purging.BEYOND)


@dataclass(frozen=True, slots=True)
class Held:
    """By slice: what links have passed. `least`: the last slice that nobody needs any more."""

    passed: dict[int, int]
    """By peer; those that need nothing of the log are not in it."""
    newest: int

    @property
    def least(self) -> int:
        return min(self.passed.values(), default=self.newest)


def held(unit: Unit) -> Held:
    passed: dict[int, int] = {}
    for peer in unit.peers:
        through = passed_by(unit.connection, unit.link(peer))
        if through is not None:
            passed[peer] = through
    return Held(passed, purging.newest_slice(unit.connection))


def passed_by(connection: Connection, state: LinkState) -> int | None:
    """The last slice that this link no longer needs; None: it needs none, as it gets everything anew."""
    if state.mode in (AWAY, RESYNC):
        return None  # once it has told, one that was asked gets everything as well
    if state.mode == REWIND:
        return state.cut_slice - 1  # the slice with which it begins has to be there, too
    first = batches.first_unacknowledged(connection, state.peer)
    if first is None:
        return None if state.mode == SNAPSHOT else state.cut_slice
    opener, high = first
    # A batch that opens an epoch stands for all before the position that it names.
    covered = high if opener is not None else state.link.out.high
    return slices.last_through(connection, covered)


def held_back(connection: Connection, state: LinkState) -> tuple[int, int | None]:
    """What this link keeps of the journal: (bytes of content, when the oldest change of it was made)."""
    passed = passed_by(connection, state)
    if passed is None:
        return 0, None
    size = purging.bytes_between(connection, passed, purging.BEYOND)
    return size, purging.first_group_behind(connection, passed) if size else None


def settled(unit: Unit) -> Position:
    """All stations know of what was deleted up to here. Those that have never acknowledged anything know of nothing
    that they could change."""
    highs = [high for peer in unit.peers if (high := unit.link(peer).link.out.high) > NOWHERE]
    return min(highs, default=unit.state.position)


def let_go(unit: Unit, kept: int) -> list[bytes]:
    """If what stations hold back up to slice `kept` is more than its share of the database, cut it to half of that:
    the links that are behind get everything anew when they are heard of again. Gives digests in the spool that may be
    needed no more."""
    share = unit.node.settings.journal_share
    found = held(unit)
    if not share or found.least >= kept:
        return []
    allowed = share * unit.database.size(unit.connection)
    sizes = purging.slice_sizes(unit.connection, found.least, kept)
    if sum(size for _, size in sizes) <= allowed:
        return []
    cut, left = kept, 0.0
    for number, size in reversed(sizes):
        left += size
        if left > allowed / 2:
            cut = number
            break
    return [
        digest for peer, through in found.passed.items() if through < cut for digest in _let_go(unit, unit.link(peer))
    ]


def _let_go(unit: Unit, state: LinkState) -> list[bytes]:
    """The log need not wait for it any longer. What it has written itself isn't touched."""
    _, _, digests = batches.drop_batches(unit.connection, state.peer, state.link.out.n)
    state.link.out.unacknowledged_bytes = 0
    state.mode = AWAY
    name = unit.peers[state.peer].name
    unit.notice(
        LET_GO,
        f"{name} {unit.now}",
        f"{name} has been away for so long that what the journal kept for it went beyond its share of the database "
        f"(journal_percent); it gets everything in its rules anew when it is heard of again, and what it has written "
        f"itself is taken as always. If it will not come back: replicator station remove {name}",
    )
    return digests
