"""A station replays the host's log: what each record does here, with keys that stay valid. Pure.

protocol.md 5.5 (apply on a station), 7.7 (variant B: what would break a key is skipped, kept, and asked for again) and
7.9 (rules by tie). The engine loads a chunk's working set, calls `Replay.record` for each record in stream order,
`Replay.settle` at the end of the chunk, and writes what is planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from replicator.protocol.constraints import yield_unique
from replicator.protocol.images import same_image
from replicator.protocol.proposals import Conflict, ConflictKind
from replicator.protocol.ties import Action, receive_row
from replicator.protocol.working_set import KeyIndex, TableState, Version, WorkingSet
from replicator.types import Image, Key, Kinds, Position, Tie


class Record(NamedTuple):
    """A row record of the host's log, as it arrives."""

    position: Position
    table: int
    change: str
    key: Key
    image: Image | None
    verdict: bool


@dataclass(slots=True)
class Planned:
    """What is to happen to one row."""

    key: Key
    position: Position
    image: Image | None
    version: Version
    record_local: bool
    original: Image | None = None
    refused: bool = False


Pending = Mapping[tuple[int, Key], int]
"""Own changes that await a verdict: (table, key) to the highest sequence number."""


@dataclass(slots=True)
class Replay:
    """One chunk of records under replay."""

    working_set: WorkingSet
    flags: Mapping[int, Kinds]
    """Downward kinds of the rule in force, by table."""
    pending: Pending
    judged: int
    """Own sequence numbers up to here have their verdict; raised by acks in between."""
    plans: dict[int, dict[Key, Planned]] = field(default_factory=dict)
    skipped: dict[tuple[int, Key], tuple[Position, Image | None]] = field(default_factory=dict)
    refreshes: dict[tuple[int, Key], None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    moved_aside: dict[int, dict[Key, Image | None]] = field(default_factory=dict)
    """Settled holders of a unique value: their row with another value, or None where they have to go."""
    dropped: int = 0

    def acknowledge(self, sequence: int) -> None:
        self.judged = max(self.judged, sequence)

    def is_pending(self, table: int, key: Key) -> bool:
        return bool(self.pending) and self.pending.get((table, key), 0) > self.judged

    # --- one record --------------------------------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        """Decide on a record, in stream order."""
        table, key, image = record.table, record.key, record.image
        if self.pending and self.is_pending(table, key):
            # The host will judge my change and tell me.
            self.skipped[table, key] = (record.position, image)
            return
        state = self.working_set[table]
        plans = self.plans.setdefault(table, {})
        planned = plans.get(key)
        version = planned.version if planned is not None else state.versions.get(key)
        tie = "" if version is None else version.tie
        what = receive_row(tie, image is not None, record.change, record.verdict, self.flags.get(table, Kinds.NONE))
        if what.action is Action.DROP:
            self.dropped += 1
            return
        epoch, n = record.position
        if what.action is Action.KEEP:
            moved = Version(table, key, epoch, n, deleted=1, tie=what.tie)
            if planned is not None:
                planned.version = moved
            else:
                state.set_version(moved)
            return
        edited = version is not None and version.image is not None
        new = Version(table, key, epoch, n, deleted=int(image is None), tie=what.tie)
        local = what.record_local or edited
        if planned is None:
            plans[key] = Planned(key, record.position, image, new, local, state.rows.get(key))
        else:
            planned.position, planned.image, planned.version = record.position, image, new
            planned.record_local |= local

    # --- end of the chunk ---------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Refuse what would break a key, move aside who stands in the way, record what gives way."""
        constrained = [
            (self.working_set[table], plans)
            for table, plans in self.plans.items()
            if (state := self.working_set[table]).unique or state.parents or state.children
        ]
        if constrained:
            self._keep_keys_valid(constrained)
        for table, plans in self.plans.items():
            self._finish(self.working_set[table], plans)

    def _finish(self, state: TableState, plans: dict[Key, Planned]) -> None:
        for planned in plans.values():
            if planned.refused:
                continue
            state.set_version(planned.version)
            self.skipped.pop((state.table.id, planned.key), None)
            local = planned.original
            if planned.record_local and local is not None and not same_image(local, planned.image):
                self.conflicts.append(
                    Conflict(
                        state.table.id,
                        planned.key,
                        ConflictKind.LOCAL_GAVE_WAY,
                        planned.image,
                        local,
                        planned.image,
                    )
                )

    def _keep_keys_valid(self, constrained: list[tuple[TableState, dict[Key, Planned]]]) -> None:
        holders = {
            (state.table.id, place): dict(index.holders)
            for state, _ in constrained
            for place, index in enumerate(state.unique)
        }
        for state, plans in constrained:
            for planned in plans.values():
                state.put(planned.key, planned.image)
        changed = True
        while changed:
            changed = False
            for state, plans in constrained:
                for planned in plans.values():
                    if not planned.refused and not self._stands(state, plans, planned, holders):
                        changed = True

    def _stands(
        self,
        state: TableState,
        plans: dict[Key, Planned],
        planned: Planned,
        holders: dict[tuple[int, int], dict[object, Key]],
    ) -> bool:
        """Does this plan leave all keys valid? If not it is refused here and asked for again."""
        table, key, image = state.table.id, planned.key, planned.image
        if planned.original is not None and state.children and _keeps_children(state, planned):
            return self._refuse(state, planned, (table, key))
        if image is None:
            return True
        for link in state.parents:
            value = link.index.comparable([image[index] for index in link.indexes])
            if value is not None and value not in link.index.holders:
                parent = self._parent_key(link.foreign_key.parent_columns, link.parent, image, link.indexes)
                asked = ((link.parent.table.id, parent),) if parent is not None else ()
                return self._refuse(state, planned, *asked, (table, key))
        for place, index in enumerate(state.unique):
            if not self._unique_stands(state, plans, planned, index, holders[table, place]):
                return False
        return True

    @staticmethod
    def _parent_key(columns: tuple[str, ...], parent: TableState, child: Image, indexes: tuple[int, ...]) -> Key | None:
        from replicator.protocol.keys import pack_key

        if columns != parent.table.definition.primary_key:
            return None
        return pack_key([child[index] for index in indexes])

    def _refuse(self, state: TableState, planned: Planned, *ask: tuple[int, Key]) -> bool:
        planned.refused = True
        state.put(planned.key, planned.original)
        self.skipped[state.table.id, planned.key] = (planned.position, planned.image)
        for question in ask:
            self.refreshes[question] = None
        return False

    def _unique_stands(
        self,
        state: TableState,
        plans: dict[Key, Planned],
        planned: Planned,
        index: KeyIndex,
        stored: dict[object, Key],
    ) -> bool:
        """Is the unique value free, or can its holder be moved? A pending holder is never renamed."""
        table, key, image = state.table.id, planned.key, planned.image
        assert image is not None  # noqa: S101 - the caller has looked
        wanted = index.of(image)
        holder = None if wanted is None else stored.get(wanted)
        if holder is None or holder == key:
            return True
        other = plans.get(holder)
        if other is not None and not other.refused:
            if other.image is None or index.of(other.image) != wanted:
                return True  # gets another value, or goes, in the same chunk: two-phase put
        elif self.is_pending(table, holder):
            return self._refuse(state, planned, (table, key))
        held = state.rows.get(holder)
        if held is None or index.of(held) != wanted:
            return True
        return self._move_aside(state, planned, index, holder, held)

    def _move_aside(self, state: TableState, planned: Planned, index: KeyIndex, holder: Key, held: Image) -> bool:
        """A settled holder that a later record will set right yields; one that stays is put on record."""
        table = state.table.id
        yielded = yield_unique(state, index, holder, held)
        if yielded is None and any(count.counts.get(count.of_parent(held), 0) for count in state.children):
            return self._refuse(state, planned, (table, planned.key))
        version = state.versions.get(holder)
        tie = Tie.NONE if version is None else Tie(version.tie)
        self.moved_aside.setdefault(table, {})[holder] = yielded
        state.put(holder, yielded)
        if planned.image is not None:
            # `put` of the holder may have taken the value out of the index that the newcomer now holds.
            state.put(planned.key, planned.image)
        if tie is Tie.SHARED:
            self.refreshes[table, holder] = None
        if tie is not Tie.SHARED or (version is not None and version.image is not None):
            self.conflicts.append(Conflict(table, holder, ConflictKind.MOVED_ASIDE, planned.image, held, yielded))
        return True


def _keeps_children(state: TableState, planned: Planned) -> bool:
    """Would local rows be left without the parent that goes, or that changes what they refer to?"""
    original, image = planned.original, planned.image
    if original is None:
        return False
    for count in state.children:
        value = count.of_parent(original)
        if value is None or (image is not None and count.of_parent(image) == value):
            continue
        if count.counts.get(value, 0) > 0:
            return True
    return False
