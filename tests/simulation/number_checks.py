"""S6, S7, and that two blocks are in hand: what must be true of numbers when all have come to rest."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from tests.simulation import auditing, numbered
from tests.simulation.numbered import BILL, NUMBERED, SLIP, Numbered

if TYPE_CHECKING:
    from tests.simulation.numbering import Numbering
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

Fate = dict[int, tuple[str, int]]
"""By number: state and holder, as the host's ledger has it."""


def verify(world: World, numbering: Numbering) -> None:
    for kind in NUMBERED.values():
        fate = _fate(world, kind)
        if numbering.strict:
            _strict(
                world, kind, fate, {n: whose for (table, n), whose in numbering.issued.items() if table == kind.table}
            )
        _equal(world, kind, strict=numbering.strict)
        auditing.verify(world, numbering, kind, fate)
        for node in world.nodes if world.keeper is None else [n for n in world.nodes if n is not world.keeper]:
            _two_blocks(world, node, kind)


def _fate(world: World, kind: Numbered) -> Fate:
    raw, expect = world.host.application.raw, world.expect
    number, start, high_water = raw.execute(
        "SELECT id, start, high_water FROM replicator_number_range WHERE table_name = ?", (kind.table,)
    ).fetchone()
    fate: Fate = {}
    for lowest, highest, state, holder in raw.execute(
        "SELECT lowest, highest, state, holder FROM replicator_number_span WHERE range_id = ?", (number,)
    ):
        for each in range(lowest, highest + 1):
            expect(each not in fate, "number in two spans", lambda each=each: f"{kind.table} {each}")
            fate[each] = (state, holder)
    expect(set(fate) == set(range(start, high_water)), "number unaccounted", lambda: kind.table)
    return fate


def _strict(world: World, kind: Numbered, fate: Fate, issued: dict[int, tuple[str, int]]) -> None:
    """Where nothing happened that a node can't notice."""
    expect = world.expect
    peers = dict(world.host.application.raw.execute("SELECT name, id FROM replicator_peer"))
    in_hand: dict[int, str] = {}
    kept: set[int] = set()
    for node in world.nodes:
        raw, holder = node.application.raw, 0 if node.is_host else peers.get(node.station, -1)
        for number in numbered.in_hand(raw, kind):
            where = f"{node.name} {kind.table} {number}"
            expect(number not in in_hand, "number held by two", lambda where=where: where)
            expect(number not in issued, "issued number still to be had", lambda where=where: where)
            expect(
                fate.get(number) == ("held", holder),
                "number drawn from that the ledger does not know",
                lambda where=where, number=number: f"{where}: {fate.get(number)}",
            )
            in_hand[number] = node.name
        if kind is BILL:
            # What was passed over may be chosen later.
            kept |= {
                n for first, last, _, state in numbered.blocks(raw, kind) if state < 2 for n in range(first, last + 1)
            }
    # S7: what a node holds by the ledger is issued, or it has it in hand.
    held = {number for number, (state, _) in fate.items() if state == "held"}
    unknown = held - issued.keys() - in_hand.keys() - kept
    expect(not unknown, "number held by nobody", lambda: f"{kind.table} {sorted(unknown)}")
    available = {number for number, (state, _) in fate.items() if state in ("free", "retired")}
    expect(
        not available & issued.keys(), "issued number still free", lambda: f"{kind.table} {available & issued.keys()}"
    )
    unknown = issued.keys() - fate.keys()
    expect(not unknown, "issued number that was never granted", lambda: f"{kind.table} {sorted(unknown)}")


def _equal(world: World, kind: Numbered, *, strict: bool) -> None:
    rows = _rows(world.host.application.raw, kind)
    for node in world.stations:
        mine = _rows(node.application.raw, kind)
        world.expect(
            mine == rows,
            f"{kind.table}s differ",
            lambda node=node, mine=mine: f"{node.name}: {set(mine) ^ set(rows)}",
        )
    # A numbered column always refuses: nothing was emptied, or got another text, to make room.
    numbers = [kind.number(value) for _, value in rows]
    world.expect(all(numbers), "a row has lost its number", lambda: f"{kind.table} {rows}")
    if strict:
        world.expect(len(numbers) == len(set(numbers)), "number in two rows", lambda: kind.table)


def _rows(raw: sqlite3.Connection, kind: Numbered) -> list[tuple[int, object]]:
    return raw.execute(f"SELECT id, {kind.column} FROM {kind.table} ORDER BY id").fetchall()


def _two_blocks(world: World, node: SimulatedNode, kind: Numbered) -> None:
    """More was asked for early, and is there: who draws no more than a block between two contacts never runs out."""
    raw = node.application.raw
    found = raw.execute(
        "SELECT block, refill FROM replicator_number_share JOIN replicator_number_range r ON r.id = range_id"
        " WHERE peer = 0 AND closed = 0 AND r.table_name = ?",
        (kind.table,),
    ).fetchone()
    world.expect(found is not None, "a node has no part in a range", lambda: f"{node.name} {kind.table}")
    if found is None or _is_full(world, kind):
        return
    block, refill = found
    left = len(numbered.in_hand(raw, kind))
    world.expect(
        left > block + block * refill // 100,
        "fewer than two blocks are in hand at rest",
        lambda: f"{node.name} {kind.table}: {left}, {block} at a time; {numbered.blocks(raw, kind)}",
    )
    if kind is SLIP:
        following = numbered.following_key(raw)
        world.expect(
            following in numbered.in_hand(raw, kind),
            "the counter of keys stands in no block",
            lambda: f"{node.name} {following}: {numbered.blocks(raw, kind)}",
        )


def _is_full(world: World, kind: Numbered) -> bool:
    """A column that holds no higher number: somebody was told."""
    message = f"{kind.table}.{kind.column} has no numbers left%"
    query = "SELECT 1 FROM replicator_notice WHERE message LIKE ?"
    return world.host.application.raw.execute(query, (message,)).fetchone() is not None
