"""Keys that count by themselves, kept to this node's blocks (protocol.md 5.6).

SQLite and MariaDB never count below the highest key that is in the table. So rows of other places make a higher block
necessary; what was left of the one before is certainly unused, and is told to the host as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from replicator.errors import DatabaseBusy, UnfitTable
from replicator.protocol.numbers import NumberRange, Way
from replicator.store import numbers
from replicator.store.numbers import IN_HAND

if TYPE_CHECKING:
    from replicator.engine.node import Node, Unit

NOTICE = "numbers"
"""Kind of the notices."""


def own_keys(unit: Unit) -> list[NumberRange]:
    """Ranges of keys that this node draws from."""
    ranges = numbers.load_ranges(unit.connection)
    shares = numbers.load_shares(unit.connection)
    mine = [ranges[number].range for (peer, number), share in sorted(shares.items()) if not peer and not share.closed]
    return [known for known in mine if known.way is Way.KEYS]


def counting_at(unit: Unit, known: NumberRange) -> int | None:
    """The next key that the database would count; None: it does not count, or the table is not there."""
    table = unit.tables.get(known.table)
    if table is None or not unit.database.has_table(unit.connection, table.name):
        return None
    return unit.database.counter(unit.connection, table, known.column)


def keys_left(unit: Unit, known: NumberRange) -> tuple[int, int | None]:
    """(keys in hand, the highest one that they have to be above), as the counter stands. Blocks that it has passed are
    used up."""
    following = counting_at(unit, known)
    if following is None:
        return numbers.left(unit.connection, known.id), None
    left = 0
    for each in numbers.stock(unit.connection, known.id):
        if each.state != IN_HAND:
            continue
        if each.block.highest < following:
            numbers.use_up(unit.connection, known.id, each)
        else:
            left += each.block.highest - max(each.block.lowest, following) + 1
    return left, following - 1


def note_drawn(unit: Unit, known: NumberRange) -> None:
    """Keys up to the counter are drawn, if it stands in a block of this node's."""
    following = counting_at(unit, known)
    if following is None:
        return
    for each in numbers.stock(unit.connection, known.id):
        if each.state == IN_HAND and each.following < following <= each.block.highest + 1:
            numbers.advance(unit.connection, known.id, each, following)


def passed_by(unit: Unit, known: NumberRange) -> list[tuple[int, int]]:
    """Give up the ends of blocks that the counter has passed since `note_drawn`: (first, last) of each. In one
    transaction with that, where nobody else writes."""
    following, tails = counting_at(unit, known), []
    if following is None:
        return []
    for each in numbers.stock(unit.connection, known.id):
        if each.left and each.block.highest < following:
            tails.append((each.following, each.block.highest))
            numbers.shorten(unit.connection, known.id, each)
    return tails


def next_block(unit: Unit, known: NumberRange) -> int | None:
    """Where the counter has to be set; None: it stands in a block of this node's, or there is none above it."""
    following = counting_at(unit, known)
    if following is None:
        return None
    blocks = [each for each in numbers.stock(unit.connection, known.id) if each.state == IN_HAND]
    if any(each.block.lowest <= following <= each.block.highest for each in blocks):
        return None
    return min((each.following for each in blocks if each.block.lowest > following), default=None)


def count_on_within(unit: Unit, known: NumberRange) -> None:
    """Within a transaction, where the database lets us."""
    following = next_block(unit, known)
    if following is not None:
        _jump(unit, known, following)


def _jump(unit: Unit, known: NumberRange, following: int) -> None:
    """What the counter has passed by itself is drawn; behind the jump nothing would tell of that any more."""
    if not unit.database.capabilities.others_write_meanwhile:
        note_drawn(unit, known)
    unit.database.set_counter(unit.connection, unit.tables[known.table], known.column, following)


def misplaced(unit: Unit) -> list[tuple[NumberRange, int]]:
    """Counters that stand in no block of this node's though there is one above all its keys, and where they should."""
    return [(known, following) for known in own_keys(unit) if (following := next_block(unit, known)) is not None]


def count_on(node: Node, wanted: Iterable[tuple[NumberRange, int]]) -> None:
    """Set these counters, each in a transaction of its own."""
    for known, following in wanted:
        _set_counter(node, known, following)


def _set_counter(node: Node, known: NumberRange, following: int) -> None:
    try:
        with node.unit() as unit:
            _jump(unit, known, following)
    except (UnfitTable, DatabaseBusy) as fault:
        with node.unit() as unit:
            name = f"{unit.tables[known.table].name}.{known.column}"
            unfit = isinstance(fault, UnfitTable)
            unit.notice(NOTICE, name, f"the keys of {name} don't count in their block yet: {fault}", waiting=unfit)
