"""A station's chunk of records replayed at a place, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from small_tables import Place, key_of

from replicator.protocol.questions import Questions
from replicator.protocol.replaying import Record, Replay
from replicator.types import Image, Key, Kinds, Position, Table, Tie, Value

S, T, H, PRIVATE = Tie.SHARED.value, Tie.DETACHED.value, Tie.HIDDEN.value, Tie.NONE.value
HERE: Position = (1, 50)


def new(table: Table, *image: Value, at: Position = HERE, verdict: bool = False) -> Record:
    return _put(table, "N", image, at, verdict)


def changed(table: Table, *image: Value, at: Position = HERE, verdict: bool = False) -> Record:
    return _put(table, "C", image, at, verdict)


def gone(table: Table, *key: Value, at: Position = HERE, verdict: bool = False) -> Record:
    return Record(at, table.id, "D", key_of(*key), None, verdict)


def _put(table: Table, change: str, image: Image, at: Position, verdict: bool) -> Record:
    key = key_of(*(image[index] for index in table.definition.key_indexes))
    return Record(at, table.id, change, key, image, verdict)


class Replayed:
    """One chunk: records, and numbers for acknowledgements between them; written as the engine would."""

    def __init__(
        self,
        place: Place,
        *steps: Record | int,
        flags: Kinds = Kinds.ALL,
        pending: Mapping[tuple[int, Key], int] | None = None,
        judged: int = 0,
        questions: Questions | None = None,
        **more: Any,
    ) -> None:
        """`more`: further fields of the replay."""
        self.place = place
        kinds = dict.fromkeys(place.working.tables, flags)
        replay = Replay(place.working, kinds, pending or {}, judged, questions=questions or Questions(), **more)
        replay.unsettled_rows = lambda table, _judged: [
            (key, image) for key, image in place.working[table].rows.items() if replay.is_unsettled((table, key))
        ]
        for step in steps:
            if isinstance(step, int):
                replay.acknowledge(step)
            else:
                replay.record(step)
        replay.settle()
        for table, plans in replay.plans.items():
            state = place.working[table]
            if not (state.unique or state.parents or state.children):
                for planned in plans.values():
                    state.put(planned.key, planned.image)
        self.replay = replay

    @property
    def asked(self) -> list[tuple[int, Key]]:
        return list(self.replay.refreshes)

    @property
    def skipped(self) -> dict[tuple[int, Key], tuple[Position, Image | None]]:
        return self.replay.skipped

    @property
    def conflicts(self) -> list[tuple[str, Key, Image | None, Image | None]]:
        """(kind, key, the host's row, ours)."""
        return [(str(c.kind), c.key, c.host_image, c.station_image) for c in self.replay.conflicts]
