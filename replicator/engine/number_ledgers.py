"""The host's ledgers: granting blocks, taking them back, and what is lost when somebody is set back (protocol.md 5.6).

Everything here is part of a transaction that also logs what it tells a station. Before it commits, the side file has
the new high-water marks (`Unit.save`).
"""

from __future__ import annotations

from typing import Any

from replicator.databases.elsewhere import counts_on_its_own
from replicator.engine import key_counting
from replicator.engine import numbers as own
from replicator.engine.collect import open_group
from replicator.engine.granting import begins_anew, change, grant, grant_of, tell
from replicator.engine.node import Unit
from replicator.protocol.number_bodies import request_body, return_body
from replicator.protocol.number_ledger import Ledger
from replicator.protocol.numbers import Block, Share, Way
from replicator.store import number_pace, number_spans, number_uses, numbers
from replicator.store.numbers import StoredRange
from replicator.types import Table


def ledger_of(unit: Unit, peer: int) -> list[Any]:
    """For a snapshot: all that a station has to know of its ranges, and all blocks that it holds."""
    ranges = numbers.load_ranges(unit.connection)
    found = []
    for (holder, number), share in sorted(numbers.load_shares(unit.connection).items()):
        if holder == peer:
            if (above := _keys_above(unit, ranges[number], peer, share)) is not None:
                grant(unit, ranges[number], peer, share.block, above)
            held = [span.block for span in number_spans.held(unit.connection, number, peer)]
            found.append(grant_of(unit, ranges[number], peer, share, held).plain())
    return found


# --- what stations say ------------------------------------------------------------------------------------------------


def take_request(unit: Unit, peer: int, body: Any) -> None:
    """A station asks for more, and may ask again once it has an answer. Where there is nothing to be had it waits for
    that. Not where it has no part in the range: a copy of a station brings along what it had asked for under the old
    name. Raises PeerFault."""
    asked = request_body(body)
    stored = numbers.load_ranges(unit.connection).get(asked.range)
    share = numbers.load_shares(unit.connection).get((peer, asked.range))
    if stored is None or share is None:
        return
    above = asked.above if stored.range.way is Way.KEYS else None
    if stored.range.way is not Way.KEYS:
        granted = sum(len(span.block) for span in number_spans.held(unit.connection, asked.range, peer))
        number_pace.note_drawn(unit.connection, peer, asked.range, unit.now, max(0, granted - asked.left))
    wanted = share.wanted(asked.left)
    blocks = grant(unit, stored, peer, wanted, above)
    if blocks or not wanted:
        tell(unit, stored, peer, share, blocks)
    else:
        numbers.set_requested(unit.connection, asked.range, peer)


def take_return(unit: Unit, peer: int, body: Any) -> None:
    """A station gives up the ends of blocks. What it does not hold by the ledger is passed over: that was settled when
    it began anew. Raises PeerFault."""
    told = return_body(body)
    stored = numbers.load_ranges(unit.connection).get(told.range)
    if stored is None:
        return
    _take_back(unit, stored, peer, told.tails)
    if stored.range.table not in unit.tables:
        _end(unit, stored, stored.table_name)
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
    for number, stored in numbers.load_ranges(unit.connection).items():
        _lose(unit, stored, peer, held.get(number, []), reason)


def _lose(unit: Unit, stored: StoredRange, peer: int, kept: list[Block], reason: str) -> None:
    number = stored.range.id
    ledger = number_spans.load_ledger(unit.connection, number, whole=bool(kept))
    ledger.keep_only(peer, [block.serial for block in kept], reason)
    for block in kept:
        ledger.shorten(peer, block, "given back before the host was restored", passed_by=stored.range.way is Way.KEYS)
        ledger.claim(peer, block)
    if ledger.changed:
        number_spans.save_ledger(unit.connection, number, ledger, unit.now)
        unit.granted[number] = ledger.high_water - 1
        # What it has drawn is counted by what it holds.
        number_pace.forget_drawn(unit.connection, peer, number)


def begin_anew(unit: Unit, peer: int, reason: str) -> None:
    """A station gets a new computer: what the old one held is lost, and the new one gets blocks of its own, which come
    with its snapshot."""
    correct(unit, peer, [], reason)
    ranges = numbers.load_ranges(unit.connection)
    for (holder, number), share in numbers.load_shares(unit.connection).items():
        if holder == peer:
            grant(unit, ranges[number], peer, share.wanted(0))


def begin_as(unit: Unit, peer: int, origin: int) -> None:
    """A copy of a station gets a part in whatever that has, with blocks of its own, which come with its snapshot."""
    ranges = numbers.load_ranges(unit.connection)
    for (holder, number), share in sorted(numbers.load_shares(unit.connection).items()):
        if holder == origin and not share.closed:
            numbers.save_share(unit.connection, peer, number, share)
            grant(unit, ranges[number], peer, share.wanted(0))


def station_removed(unit: Unit, peer: int, name: str) -> None:
    """What it has not used, as far as its rows have come, is granted next. The audit goes on naming it."""
    number_uses.keep_name(unit.connection, peer, name)
    for stored in numbers.load_ranges(unit.connection).values():
        reason = f"station {name} was removed"
        if stored.range.way is Way.KEYS:
            _lose(unit, stored, peer, [], reason)
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


def close_share(unit: Unit, stored: StoredRange, peer: int) -> None:
    """A node draws no more of a range; what it has left comes back."""
    old = numbers.load_shares(unit.connection)[peer, stored.range.id]
    share = Share(old.block, old.refill, closed=True)
    numbers.save_share(unit.connection, peer, stored.range.id, share)
    if peer:
        open_group(unit, control="numbers")
        tell(unit, stored, peer, share, [])
    else:
        give_back_own(unit, stored)


def table_removed(unit: Unit, table: Table) -> None:
    """Nobody draws of its columns any more. What stations have left comes back later, and is not granted either."""
    shares = sorted(numbers.load_shares(unit.connection).items())
    for number, stored in numbers.load_ranges(unit.connection).items():
        if stored.range.table != table.id:
            continue
        for (peer, which), share in shares:
            if which == number and not share.closed:
                close_share(unit, stored, peer)
        _end(unit, stored, table.name)


def _end(unit: Unit, stored: StoredRange, name: str) -> None:
    change(unit, stored.range.id, lambda ledger: ledger.end(f"table {name} is not replicated any more"))


# --- the host's own, and keys that leapfrog ---------------------------------------------------------------------------


def refill(unit: Unit) -> None:
    """The host takes more for itself, and gives stations keys above those that they are about to get."""
    ranges = numbers.load_ranges(unit.connection)
    for peer, number in numbers.waiting(unit.connection):
        _serve(unit, ranges[number], peer)
    for (peer, number), share in sorted(numbers.load_shares(unit.connection).items()):
        stored = ranges[number]
        if peer == 0:
            _refill_own(unit, stored, share)
        else:
            _leapfrog(unit, stored, peer, share)


def _serve(unit: Unit, stored: StoredRange, peer: int) -> None:
    """A station that asked for numbers when there were none: somebody may have given some back."""
    share = numbers.load_shares(unit.connection)[peer, stored.range.id]
    blocks = grant(unit, stored, peer, share.block)
    if blocks or share.closed:
        open_group(unit, control="numbers")
        tell(unit, stored, peer, share, blocks)
        numbers.save_share(unit.connection, peer, stored.range.id, share)


def _refill_own(unit: Unit, stored: StoredRange, share: Share) -> None:
    known, above = stored.range, None
    left = numbers.left(unit.connection, known.id)
    if known.way is Way.KEYS:
        left, above = key_counting.keys_left(unit, known)
    take_own(unit, stored, grant(unit, stored, 0, share.wanted(left), above))


def refill_own_keys(unit: Unit, number: int) -> None:
    """Keys of other places came to the host: its own have to lie above them."""
    share = numbers.load_shares(unit.connection).get((0, number))
    if share is not None:
        _refill_own(unit, numbers.load_ranges(unit.connection)[number], share)


def retire_own(unit: Unit, number: int, tails: list[tuple[int, int]]) -> None:
    """Keys that the host's counter has passed by."""
    _take_back(unit, numbers.load_ranges(unit.connection)[number], 0, tails)


def take_own(unit: Unit, stored: StoredRange, blocks: list[Block]) -> None:
    """Blocks that the host granted to itself."""
    if blocks:
        own.add_blocks(unit, stored.range, blocks)


def _leapfrog(unit: Unit, stored: StoredRange, peer: int, share: Share) -> None:
    above = _keys_above(unit, stored, peer, share)
    if above is not None:
        open_group(unit, control="numbers")
        tell(unit, stored, peer, share, grant(unit, stored, peer, share.block, above))


def _keys_above(unit: Unit, stored: StoredRange, peer: int, share: Share) -> int | None:
    """The highest key of the table, where a station has no block above it and needs one."""
    table = unit.tables.get(stored.range.table)
    if stored.range.way is not Way.KEYS or share.closed or table is None:
        return None
    if not unit.database.has_table(unit.connection, table.name):
        return None
    if counts_on_its_own(unit.peers[peer].database_kind) or begins_anew(unit, peer):
        return None
    top = number_spans.top(unit.connection, stored.range.id, peer)
    return unit.database.highest_number(unit.connection, table, stored.range, top + 1, stored.highest)


IMAGE_BLOCKS = 10
"""Blocks of each node that a host which was set back as a whole may have granted since, as its side file can't say."""
IMAGE_PACE = 2
"""Or, where that is more, so many times what was granted before in as long a time: it may be of weeks ago."""


def host_restored(unit: Unit, marks: dict[str, int], reason: str, *, image: bool) -> None:
    """The host's database was set back: what had been granted by then is never granted again (protocol.md 5.12 step 2).

    `marks`: the side file's. Stations claim the blocks that they hold when they answer (`correct`).
    """
    shares = numbers.load_shares(unit.connection)
    for number in numbers.load_ranges(unit.connection):
        ledger = number_spans.load_ledger(unit.connection, number)
        mark = max(marks.get(str(number), 0) + 1, ledger.high_water)
        if image:
            blocks = sum(share.block for (_, which), share in shares.items() if which == number)
            of_late = number_spans.granted_of_late(unit.connection, number, unit.now)
            mark += max(IMAGE_BLOCKS * blocks, IMAGE_PACE * of_late)
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
