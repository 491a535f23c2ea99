"""A backup station becomes the host: what it was told, and what becomes of its own rows (protocol.md 10.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from replicator.engine import content, local_rows, promoting, shadowing
from replicator.engine.node import Unit
from replicator.protocol.number_ledger import Ledger
from replicator.protocol.proposals import Conflict, ConflictKind
from replicator.protocol.replaying import Replay
from replicator.store import timelines
from tests.simulation.mutations.registry import mutation, nothing

PROMOTION = ("promotion",)


@mutation("hidden", "a row that was deleted at the backup station stays away, whatever the host does to it", PROMOTION)
def _hidden() -> None:
    def restored(self: Replay, record: Any, _version: Any) -> ConflictKind | None:
        sought = record.verdict and (record.table, record.key) in self.sought
        return ConflictKind.PARENT_RESTORED if sought else None

    Replay._restored = restored  # type: ignore[method-assign]


@mutation("bases", "a backup station's rows are as of the snapshot, as another station's", PROMOTION)
def _bases() -> None:
    original = content.Content.blocks

    def blocks(*arguments: Any) -> Iterator[Any]:
        return (replace(block, bases=[]) for block in original(*arguments))

    content.Content.blocks = blocks  # type: ignore[method-assign, assignment]


@mutation("judged", "a backup station does not keep which groups of stations the host has judged", PROMOTION)
def _judged() -> None:
    shadowing.remember_new_groups = nothing


@mutation("takeover", "what was written at the backup station does not become a change of the new host's", PROMOTION)
def _takeover() -> None:
    local_rows._standing = nothing
    local_rows._hidden = nothing


@mutation(
    "firelost", "the new host takes all that the former one has told its stations for known", (*PROMOTION, "loss")
)
def _firelost() -> None:
    def end(connection: Any, peer: int, epoch: int, _position: Any) -> None:
        timelines.end(connection, peer, epoch, (epoch, 1 << 40))

    promoting.stored_timelines = SimpleNamespace(end=end)  # type: ignore[assignment]


@mutation("undone", "a delete that the backup station could not apply is undone without a record", PROMOTION)
def _undone() -> None:
    original = local_rows._save

    def not_applied(table: int, key: Any, image: Any, here: Any) -> Conflict:
        return Conflict(table, key, ConflictKind.DROPPED, image, here, here)

    def save(unit: Unit, done: Any) -> None:
        done.undone = []
        original(unit, done)

    local_rows._not_applied = not_applied
    local_rows._save = save


@mutation("shortened", "of a block that a station names shorter than the ledger has it the end stays held", PROMOTION)
def _shortened() -> None:
    Ledger.shorten = nothing  # type: ignore[method-assign, assignment]
