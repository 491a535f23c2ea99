"""The host grants blocks and says so in its log; keys leapfrog in the group that brings higher ones (protocol.md 5.6).

Below the journal, which asks for it: so nothing here opens a group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from replicator.databases.elsewhere import counts_on_its_own
from replicator.engine import numbers as own
from replicator.protocol.number_bodies import Grant
from replicator.protocol.number_ledger import Exhausted, Ledger
from replicator.protocol.numbers import Block, Share, Way
from replicator.store import number_spans, numbers
from replicator.store.numbers import StoredRange
from replicator.types import NOWHERE

if TYPE_CHECKING:
    from replicator.engine.node import Unit


def change(unit: Unit, number: int, step: Callable[[Ledger], Any]) -> Any:
    """Do a step on a range's ledger, and store what it changed."""
    ledger = number_spans.load_ledger(unit.connection, number)
    done = step(ledger)
    if ledger.changed:
        number_spans.save_ledger(unit.connection, number, ledger, unit.now)
        unit.granted[number] = ledger.high_water - 1
    return done


def grant(unit: Unit, stored: StoredRange, peer: int, count: int, above: int | None = None) -> list[Block]:
    """Blocks with so many numbers. None where the column is full: then a person is told. And none to a station that
    begins anew, before it has said what it holds: all else that is held for it counts as lost then."""
    if count <= 0 or begins_anew(unit, peer):
        return []
    try:
        blocks: list[Block] = change(unit, stored.range.id, lambda ledger: ledger.grant(peer, count, above))
    except Exhausted:
        name = f"{stored.table_name}.{stored.range.column}"
        unit.notice(own.KIND, f"{name} full", f"{name} has no numbers left that its column could hold", waiting=True)
        return []
    return blocks


def begins_anew(unit: Unit, peer: int) -> bool:
    """A new stream of the station's has begun to come, and its request `open` was not taken yet."""
    return peer > 0 and unit.link(peer).left_epoch != NOWHERE


def tell(unit: Unit, stored: StoredRange, peer: int, share: Share, blocks: list[Block]) -> None:
    """Log for a station what it is to know of a range, with blocks that were granted to it. A group must be open."""
    unit.journal.add_control(peer, "grant", grant_of(unit, stored, peer, share, blocks).plain())


def grant_of(unit: Unit, stored: StoredRange, peer: int, share: Share, blocks: list[Block]) -> Grant:
    link = unit.link(peer)
    # Of a stream that is over: what it held then will be lost here, and is not to be drawn from there.
    epoch = link.left_epoch if begins_anew(unit, peer) else link.link.inbound.epoch
    return Grant(stored.range, stored.table_name, stored.highest, share, tuple(blocks), epoch)


# --- keys that leapfrog -----------------------------------------------------------------------------------------------


def leapfrog(unit: Unit, came: Mapping[int, int]) -> None:
    """In the group under way rows came to the host's table, by table the highest key: stations whose databases count on
    from there get blocks above it, told by the same group. So there is no moment in which they have none."""
    ranges = numbers.load_ranges(unit.connection)
    for (peer, number), share in sorted(numbers.load_shares(unit.connection).items()):
        stored = ranges[number]
        last = came.get(stored.range.table)
        if last is None or not peer or share.closed or stored.range.way is not Way.KEYS:
            continue
        if counts_on_its_own(unit.peers[peer].database_kind) or begins_anew(unit, peer):
            continue
        if last > number_spans.top(unit.connection, number, peer):
            tell(unit, stored, peer, share, grant(unit, stored, peer, share.block, last))
