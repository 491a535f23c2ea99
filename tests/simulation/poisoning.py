"""Poison: for a while a node's table has a rule of its own by which some of the new values can't be stored there."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from replicator.engine import releasing
from replicator.protocol.keys import unpack_key
from tests.simulation.records import table_names
from tests.simulation.schema import SPECS, RowKey

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

COLUMN = "refused"
"""Of the application's own, generated, so that it does not travel, with a CHECK."""


def prepare(world: World) -> None:
    """Half of the worlds take what one collect finds for a transaction that stays together, as PostgreSQL tells it."""
    world.whole = world.chance(0.5)
    for node in world.nodes:
        node.whole = world.whole
        node.kill()


def happenings(world: World, node: SimulatedNode) -> None:
    if node.application.open:
        return
    if world.chance(0.06):
        _poison(world, node)
    elif world.chance(0.04):
        _heal(world, node)


def _poison(world: World, node: SimulatedNode) -> None:
    # A part of a merged group may stand alone; the checker takes the rows of `pair` for a transaction.
    tables = [table for table in SPECS if table != "pair" or world.whole]
    table = world.dice.choice(tables)
    if table not in node.application.tables() or _is_poisoned(node, table):
        return
    column = world.dice.choice(SPECS[table].tokens)
    floor, every = node.application.unique(), world.dice.choice((1, 2, 3))
    check = f"typeof({column}) <> 'integer' OR {column} < {floor} OR {column} % {every} <> 0"
    world.tell("%s: POISON: %s only where %s", node.name, table, check)
    world.was_poisoned = True
    _execute(node, f"ALTER TABLE {table} ADD COLUMN {COLUMN} INTEGER AS (0) CHECK ({check})")


def _heal(world: World, node: SimulatedNode) -> None:
    for table in sorted(node.application.tables()):
        if _is_poisoned(node, table):
            world.tell("%s: HEALED: %s", node.name, table)
            _execute(node, f"ALTER TABLE {table} DROP COLUMN {COLUMN}")


def _execute(node: SimulatedNode, statement: str) -> None:
    node.before_write()
    node.application.raw.execute(statement)


def _is_poisoned(node: SimulatedNode, table: str) -> bool:
    columns = node.application.raw.execute("SELECT name FROM pragma_table_xinfo(?)", (table,)).fetchall()
    return (COLUMN,) in columns


def poisoned(node: SimulatedNode) -> bool:
    return any(_is_poisoned(node, table) for table in node.application.tables())


def heal(world: World) -> bool:
    """The causes are gone; of some nodes a person says so at once. Whether there was anything."""
    if not any(poisoned(node) or held(node) for node in world.nodes):
        return False
    for node in world.nodes:
        _heal(world, node)
        if world.chance(0.5):
            world.act(node, "quarantine retry", lambda node: releasing.release(node.process))
    return True


def held(node: SimulatedNode, station: str | None = None) -> set[tuple[str, RowKey]]:
    """Rows with a change in quarantine; `station`: with one of that station's."""
    raw: sqlite3.Connection = node.application.raw
    names = table_names(raw)
    found = raw.execute(
        "SELECT table_id, row_key FROM replicator_quarantine q LEFT JOIN replicator_peer p ON p.id = q.peer"
        " WHERE ? IS NULL OR p.name = ?",
        (station, station),
    ).fetchall()
    return {(names[number], tuple(unpack_key(key))) for number, key in found}
