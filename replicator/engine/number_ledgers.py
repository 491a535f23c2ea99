"""The host's ledgers: granting blocks, taking them back, and what is lost when somebody is set back (protocol.md 5.6).

Everything here is part of a transaction that also logs what it tells a station. Before it commits, the side file has
the new high-water marks (`Unit.save`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from replicator.databases.elsewhere import counts_on_its_own
from replicator.engine import numbers as own
from replicator.engine.collect import open_group
from replicator.engine.node import Unit
from replicator.protocol.number_bodies import Grant, request_body, return_body
from replicator.protocol.number_ledger import Exhausted, Ledger
from replicator.protocol.numbers import Block, Share, Way
from replicator.store import number_spans, number_uses, numbers
from replicator.store.numbers import StoredRange


def change(unit: Unit, number: int, step: Callable[[Ledger], Any]) -> Any:
    """Do a step on a range's ledger, and store what it changed."""
    ledger = number_spans.load_ledger(unit.connection, number)
    done = step(ledger)
    if ledger.changed:
        number_spans.save_ledger(unit.connection, number, ledger, unit.now)
        unit.granted[number] = ledger.high_water - 1
    return done


def grant(unit: Unit, stored: StoredRange, peer: int, count: int, above: int | None = None) -> list[Block]:
    """Blocks with so many numbers, none where the column is full: then a person is told."""
    if count <= 0:
        return []
    try:
        blocks: list[Block] = change(unit, stored.range.id, lambda ledger: ledger.grant(peer, count, above))
    except Exhausted:
        name = f"{stored.table_name}.{stored.range.column}"
        unit.notice(own.KIND, f"{name} full", f"{name} has no numbers left that its column could hold", waiting=True)
        return []
    return blocks


def tell(unit: Unit, stored: StoredRange, peer: int, share: Share, blocks: list[Block]) -> None:
    """Log for a station what it is to know of a range, with blocks that were granted to it. A group must be open."""
    unit.journal.add_control(peer, "grant", grant_of(unit, stored, peer, share, blocks).plain())


def grant_of(unit: Unit, stored: StoredRange, peer: int, share: Share, blocks: list[Block]) -> Grant:
    epoch = unit.link(peer).link.inbound.epoch
    return Grant(stored.range, stored.table_name, stored.highest, share, tuple(blocks), epoch)


def ledger_of(unit: Unit, peer: int) -> list[Any]:
    """For a snapshot: all that a station has to know of its ranges, and all blocks that it holds."""
    ranges = numbers.load_ranges(unit.connection)
    found = []
    for (holder, number), share in sorted(numbers.load_shares(unit.connection).items()):
        if holder == peer:
            held = [span.block for span in number_spans.held(unit.connection, number, peer)]
            found.append(grant_of(unit, ranges[number], peer, share, held).plain())
    return found


# --- what stations say ------------------------------------------------------------------------------------------------


def take_request(unit: Unit, peer: int, body: Any) -> None:
    """A station asks for more, and is answered in any case, so that it may ask again. Not where it has no part in the
    range: a copy of a station brings along what it had asked for under the old name. Raises PeerFault."""
    asked = request_body(body)
    stored = numbers.load_ranges(unit.connection).get(asked.range)
    share = numbers.load_shares(unit.connection).get((peer, asked.range))
    if stored is None or share is None:
        return
    above = asked.above if stored.range.way is Way.KEYS else None
    tell(unit, stored, peer, share, grant(unit, stored, peer, share.wanted(asked.left), above))


def take_return(unit: Unit, peer: int, body: Any) -> None:
    """A station gives up the ends of blocks. What it does not hold by the ledger is passed over: that was settled when
    it began anew. Raises PeerFault."""
    told = return_body(body)
    stored = numbers.load_ranges(unit.connection).get(told.range)
    if stored is None:
        return
    _take_back(unit, stored, peer, told.tails)
    share = numbers.load_shares(unit.connection).get((peer, told.range))
    if share is not None:
        tell(unit, stored, peer, share, [])


def _take_back(unit: Unit, stored: StoredRange, peer: int, tails: Any) -> None:
    def step(ledger: Ledger) -> None:
        for first, last in tails:
            if stored.range.way is Way.KEYS:
                ledger.retire(peer, first, "passed by")
            else:
                ledger.give_back(peer, first, last)

    change(unit, stored.range.id, step)


def correct(unit: Unit, peer: int, kept: list[tuple[int, Block]], reason: str) -> None:
    """A station begins anew: of the blocks that it does not hold any more nobody knows what was used.

    `kept`: range and block of those that it still holds; of these the host may have forgotten some.
    """
    held: dict[int, list[Block]] = {}
    for number, block in kept:
        held.setdefault(number, []).append(block)
    for number in numbers.load_ranges(unit.connection):
        _lose(unit, number, peer, held.get(number, []), reason)


def _lose(unit: Unit, number: int, peer: int, kept: list[Block], reason: str) -> None:
    ledger = number_spans.load_ledger(unit.connection, number, whole=bool(kept))
    ledger.keep_only(peer, [block.serial for block in kept], reason)
    for block in kept:
        ledger.claim(peer, block)
    if ledger.changed:
        number_spans.save_ledger(unit.connection, number, ledger, unit.now)
        unit.granted[number] = ledger.high_water - 1


def begin_anew(unit: Unit, peer: int, reason: str) -> None:
    """A station gets a new computer: what the old one held is lost, and the new one gets blocks of its own, which come
    with its snapshot."""
    correct(unit, peer, [], reason)
    ranges = numbers.load_ranges(unit.connection)
    for (holder, number), share in numbers.load_shares(unit.connection).items():
        if holder == peer:
            grant(unit, ranges[number], peer, share.wanted(0))


def station_removed(unit: Unit, peer: int, name: str) -> None:
    """What it has not used, as far as its rows have come, is granted next. The audit goes on naming it."""
    number_uses.keep_name(unit.connection, peer, name)
    for number, stored in numbers.load_ranges(unit.connection).items():
        reason = f"station {name} was removed"
        if stored.range.way is Way.KEYS:
            _lose(unit, number, peer, [], reason)
        else:
            _free_unused(unit, stored, peer, reason)


def _free_unused(unit: Unit, stored: StoredRange, peer: int, reason: str) -> None:
    known, table = stored.range, unit.tables.get(stored.range.table)
    unit.number_uses.flush()
    used = {}
    for span in number_spans.held(unit.connection, known.id, peer):
        drawn = number_uses.last_used(unit.connection, known.id, span.lowest, span.highest)
        # Where its rows have been deleted only the record knows of them.
        used[span.lowest] = max(own.first_unused(unit, table, known, span.block) - 1, drawn or span.lowest - 1)
    change(unit, known.id, lambda ledger: ledger.leave(peer, used, reason))


# --- the host's own, and keys that leapfrog ---------------------------------------------------------------------------


def refill(unit: Unit) -> None:
    """The host takes more for itself, and gives stations keys above those that they are about to get."""
    ranges = numbers.load_ranges(unit.connection)
    for (peer, number), share in sorted(numbers.load_shares(unit.connection).items()):
        stored = ranges[number]
        if peer == 0:
            _refill_own(unit, stored, share)
        elif stored.range.way is Way.KEYS and not share.closed:
            _leapfrog(unit, stored, peer, share)


def _refill_own(unit: Unit, stored: StoredRange, share: Share) -> None:
    known, above = stored.range, None
    left = numbers.left(unit.connection, known.id)
    if known.way is Way.KEYS:
        left, above = own.keys_left(unit, known)
    take_own(unit, stored, grant(unit, stored, 0, share.wanted(left), above))


def take_own(unit: Unit, stored: StoredRange, blocks: list[Block]) -> None:
    """Blocks that the host granted to itself."""
    if blocks:
        own.add_blocks(unit, stored.range, blocks)


def _leapfrog(unit: Unit, stored: StoredRange, peer: int, share: Share) -> None:
    table = unit.tables.get(stored.range.table)
    if table is None or counts_on_its_own(unit.peers[peer].database_kind):
        return
    spans = number_spans.held(unit.connection, stored.range.id, peer)
    top = max((span.highest for span in spans), default=0)
    last = unit.database.highest_number(unit.connection, table, stored.range, top + 1, stored.highest)
    if last is not None:
        open_group(unit, control="numbers")
        tell(unit, stored, peer, share, grant(unit, stored, peer, share.block, last))


IMAGE_BLOCKS = 10
"""Blocks of each node that a host which was set back as a whole may have granted since: its side file can't say."""


def host_restored(unit: Unit, marks: dict[str, int], reason: str, *, image: bool) -> None:
    """The host's database was set back: what had been granted by then is never granted again (protocol.md 5.12 step 2).

    `marks`: the side file's. Stations claim the blocks that they hold when they answer (`correct`).
    """
    shares = numbers.load_shares(unit.connection)
    for number in numbers.load_ranges(unit.connection):
        ledger = number_spans.load_ledger(unit.connection, number)
        mark = max(marks.get(str(number), 0) + 1, ledger.high_water)
        if image:
            mark += IMAGE_BLOCKS * sum(share.block for (_, which), share in shares.items() if which == number)
        ledger.restored(mark, reason)
        # Serial numbers that were given since are known at stations: none of them is used again.
        ledger.serial = max(ledger.serial, unit.state.host_epoch << 32)
        number_spans.save_ledger(unit.connection, number, ledger, unit.now)
        unit.granted[number] = ledger.high_water - 1
    numbers.retire_all(unit.connection)
    numbers.stop(unit.connection, stopped=False)


def give_back_own(unit: Unit, stored: StoredRange) -> list[tuple[int, int]]:
    """The host gives up what it has not used."""
    tails = own.give_up(unit, stored.range)
    _take_back(unit, stored, 0, tails)
    return tails
