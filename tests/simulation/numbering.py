"""Numbers: a table of documents beside the others, whose number is filled in from blocks of six (protocol.md 5.6).

Its dice are its own, so that seeds without it have the story that they had. S6: no number is issued twice, and none is
both issued and still to be had. S7: each number up to the high-water mark is accounted for.
"""

from __future__ import annotations

import json
import sqlite3
from random import Random
from typing import TYPE_CHECKING

from replicator.operations import numbers_admin
from replicator.operations.numbers_admin import Wish
from replicator.operations.rules_admin import set_rule
from replicator.operations.table_admin import add_tables
from replicator.types import Kinds
from tests.simulation.schema import UNCHECKED

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

TABLE = UNCHECKED
BLOCK = 6
UNDETECTED = {"image", "clone", "host-image"}
"""What a node can't notice before mail comes: numbers may be issued twice until then (protocol.md 1.3)."""


class Numbering:
    """What the applications have issued, as they know it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = Random(f"numbers {world.ledger.written} {len(world.faults)} {sorted(world.faults)}")
        self._next = 1
        self.issued: dict[int, tuple[str, int]] = {}
        """By number: who has issued it, for which row."""
        self.strict = not UNDETECTED & world.faults

    def begin(self) -> None:
        """By the real operations, at the host; all else travels."""
        world, node = self._world, self._world.host.process
        world.host.application.raw.execute(f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, number INTEGER)")
        add_tables(node, [TABLE])
        for name in [world.host.name, *(station.station for station in world.stations)]:
            if name != world.host.name:
                set_rule(node, name, TABLE, to_remote=Kinds.ALL, to_host=Kinds.ALL)
            numbers_admin.set_numbers(node, name, TABLE, "number", Wish(block=BLOCK))

    def happenings(self, node: SimulatedNode) -> None:
        if self._dice.random() < 0.45:
            self._write(node)
        if self._dice.random() < 0.03 and node.name not in self._world.away and not node.halted:
            self._world.act(node, "give back numbers", lambda node: numbers_admin.give_back(node.process))

    def _write(self, node: SimulatedNode) -> None:
        raw = node.application.raw
        if node.application.open or not _is_numbered(raw):
            return
        if node.was_set_back:
            return  # as docs/numbers.md says: the replicator runs before the application does
        node.before_write()
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        first = self._next
        for _ in range(self._dice.randint(1, 4)):
            try:
                raw.execute(f"INSERT INTO {TABLE} (id) VALUES (?)", (self._next,))
            except sqlite3.IntegrityError as error:
                told = "no number is left here" in str(error) or "has halted" in str(error)
                self._world.expect(told, "a number was refused for another reason", lambda error=error: str(error))
            self._next += 1
        if self._dice.random() < 0.25:
            raw.execute("ROLLBACK")
            return
        found = raw.execute(f"SELECT id, number FROM {TABLE} WHERE id >= ?", (first,)).fetchall()
        raw.execute("COMMIT")
        for row, number in found:
            self._issue(node, row, number)

    def _issue(self, node: SimulatedNode, row: int, number: int) -> None:
        before = self.issued.get(number)
        if self.strict:
            self._world.expect(before is None, "number issued twice", lambda: f"{node.name} {row} {number}: {before}")
        self.issued[number] = (node.name, row)
        self._world.tell("%s: document %d has the number %s", node.name, row, number)

    def was_set_back(self, node: SimulatedNode) -> None:
        """Where no mail has left since the backup nothing tells of it: the operator should have (protocol.md 5.6)."""
        (run,) = node.application.raw.execute("SELECT run FROM replicator_node").fetchone()
        side = json.loads((node.folder / "home" / "state").read_text())
        if side["run"] <= run:
            self.power_was_cut(node)

    def power_was_cut(self, node: SimulatedNode) -> None:
        """What was not durable was never issued."""
        there: set[int] = set()
        if _exists(node.application.raw):
            there = {number for (number,) in node.application.raw.execute(f"SELECT number FROM {TABLE}")}
        self.issued = {n: whose for n, whose in self.issued.items() if whose[0] != node.name or n in there}

    # --- at the end ----------------------------------------------------------------------------------------------

    def verify(self) -> None:
        world, expect = self._world, self._world.expect
        host = world.host.application.raw
        peers = {name: number for number, name in host.execute("SELECT id, name FROM replicator_peer")}
        (start, high_water) = host.execute("SELECT start, high_water FROM replicator_number_range").fetchone()
        fate: dict[int, tuple[str, int]] = {}
        for lowest, highest, state, holder in host.execute(
            "SELECT lowest, highest, state, holder FROM replicator_number_span"
        ):
            for number in range(lowest, highest + 1):
                expect(number not in fate, "number in two spans", lambda number=number: str(number))
                fate[number] = (state, holder)
        expect(set(fate) == set(range(start, high_water)), "number unaccounted")
        free = {number for number, (state, _) in fate.items() if state in ("free", "retired")}
        in_hand: dict[int, str] = {}
        for node in world.nodes if self.strict else ():
            holder = 0 if node.is_host else peers.get(node.station, -1)
            for number in _in_hand(node.application.raw):
                expect(number not in in_hand, "number held by two", lambda number=number: str(number))
                expect(number not in self.issued, "issued number still to be had", lambda number=number: str(number))
                expect(fate.get(number) == ("held", holder), "number drawn from that the ledger does not know")
                in_hand[number] = node.name
        if self.strict:
            # S7: what a node holds by the ledger is issued, or it has it in hand.
            held = {number for number, (state, _) in fate.items() if state == "held"}
            unknown = held - self.issued.keys() - in_hand.keys()
            expect(not unknown, "number held by nobody", lambda: str(sorted(unknown)))
            expect(not free & self.issued.keys(), "issued number still free", lambda: str(free & self.issued.keys()))
        rows = host.execute(f"SELECT id, number FROM {TABLE} ORDER BY id").fetchall()
        numbers = [number for _, number in rows]
        if self.strict:
            expect(len(numbers) == len(set(numbers)), "number in two rows")
        for node in world.stations:
            mine = node.application.raw.execute(f"SELECT id, number FROM {TABLE} ORDER BY id").fetchall()
            expect(mine == rows, "documents differ", lambda node=node: node.name)


def _exists(raw: sqlite3.Connection) -> bool:
    return bool(raw.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (TABLE,)).fetchone())


def _is_numbered(raw: sqlite3.Connection) -> bool:
    """The triggers stand: before, nobody would fill a number in."""
    found = raw.execute("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'replicator_number_fill%'")
    return bool(found.fetchone())


def _in_hand(raw: sqlite3.Connection) -> list[int]:
    found = raw.execute("SELECT next_number, highest FROM replicator_number_stock WHERE state = 0").fetchall()
    return [number for first, last in found for number in range(first, last + 1)]
