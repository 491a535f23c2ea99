"""Numbers: three tables beside the others whose numbers come from ranges, in blocks of six (protocol.md 5.6).

In every run, a little; with the fault `numbers` all the time. Its dice are its own. S6: no number is issued twice, and
none is both issued and still to be had. S7: each number up to the high-water mark is accounted for (`number_checks`).
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from random import Random
from typing import TYPE_CHECKING

from replicator.engine.numbers import KIND
from replicator.operations import numbers_admin
from replicator.operations.numbers_admin import Wish
from replicator.operations.rules_admin import set_rule
from replicator.operations.table_admin import add_tables
from replicator.types import Kinds
from tests.simulation import numbered
from tests.simulation.numbered import BILL, NUMBERED, SLIP, Drawn, Numbered

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

UNDETECTED = {"image", "clone", "host-image"}
"""What a node can't notice before mail comes: numbers may be issued twice until then (protocol.md 1.3)."""
OFTEN, SELDOM = (0.45, 0.03, 0.02), (0.08, 0.005, 0.004)
"""How likely in a step: the application draws; somebody gives numbers back; somebody changes a setting."""


class Numbering:
    """What the applications have issued, as they know it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = Random(f"numbers {world.ledger.written} {len(world.faults)} {sorted(world.faults)}")
        self._unique = itertools.count(1).__next__
        self._often = OFTEN if "numbers" in world.faults else SELDOM
        self._length = self._dice.choice((numbered.NARROW, numbered.WIDE))
        self.issued: dict[tuple[str, int], tuple[str, int]] = {}
        """By table and number: who has issued it, for which row."""
        self._made: dict[str, list[tuple[str, int]]] = {}
        """The same by node, in their order."""
        self._gave_back: set[str] = set()
        """Nodes that have given numbers back."""
        self.strict = not UNDETECTED & world.faults

    def begin(self) -> None:
        """By the real operations, at the host; all else travels."""
        world, node = self._world, self._world.host.process
        for kind in NUMBERED.values():
            world.host.application.raw.execute(kind.create(self._length))
        add_tables(node, list(NUMBERED))
        for name in [world.host.name, *(station.station for station in world.stations)]:
            for kind in NUMBERED.values():
                if name != world.host.name:
                    set_rule(node, name, kind.table, to_remote=Kinds.ALL, to_host=Kinds.ALL)
                numbers_admin.set_numbers(node, name, kind.table, kind.column, kind.wish)
        # Stations that have blocks from the first step on: else little is drawn by whoever is set back.
        for each in 3 * self._world.nodes if "numbers" in self._world.faults and self._dice.random() < 0.7 else ():
            self._world.run(each)

    def may_tell(self, kind: str, message: str) -> bool:
        """A notice that is due: a column is full."""
        return kind == KIND and message.startswith(f"{BILL.table}.{BILL.column} has no numbers left")

    def happenings(self, node: SimulatedNode) -> None:
        draws, returns, sets = self._often
        if self._dice.random() < draws:
            self._write(node)
        if self._dice.random() < returns and node.name not in self._world.away and not node.halted:
            self._gave_back.add(node.name)
            self._world.act(node, "give back numbers", lambda node: numbers_admin.give_back(node.process))
        if self._dice.random() < sets and self._world.host.name not in self._world.away:
            self._set()

    def _set(self) -> None:
        """Somebody changes a setting at the host, which the others learn of."""
        names = sorted({node.station for node in self._world.nodes if node is not self._world.keeper})
        name, kind = self._dice.choice(names), self._dice.choice(list(NUMBERED.values()))
        wish = Wish(block=self._dice.choice((2, 6, 9)), refill=self._dice.choice((0, 25, 100)))
        self._world.act(
            self._world.host,
            f"sets {kind.table} of {name}: {wish.block} at a time, {wish.refill}%",
            lambda host: numbers_admin.set_numbers(host.process, name, kind.table, kind.column, wish),
        )

    # --- the application ---------------------------------------------------------------------------------------------

    def _write(self, node: SimulatedNode) -> None:
        raw = node.application.raw
        kinds = [kind for kind in NUMBERED.values() if numbered.is_numbered(raw, kind)]
        if node.application.open or not kinds:
            return
        if node.was_set_back:
            return  # as docs/numbers.md says: the replicator runs before the application does
        node.before_write()
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        drawn = [self._draw(node, self._dice.choice(kinds)) for _ in range(self._dice.randint(1, 4))]
        if self._dice.random() < 0.25:
            raw.execute("ROLLBACK")
            return
        if self._dice.random() < 0.1:
            self._void(raw, self._dice.choice(kinds))
        raw.execute("COMMIT")
        for each in drawn:
            if each.value is not None:
                self._issue(node, each)

    def _draw(self, node: SimulatedNode, kind: Numbered) -> Drawn:
        raw, expect = node.application.raw, self._world.expect
        drawn = numbered.draw(raw, kind, self._dice, self._unique)
        if drawn.value is None:
            self._refused(node, drawn)
            return drawn
        number = kind.number(drawn.value)
        expect(drawn.lawful, "a number of another place was taken", lambda: f"{node.name} {drawn}")
        expect(
            numbered.is_ours(raw, kind, number),
            "a number outside the node's blocks was drawn",
            lambda: f"{node.name} {drawn}: {numbered.blocks(raw, kind)}",
        )
        return drawn

    def _refused(self, node: SimulatedNode, drawn: Drawn) -> None:
        """By a sentence that names the range, and only where there is cause; nothing else of the transaction goes."""
        raw, kind, expect = node.application.raw, drawn.kind, self._world.expect

        def detail() -> str:
            return f"{node.name} {drawn}: {numbered.blocks(raw, kind)}"

        if drawn.error.startswith("UNIQUE"):
            # Somebody typed a number that stands; or two computers draw from the same blocks.
            expect(drawn.forced or not self.strict, "a number was drawn that stands already", detail)
            return
        named = drawn.error.startswith(f"{kind.table}.{kind.column}: ") and "replicator" in drawn.error
        expect(named, "a number was refused without naming the range", detail)
        if drawn.forced:
            expect(not drawn.lawful or kind is not BILL, "a number of this place was refused", detail)
            return
        mine = numbered.in_hand(raw, kind)
        if kind is not SLIP:
            expect(not mine, "a number was refused though there are some in hand", detail)
            return
        # The counter is moved to the next block by a run: SQLite lets no trigger do it.
        at_its_end = numbered.is_ours(raw, kind, numbered.following_key(raw) - 1)
        if mine:
            expect(at_its_end, "a key was refused though there is a block above", detail)

    def applied(self, node: SimulatedNode) -> None:
        """However high the keys are that came: the next one is of a block, or this node has come to the end of one."""
        raw = node.application.raw
        if not numbered.is_numbered(raw, SLIP) or not self._has_blocks_in_order(node):
            return
        following = numbered.following_key(raw)
        self._world.expect(
            numbered.is_ours(raw, SLIP, following) or numbered.is_ours(raw, SLIP, following - 1),
            "higher keys came without a block above them",
            lambda: f"{node.name} {following}: {numbered.blocks(raw, SLIP)}",
        )

    def _has_blocks_in_order(self, node: SimulatedNode) -> bool:
        """Nothing of its keys was given back or taken from it, and no grant belonged to an epoch of before."""
        states = {state for _, _, _, state in numbered.blocks(node.application.raw, SLIP)}
        world = self._world
        return (
            self.strict and node.name not in self._gave_back and states in ({0}, {1}, {0, 1}) and not world.host.backup
        )

    def _void(self, raw: sqlite3.Connection, kind: Numbered) -> None:
        raw.execute(f"DELETE FROM {kind.table} WHERE id = (SELECT max(id) FROM {kind.table})")

    def _issue(self, node: SimulatedNode, drawn: Drawn) -> None:
        kind, row, number = drawn.kind, drawn.row, drawn.kind.number(drawn.value)
        before = self.issued.get((kind.table, number))
        if self.strict:
            self._world.expect(
                before is None or (drawn.passed and before[0] == node.name),
                "number issued twice",
                lambda: f"{node.name} {kind.table} {row} {number}: {before}",
            )
        self.issued[kind.table, number] = (node.name, row)
        self._made.setdefault(node.name, []).append((kind.table, number))
        node.undurable_numbers += 1
        self._world.tell("%s: %s %d has the number %d", node.name, kind.table, row, number)

    # --- what is lost ------------------------------------------------------------------------------------------------

    def count(self, node: SimulatedNode) -> int:
        """How many the node has issued."""
        return len(self._made.get(node.name, ()))

    def was_set_back(self, node: SimulatedNode, count: int) -> None:
        """Where no mail has left since the backup nothing tells of it: the operator should have (protocol.md 5.6).
        `count`: of the numbers that it had issued by then."""
        (run,) = node.application.raw.execute("SELECT run FROM replicator_node").fetchone()
        side = json.loads((node.folder / "home" / "state").read_text())
        if side["run"] <= run:
            self._forget(node, count)

    def power_was_cut(self, node: SimulatedNode, undurable: int) -> None:
        """What was not durable was never issued."""
        self._forget(node, self.count(node) - undurable)

    def _forget(self, node: SimulatedNode, count: int) -> None:
        made = self._made.get(node.name, [])
        for which in made[count:]:
            if self.issued.get(which, ("", 0))[0] == node.name:
                del self.issued[which]
        del made[count:]
