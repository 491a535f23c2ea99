"""A node's own numbers: triggers that stand, blocks in hand (protocol.md 5.6). Keys that count: `key_counting`.

What draws is the application, by triggers in its own transaction. A run looks after the rest: at a station it asks for
more early, at the host it takes more from the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from replicator.engine import key_counting
from replicator.errors import DatabaseBusy
from replicator.protocol.numbers import Block, NumberRange, Share, Way
from replicator.store import numbers
from replicator.store.numbers import IN_HAND
from replicator.types import Table

if TYPE_CHECKING:
    from replicator.engine.node import Node, Unit

KIND = key_counting.NOTICE
"""Of the notices."""


def own_shares(unit: Unit) -> dict[int, tuple[NumberRange, Share]]:
    """By range: what this node has a part in, closed ones included."""
    ranges = numbers.load_ranges(unit.connection)
    shares = numbers.load_shares(unit.connection)
    return {number: (ranges[number].range, share) for (peer, number), share in shares.items() if peer == 0}


def fallen(unit: Unit) -> list[int]:
    """Tables on which the triggers of this node's ranges don't stand as they should."""
    known = {each.range.table for each in numbers.load_ranges(unit.connection).values()} & unit.tables.keys()
    found = []
    for number in sorted(known):
        table, database = unit.tables[number], unit.database
        if not database.has_table(unit.connection, table.name):
            continue  # check_capture says so
        if not database.numbers_stand(unit.connection, table, _open_ranges(unit, number)):
            found.append(number)
    return found


def enforce(node: Node, wanted: Iterable[int]) -> None:
    """See to it that the triggers of this node's ranges on these tables stand. In transactions of its own, as no
    database can define triggers of a table that the transaction has written to."""
    for number in wanted:
        try:
            with node.unit() as unit:
                _enforce_table(unit, unit.tables[number])
        except DatabaseBusy as busy:
            with node.unit() as unit:
                unit.notice(KIND, f"{number} busy", f"numbers of a table could not be looked after: {busy}")


def _open_ranges(unit: Unit, table: int) -> list[NumberRange]:
    return [known for known, share in own_shares(unit).values() if known.table == table and not share.closed]


def _enforce_table(unit: Unit, table: Table) -> None:
    ranges = _open_ranges(unit, table.id)
    if not unit.database.has_table(unit.connection, table.name):
        return  # check_capture says so
    if unit.database.enforce_numbers(unit.connection, table, ranges):
        for known in ranges:
            _pass_existing(unit, table, known)


def _pass_existing(unit: Unit, table: Table, known: NumberRange) -> None:
    """Numbers that came into the table while no trigger stood are not drawn again."""
    if known.way is Way.KEYS:
        return
    numbers.hold(unit.connection, known.id)
    for each in numbers.stock(unit.connection, known.id):
        if each.state == IN_HAND:
            following = first_unused(unit, table, known, each.block)
            if following > each.following:
                numbers.advance(unit.connection, known.id, each, following)


def first_unused(unit: Unit, table: Table | None, known: NumberRange, block: Block) -> int:
    """The first number of the block behind all that stand in the table already."""
    if table is None or not unit.database.has_table(unit.connection, table.name):
        return block.lowest
    found = unit.database.highest_number(unit.connection, table, known, block.lowest, block.highest)
    return block.lowest if found is None else found + 1


def add_blocks(unit: Unit, known: NumberRange, blocks: Iterable[Block]) -> None:
    """Blocks that were granted to this node."""
    table = unit.tables.get(known.table)
    found = [(block, first_unused(unit, table, known, block)) for block in blocks]
    numbers.hold(unit.connection, known.id)
    numbers.add_blocks(unit.connection, known.id, found)


def give_up(unit: Unit, known: NumberRange) -> list[tuple[int, int]]:
    """The unused ends of all blocks in hand, from now on not this node's any more: (first, last) of each.

    One transaction with what tells of it (protocol.md 3.5): else a number is drawn that was given back. Keys are drawn
    without a lock that could be waited for, so of them whole blocks that nobody has begun are given up only.
    """
    numbers.hold(unit.connection, known.id)
    tails = []
    begun = key_counting.counting_at(unit, known) if known.way is Way.KEYS else None
    for each in numbers.stock(unit.connection, known.id):
        if each.left and (begun is None or begun < each.block.lowest):
            tails.append((each.following, each.block.highest))
            numbers.shorten(unit.connection, known.id, each)
    return tails
