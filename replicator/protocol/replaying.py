"""A station replays the host's log: what each record does here, with keys that stay valid. Pure.

protocol.md 5.5 (apply on a station), 7.7 (variant B: what would break a key is skipped, kept, and asked for again) and
7.9 (rules by tie). The engine loads a chunk's working set, calls `Replay.record` for each record in stream order,
`Replay.settle` at the end of the chunk, and writes what is planned.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from replicator.protocol.constraints import yield_unique
from replicator.protocol.images import same_image
from replicator.protocol.proposals import Conflict, ConflictKind
from replicator.protocol.ties import Action, receive_row
from replicator.protocol.working_set import KeyIndex, TableState, Version, WorkingSet, new_version
from replicator.types import Image, Key, Kinds, Position, Tie

_NONE, _DROP, _KEEP = Kinds.NONE, Action.DROP, Action.KEEP
"""Looking up a member in its enumeration takes as long as the rest of a decision; here it is done for each record."""


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
    dropped: int = 0
    _stored: dict[tuple[int, tuple[str, ...]], dict[Hashable, Key]] = field(default_factory=dict)
    """Who holds which unique value in the database, by table and columns, before any of this is written."""

    def acknowledge(self, sequence: int) -> None:
        self.judged = max(self.judged, sequence)

    def is_pending(self, table: int, key: Key) -> bool:
        return bool(self.pending) and self.pending.get((table, key), 0) > self.judged

    # --- one record --------------------------------------------------------------------------------------------------

    def record(self, record: Record) -> None:
        """Decide on a record, in stream order."""
        position, table, change, key, image, verdict = record
        if self.pending and self.is_pending(table, key):
            # The host will judge my change and tell me.
            self.skipped[table, key] = (position, image)
            return
        state = self.working_set.tables[table]
        plans = self.plans.get(table)
        if plans is None:
            plans = self.plans[table] = {}
        planned = plans.get(key)
        version = planned.version if planned is not None else state.versions.get(key)
        tie = "" if version is None else version.tie
        what = receive_row(tie, image is not None, change, verdict, self.flags.get(table, _NONE))
        if what.action is _DROP:
            self.dropped += 1
            return
        epoch, n = position
        if what.action is _KEEP:
            moved = new_version(Version, (table, key, epoch, n, 1, 0, 0, 1, 0, what.tie, None))
            if planned is not None:
                planned.version = moved
            else:
                state.set_version(moved)
            return
        edited = version is not None and version.image is not None
        new = new_version(Version, (table, key, epoch, n, int(image is None), 0, 0, 1, 0, what.tie, None))
        local = what.record_local or edited
        if planned is None:
            plans[key] = Planned(key, position, image, new, local, state.rows.get(key))
        else:
            planned.position, planned.image, planned.version = position, image, new
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
        number, skipped = state.table.id, self.skipped
        standing = {key: planned for key, planned in plans.items() if not planned.refused}
        state.set_versions({key: planned.version for key, planned in standing.items()})
        for key in standing if skipped else ():
            skipped.pop((number, key), None)
        for planned in standing.values():
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
        self._stored = {
            (state.table.id, index.columns): dict(index.holders) for state, _ in constrained for index in state.unique
        }
        for state, plans in constrained:
            for planned in plans.values():
                state.put(planned.key, planned.image)
        changed = True
        while changed:
            changed = False
            for state, plans in constrained:
                for planned in plans.values():
                    if not planned.refused and not self._stands(state, plans, planned):
                        changed = True

    def _stands(self, state: TableState, plans: dict[Key, Planned], planned: Planned) -> bool:
        """Does this plan leave all keys valid? If not it is refused here and asked for again."""
        table, key, image = state.table.id, planned.key, planned.image
        if planned.original is not None and state.children and state.orphans(key, planned.original, image):
            return self._refuse(state, planned, (table, key))
        if image is None:
            return True
        for link in state.parents:
            value = link.wanted(image)
            if value is not None and value not in link.index.holders:
                parent = link.key_of_parent(image)
                asked = ((link.parent.table.id, parent),) if parent is not None else ()
                return self._refuse(state, planned, *asked, (table, key))
        return all(self._unique_stands(state, plans, planned, index) for index in state.unique)

    def _refuse(self, state: TableState, planned: Planned, *ask: tuple[int, Key]) -> bool:
        planned.refused = True
        state.put(planned.key, planned.original)
        for index in state.unique:
            # A holder that this plan had taken a value from in memory has it again.
            value = None if planned.image is None else index.of(planned.image)
            holder = None if value is None else self._stored[state.table.id, index.columns].get(value)
            if holder is not None and holder in state.rows and index.of(state.rows[holder]) == value:
                index.holders.setdefault(value, holder)
        self.skipped[state.table.id, planned.key] = (planned.position, planned.image)
        for question in ask:
            self.refreshes[question] = None
        return False

    def _unique_stands(self, state: TableState, plans: dict[Key, Planned], planned: Planned, index: KeyIndex) -> bool:
        """Is the unique value free, or can its holder be moved? A pending holder is never renamed."""
        table, key = state.table.id, planned.key
        row = state.rows.get(key)  # not the plan's where it was moved aside already
        wanted = None if row is None else index.of(row)
        if wanted is None:
            return True
        for holder in {self._stored[table, index.columns].get(wanted): None, index.holders.get(wanted): None}:
            if holder is None or holder == key:
                continue
            held = state.rows.get(holder)
            if held is None or index.of(held) != wanted:
                continue  # gets another value, or goes, in the same chunk: two-phase put
            other = plans.get(holder)
            if other is None or other.refused:
                if self.is_pending(table, holder):
                    return self._refuse(state, planned, (table, key))
                return self._move_aside(state, planned, index, holder)
            # The host has no such pair: the older one got another value there, which the rules withhold.
            older, newer = (planned, other) if planned.position < other.position else (other, planned)
            return self._move_aside(state, newer, index, older.key)
        return True

    def _move_aside(self, state: TableState, planned: Planned, index: KeyIndex, holder: Key) -> bool:
        """A settled holder that a later record will set right yields; one that stays is put on record."""
        table, held = state.table.id, state.rows[holder]
        yielded = yield_unique(state, index, holder, held)
        if state.children and state.orphans(holder, held, yielded):
            return self._refuse(state, planned, (table, planned.key))
        other = self.plans[table].get(holder)
        version = state.versions.get(holder) if other is None or other.refused else other.version
        tie = Tie.NONE if version is None else Tie(version.tie)
        state.put(holder, yielded)
        state.register(planned.key)  # the value that the holder had is the newcomer's now
        if tie is Tie.SHARED:
            self.refreshes[table, holder] = None
        if tie is not Tie.SHARED or (version is not None and version.image is not None):
            self.conflicts.append(Conflict(table, holder, ConflictKind.MOVED_ASIDE, planned.image, held, yielded))
        return True
