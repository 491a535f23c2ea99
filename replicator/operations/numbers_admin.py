"""Number ranges: who draws how many, and what is in hand (design.md 6, protocol.md 5.6)."""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine import granting, number_ledgers, number_requests
from replicator.engine.collect import collect, open_group
from replicator.engine.node import Node, Unit
from replicator.engine.numbers import own_shares
from replicator.engine.session import look_after_numbers
from replicator.errors import UnknownName, WrongUse
from replicator.operations.opening import View, require_host
from replicator.protocol.number_ledger import Ledger
from replicator.protocol.numbers import HIGHEST, Block, Empty, Form, NumberRange, Share, Way
from replicator.store import catalogue, number_spans, numbers, state
from replicator.store.numbers import StoredRange
from replicator.types import Table, TypeKind

KEY_BLOCKS = {16: 100, 32: 1_000, 64: 1_000_000}
"""Numbers at a time for keys, by the bits of the column: they leapfrog with each exchange."""
MOST_AT_A_TIME = 10**12
_LONGEST_NUMBER = 18
"""Digits."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What `numbers set` says; None: as it is, or the usual."""

    block: int | None = None
    start: int | None = None
    refill: int | None = None
    fill: Empty | None = None
    chosen: bool = False
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class NumbersSet:
    name: str
    """Of the range: table and column."""
    way: Way
    form: Form
    share: Share
    blocks: list[Block]
    """That were granted now."""


@dataclass(frozen=True, slots=True)
class RangePart:
    """A node's part in a range, as the node that is asked knows it."""

    range: NumberRange
    table: str
    node: str
    share: Share
    left: int | None
    """Numbers in hand; at the host, of a station: None, as only it knows."""
    blocks: list[Block]
    """That it may draw from."""


def set_numbers(node: Node, station: str, table: str, column: str | None, wish: Wish) -> NumbersSet:
    """A station's, or the host's own, part in a range; the range is made with its first part.

    Raises UnknownName, WrongUse: then nothing is changed.
    """
    require_host(node, "number ranges are set")
    with node.unit() as unit:
        peer = _peer(unit, station)
        if peer and unit.peers[peer].backup:
            raise WrongUse(
                f"{station} is a backup station: it draws no numbers, as nothing that is written there is sent"
            )
        found = catalogue.find_table(unit.connection, table)
        collect(unit)
        stored = _range(unit, found, _column(found, column), wish)
        done = _set_share(unit, stored, peer, wish)
    look_after_numbers(node)
    return done


def end_numbers(node: Node, station: str, table: str, column: str | None = None) -> list[str]:
    """The station draws no more of this column; what it has left comes back. Gives the columns. Raises UnknownName."""
    require_host(node, "number ranges are ended")
    with node.unit() as unit:
        peer = _peer(unit, station)
        ended = [
            stored
            for stored in ranges_of(unit, table, column)
            if (share := numbers.load_shares(unit.connection).get((peer, stored.range.id))) and not share.closed
        ]
        if not ended:
            raise UnknownName(f"{station} draws no numbers of {table}; see: replicator numbers list")
        for stored in ended:
            number_ledgers.close_share(unit, stored, peer)
    look_after_numbers(node)
    return [stored.range.column for stored in ended]


def give_back(node: Node, table: str | None = None) -> int:
    """What this node has in hand and not used goes back, to be granted next. Gives how many numbers.

    A station asks for more again once it has heard that they came back. Raises UnknownName.
    """
    with node.unit() as unit:
        collect(unit)
        ranges = [each.range.id for each in ranges_of(unit, table, None)] if table is not None else None
        stored = numbers.load_ranges(unit.connection)
        count = 0
        for number, (known, _) in own_shares(unit).items():
            if ranges is None or number in ranges:
                if unit.is_host:
                    tails = number_ledgers.give_back_own(unit, stored[number])
                else:
                    tails = number_requests.give_back(unit, known)
                count += sum(last - first + 1 for first, last in tails)
        return count


def list_numbers(view: View) -> list[RangePart]:
    """By table, column, and range, the host's own part first; at a station its own parts."""
    ranges = numbers.load_ranges(view.connection)
    found = []
    for (peer, number), share in sorted(numbers.load_shares(view.connection).items(), key=lambda each: each[0][::-1]):
        stored = ranges[number]
        if peer == 0:
            stock = [each for each in numbers.stock(view.connection, number) if each.left]
            blocks = [Block(each.following, each.block.highest, each.block.serial) for each in stock]
            part = RangePart(
                stored.range, stored.table_name, view.node.name, share, sum(each.left for each in stock), blocks
            )
        else:
            blocks = [span.block for span in number_spans.held(view.connection, number, peer)]
            part = RangePart(stored.range, stored.table_name, view.name_of(peer), share, None, blocks)
        found.append(part)
    return found


# --- finding and checking ---------------------------------------------------------------------------------------------


def _peer(unit: Unit, station: str) -> int:
    if station == unit.state.name:
        return 0
    try:
        return state.find_peer(unit.connection, station).id
    except UnknownName:
        raise UnknownName(
            f"there is no station named {station}, and this host is {unit.state.name}; see: replicator station list"
        ) from None


def ranges_of(unit: Unit, table: str, column: str | None) -> list[StoredRange]:
    found = [
        each
        for each in numbers.load_ranges(unit.connection).values()
        if each.table_name == table and column in (None, each.range.column)
    ]
    if not found:
        name = table if column is None else f"{table}.{column}"
        raise UnknownName(f"there is no number range of {name}; see: replicator numbers list")
    return found


def _column(table: Table, column: str | None) -> str:
    definition = table.definition
    if column is None:
        if not definition.autoincrement:
            raise WrongUse(f"say which column of {table.name} holds the number: --column NAME")
        return definition.primary_key[0]
    if column not in definition.column_names:
        raise UnknownName(f"table {table.name} has no column {column} that is replicated")
    return column


def _way(table: Table, column: str, wish: Wish) -> Way:
    definition = table.definition
    kind = definition.columns[definition.index_of(column)]
    name, fill = f"{table.name}.{column}", wish.fill or Empty.NULL
    if kind.type.kind not in (TypeKind.INTEGER, TypeKind.TEXT):
        raise WrongUse(f"{name} holds neither whole numbers nor text, so it can't be numbered")
    is_text = kind.type.kind is TypeKind.TEXT
    if wish.form and not is_text:
        raise WrongUse(f"{name} holds whole numbers: a text around them has no room there")
    if definition.autoincrement and definition.primary_key == (column,):
        if wish.fill is not None or wish.chosen:
            raise WrongUse(f"{name} is a key that counts by itself: leave out --fill-when and --chosen")
        return Way.KEYS
    if wish.chosen:
        return Way.CHOSEN
    if column in definition.primary_key:
        raise WrongUse(f"{name} is part of the primary key, which can't be filled in later: take --chosen")
    if fill is Empty.NULL and not kind.nullable:
        raise WrongUse(f"{name} must not be empty, so say what the application writes instead: --fill-when 0 or ''")
    if fill in (Empty.ZERO, Empty.TEXT) and (fill is Empty.TEXT) != is_text:
        raise WrongUse(f"--fill-when {fill} does not go with the type of {name}")
    return Way.FILLED


def _highest(table: Table, column: str, form: Form) -> int:
    """That the column can hold."""
    definition = table.definition
    kind = definition.columns[definition.index_of(column)].type
    if kind.kind is TypeKind.INTEGER:
        return HIGHEST if kind.bits is None else 2 ** (kind.bits - 1) - 1
    digits = _LONGEST_NUMBER
    if kind.length is not None:
        digits = min(digits, kind.length - len(form.before) - len(form.after))
    if digits < 1:
        raise WrongUse(f"{table.name}.{column} has no room for a number and the text around it")
    return int(10**digits) - 1


def _range(unit: Unit, table: Table, column: str, wish: Wish) -> StoredRange:
    """The range that is meant: the newest of this column, unless a text around the number is wished that it hasn't."""
    way = _way(table, column, wish)
    there = [
        each
        for each in numbers.load_ranges(unit.connection).values()
        if each.range.table == table.id and each.range.column == column
    ]
    if wish.form is not None:
        there = [each for each in there if each.range.form == wish.form]
    if not there:
        return _new_range(unit, table, column, way, wish)
    stored = there[-1]
    if wish.start is not None:
        _start_later(unit, stored, wish.start)
    fill = (wish.fill or Empty.NULL) if way is Way.FILLED else None
    if (wish.fill is not None or wish.chosen) and (way, fill) != (stored.range.way, stored.range.fill):
        numbers.change_range(unit.connection, stored.range.id, way, fill)
        stored = numbers.load_ranges(unit.connection)[stored.range.id]
        for (peer, number), share in numbers.load_shares(unit.connection).items():
            if number == stored.range.id and peer:
                open_group(unit, control="numbers")
                granting.tell(unit, stored, peer, share, [])
    return stored


def _new_range(unit: Unit, table: Table, column: str, way: Way, wish: Wish) -> StoredRange:
    form = wish.form or Form()
    number = max(numbers.load_ranges(unit.connection), default=0) + 1
    fill = (wish.fill or Empty.NULL) if way is Way.FILLED else None
    highest = _highest(table, column, form)
    known = NumberRange(number, table.id, column, way, fill, 1, form)
    last = unit.database.highest_number(unit.connection, table, known, -HIGHEST, HIGHEST)
    start = max(1, (last or 0) + 1) if wish.start is None else wish.start
    if start < 0:
        raise WrongUse(f"--from {start}: numbers are not negative")
    if last is not None and start <= last:
        raise WrongUse(f"{table.name} has numbers up to {last} already: begin with --from {last + 1} or higher")
    known = NumberRange(number, table.id, column, way, fill, start, form)
    numbers.insert_range(unit.connection, known, table.name, highest, unit.now)
    return numbers.load_ranges(unit.connection)[number]


def _start_later(unit: Unit, stored: StoredRange, start: int) -> None:
    def step(ledger: Ledger) -> None:
        if start < ledger.high_water:
            name, last = f"{stored.table_name}.{stored.range.column}", ledger.high_water - 1
            raise WrongUse(f"numbers of {name} up to {last} have been granted: go on with --from {last + 1} or higher")
        ledger.pass_over(start)

    granting.change(unit, stored.range.id, step)


# --- shares -----------------------------------------------------------------------------------------------------------


def _set_share(unit: Unit, stored: StoredRange, peer: int, wish: Wish) -> NumbersSet:
    known, shares = stored.range, numbers.load_shares(unit.connection)
    old = shares.get((peer, known.id))
    share = _share(unit, stored, old, wish)
    for (holder, number), other in shares.items():
        if holder == peer and number != known.id and not other.closed:
            another = numbers.load_ranges(unit.connection)[number]
            if (another.range.table, another.range.column) == (known.table, known.column):
                number_ledgers.close_share(unit, another, peer)
    numbers.save_share(unit.connection, peer, known.id, share)
    # What a station that has a part already has left it knows itself, and asks for what the new setting wants.
    wanted = share.wanted(0) if old is None or old.closed else 0
    blocks = granting.grant(unit, stored, peer, wanted)
    if peer:
        open_group(unit, control="numbers")
        granting.tell(unit, stored, peer, share, blocks)
    else:
        number_ledgers.take_own(unit, stored, blocks)
    return NumbersSet(f"{stored.table_name}.{known.column}", known.way, known.form, share, blocks)


def _share(unit: Unit, stored: StoredRange, old: Share | None, wish: Wish) -> Share:
    usual = Share(0)
    if stored.range.way is Way.KEYS:
        table = unit.tables[stored.range.table].definition
        bits = table.columns[table.index_of(stored.range.column)].type.bits
        usual = Share(KEY_BLOCKS.get(bits or 64, 1_000))
    block = (old or usual).block if wish.block is None else wish.block
    refill = (old or usual).refill if wish.refill is None else wish.refill
    if wish.block is None and not block:
        raise WrongUse("say how many numbers it gets at a time: --block 50")
    if not 0 < block <= MOST_AT_A_TIME:
        raise WrongUse(f"--block {block} is no number of numbers that it could get at a time: write --block 50")
    if not 0 <= refill <= 100:
        raise WrongUse("--refill is a part of a block: 0% to 100%")
    return Share(block, refill)
