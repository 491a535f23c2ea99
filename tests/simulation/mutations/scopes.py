"""Rules, content and snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from replicator.databases.sqlite.database import SqliteDatabase
from replicator.engine import collect, content, rule_changes, snapshot
from replicator.engine.journalling import Journal
from replicator.engine.node import Unit
from replicator.protocol import ties
from replicator.store import slices
from replicator.types import Kinds, Operation, Tie
from tests.simulation.mutations.registry import mutation, nothing


@mutation("backfill", "widening a rule sends nothing of what is there, neither down nor up")
def _backfill() -> None:
    content.send_upward = nothing
    original = Journal.add_control

    def add_control(self: Journal, peer: int, kind: str, body: Any, **_: Any) -> None:
        original(self, peer, kind, {**body, "scope": [], "content": 0} if kind == "rule" else body)

    Journal.add_control = add_control  # type: ignore[method-assign]
    rule_changes.slices.insert_content = nothing


@mutation("private", "changes and deletes of a row that never was shared are sent")
def _private() -> None:
    original = collect._StationClassifier.classify

    def classify(self: Any, change: Any, version: Any, grouping: Any) -> Any:
        if change.operation is not Operation.INSERT and (version is None or version.tie == Tie.NONE):
            grouping.number()
            kind = "D" if change.image is None else "C"
            self._add(change.table, kind, change.key, change.image, change.mask, change.before, change.at)
            return None
        return original(self, change, version, grouping)

    collect._StationClassifier.classify = classify  # type: ignore[method-assign]


@mutation("present", "a 'changed' record also makes rows that the station does not have")
def _present() -> None:
    original = ties._DOWNWARD.copy()
    for (tie, present, change, verdict, flags), what in original.items():
        if present and what.action is ties.Action.DROP and tie != Tie.HIDDEN:
            new = original[tie, present, change, verdict, flags | Kinds.NEW]
            ties._DOWNWARD[tie, present, change, verdict, flags] = new


@mutation("snappos", "a snapshot's position is read after its rows, in a later transaction")
def _snappos() -> None:
    original = snapshot._seal

    def seal(unit: Unit, plan: Any, rows: Any) -> bool:
        collect.collect(unit)
        unit.journal.finish()
        newest = slices.next_slice_id(unit.connection) - 1
        return original(unit, replace(plan, position=unit.state.position, cut_slice=newest), rows)

    snapshot._seal = seal


@mutation("reader", "a snapshot's rows are read as they come, not as they stood at its position")
def _reader() -> None:
    @contextmanager
    def unpinned(self: SqliteDatabase, _held: Any) -> Iterator[Any]:
        connection = self._opener.another()
        try:
            yield connection
        finally:
            connection.close()

    SqliteDatabase.snapshot = unpinned  # type: ignore[method-assign, assignment]
