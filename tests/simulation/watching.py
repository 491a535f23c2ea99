"""Invariants that must hold after every apply, watched at every commit of the replicator."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.protocol.keys import unpack_key
from tests.simulation.ledger import Write
from tests.simulation.schema import SPECS, Content, RowKey, token

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

Pending = dict[tuple[str, RowKey], int]


@dataclass
class Before:
    """A station as it stood before the apply that is under way."""

    content: Content
    last: int
    """Last sequence number of its journal."""
    waiting: set[tuple[str, RowKey]]
    """Rows with a change that awaits its verdict."""


class Watcher:
    def __init__(self, world: World) -> None:
        self._world = world
        self._before: dict[str, Before] = {}
        self._check: set[str] = set()

    def applying(self, node: SimulatedNode) -> None:
        """Called within the transaction that applies, so that the application's connection still sees the old rows."""
        self._check.add(node.name)
        if node.is_host or node.name in self._before:
            return
        raw = node.application.raw
        last = raw.execute("SELECT last_n FROM replicator_node").fetchone()[0]
        self._before[node.name] = Before(node.application.content(), last, set(pending(self._world, raw)))

    def wrote(self, node: SimulatedNode, writes: Iterable[Write]) -> None:
        """The application wrote between two transactions of the replicator."""
        before = self._before.get(node.name)
        if before is not None:
            for write in writes:
                before.content[write.table].pop(write.key, None)
                if write.new is not None:
                    before.content[write.table][write.key] = write.new

    def forget(self, node: SimulatedNode) -> None:
        self._before.pop(node.name, None)
        self._check.discard(node.name)

    def committed(self, node: SimulatedNode) -> None:
        if node.name not in self._check:
            return
        after = node.application.content()
        self.check_rows(node, after)
        before = self._before.pop(node.name, None)
        if before is not None:
            self._check_pending(node, before, after)
        if self._world.numbering is not None:
            self._world.numbering.applied(node)
        self._check.discard(node.name)

    def check_rows(self, node: SimulatedNode, rows: Content) -> None:
        """S3 and S4."""
        expect, name = self._world.expect, node.name
        for column in ("name", "code"):
            values = [row[column] for row in rows["cust"].values() if row[column] is not None]
            expect(len(values) == len(set(values)), f"unique key broken at {_where(name)}")
        for row in rows["item"].values():
            expect((row["cust"],) in rows["cust"], f"foreign key broken at {_where(name)}", lambda row=row: str(row))
        for (who, place), row in rows["pair"].items():
            other = rows["pair"].get((who, 1 - place))
            expect(other is not None and other["v"] == row["v"], f"half a transaction visible at {_where(name)}")
        for row in rows["stock"].values():
            expect(row["x"] == row["y"], f"a trigger's effect was torn off at {_where(name)}", lambda row=row: str(row))

    def _check_pending(self, node: SimulatedNode, before: Before, after: Content) -> None:
        """S5: what still awaits its verdict is as it was."""
        still = pending(self._world, node.application.raw)
        for (table, key), first in still.items():
            if (table, key) in before.waiting and first <= before.last:
                old, new = before.content[table].get(key), after[table].get(key)
                same = (old is None) == (new is None) and (
                    old is None or new is None or all(token(old[c]) == token(new[c]) for c in SPECS[table].columns)
                )
                self._world.expect(
                    same,
                    "a pending row was overwritten",
                    lambda table=table, key=key, old=old, new=new: f"{node.name} {table} {key}: {old} -> {new}",
                )


def _where(name: str) -> str:
    return "the host" if name == "host" else "a station"


def pending(world: World, raw: sqlite3.Connection) -> Pending:
    """Rows of a station with journalled changes that the host has not judged yet, with the oldest's number."""
    names = {number: name for name, number in world.table_numbers.items()}
    found = raw.execute(
        "SELECT table_id, row_key, min(n) FROM replicator_journal_key"
        " WHERE n > (SELECT judged_n FROM replicator_link) GROUP BY table_id, row_key"
    )
    waiting = [each for each in found.fetchall() if each[0] in names]
    return {(names[table], tuple(unpack_key(key))): n for table, key, n in waiting}


def fingerprint(node: SimulatedNode) -> tuple[object, ...]:
    """All that a mail that is not ours must not change."""
    raw = node.application.raw
    return (
        repr(node.application.content()),
        raw.execute("SELECT * FROM replicator_link ORDER BY peer").fetchall(),
        raw.execute("SELECT count(*), max(n) FROM replicator_journal").fetchone(),
        raw.execute("SELECT count(*), max(id) FROM replicator_conflict").fetchone(),
        raw.execute("SELECT * FROM replicator_batch_in ORDER BY 1, 2, 3, 4").fetchall(),
        raw.execute("SELECT * FROM replicator_batch_out ORDER BY 1, 2").fetchall(),
    )
