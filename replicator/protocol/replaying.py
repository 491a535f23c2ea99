"""A station replays the host's log: what each record does here, with keys that stay valid. Pure.

protocol.md 5.5 (apply on a station) and 7.9 (rules by tie); keys are `replay_keys`. The engine loads a chunk's working
set, calls `Replay.record` for each record in stream order, `Replay.settle` at the end of the chunk, and writes what is
planned.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from replicator.protocol.images import same_image
from replicator.protocol.proposals import Conflict, ConflictKind
from replicator.protocol.questions import Questions, Where
from replicator.protocol.replay_keys import KeyKeeper
from replicator.protocol.ties import Action, receive_row
from replicator.protocol.working_set import TableState, Version, WorkingSet, new_version
from replicator.types import Image, Key, Kinds, Position, Tie

_NONE, _DROP, _KEEP = Kinds.NONE, Action.DROP, Action.KEEP
_NO_TIE, _HIDDEN = str(Tie.NONE.value), str(Tie.HIDDEN.value)
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
    original: Image | None
    first: Position
    """Of the first record of this row in the chunk."""
    refused: bool = False
    restored: ConflictKind | None = None
    """A row that was deleted here comes back: what that is on record as."""


Pending = Mapping[Where, int]
"""Own changes that await a verdict: (table, key) to the highest sequence number."""

UnsettledRows = Callable[[int, int], Iterable[tuple[Key, Image]]]
"""Present rows of a table, as stored, on which a verdict or an answer is still to come. Asked with the table and the
sequence number judged so far."""


def _no_rows(_table: int, _judged: int) -> Iterable[tuple[Key, Image]]:
    return ()


class NoneHeld:
    """Rows of which the host's version was set aside, each with its number (protocol.md 5.14): there are none."""

    def row(self, _where: Where) -> int | None:
        return None

    def rows(self, _table: int) -> Iterable[tuple[Key, Image | None, int]]:
        """Of a table, as they stand here; None: there is no row."""
        return ()


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
    skipped: dict[Where, tuple[Position, Image | None]] = field(default_factory=dict)
    refreshes: dict[Where, None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    dropped: int = 0
    questions: Questions = field(default_factory=Questions)
    unanswerable: Container[int] = ()
    """Tables that the station has no rule for (any more): the host tells it nothing of them."""
    sought: Container[Where] = ()
    """Parents that rows which were skipped wait for: one that was deleted here comes back."""
    unsettled_rows: UnsettledRows = _no_rows
    held: NoneHeld = field(default_factory=NoneHeld)
    comes_back: bool = False
    """At a backup station: a row that was deleted here comes back as soon as the host has another version of it. As the
    host it would else have a state of the row that nobody has seen it delete."""
    withheld: set[Where] = field(default_factory=set)
    """Rows of which the rules let a record not pass, no answer: what was set aside of them is still wanted."""

    def acknowledge(self, sequence: int) -> None:
        self.judged = max(self.judged, sequence)

    def is_pending(self, table: int, key: Key) -> bool:
        return bool(self.pending) and self.pending.get((table, key), 0) > self.judged

    def is_unsettled(self, where: Where) -> bool:
        """Is a verdict on this row, or an answer about it, still to come?"""
        return self.is_pending(*where) or self.questions.is_open(where, self.judged)

    def ask(self, where: Where) -> bool:
        """The host shall say what stands there. False where it would not answer."""
        if where[0] in self.unanswerable:
            return False
        self.refreshes[where] = None
        self.questions.new[where] = None
        return True

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
        restored = None
        if what.action is _DROP:
            if image is not None and tie == _HIDDEN:
                restored = self._restored(record, version)
            if restored is None:
                self.dropped += 1
                if not verdict:
                    self.withheld.add((table, key))
                return
            what = receive_row(_NO_TIE, True, change, True, _NONE)
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
            plans[key] = Planned(key, position, image, new, local, state.rows.get(key), position, restored=restored)
        else:
            planned.position, planned.image, planned.version = position, image, new
            planned.record_local |= local
            planned.restored = planned.restored or restored

    def _restored(self, record: Record, version: Version | None) -> ConflictKind | None:
        """Does a row come back that was deleted here?"""
        if record.verdict and (record.table, record.key) in self.sought:
            return ConflictKind.PARENT_RESTORED
        if self.comes_back and version is not None and record.position > version.position:
            return ConflictKind.DELETED_CHANGED
        return None

    # --- end of the chunk ---------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Refuse what would break a key, move aside who stands in the way, record what gives way."""
        constrained = [
            (self.working_set[table], plans)
            for table, plans in self.plans.items()
            if (state := self.working_set[table]).unique or state.parents or state.children
        ]
        if constrained:
            KeyKeeper(self, constrained).keep()
        for table, plans in self.plans.items():
            self._finish(self.working_set[table], plans)

    def _finish(self, state: TableState, plans: dict[Key, Planned]) -> None:
        number, skipped = state.table.id, self.skipped
        standing = {key: planned for key, planned in plans.items() if not planned.refused}
        state.set_versions({key: planned.version for key, planned in standing.items()})
        for key in standing if skipped else ():
            skipped.pop((number, key), None)
        for planned in standing.values():
            local, image = planned.original, planned.image
            if planned.record_local and local is not None and not same_image(local, image):
                kind = ConflictKind.LOCAL_GAVE_WAY
                self.conflicts.append(Conflict(number, planned.key, kind, image, local, image))
            elif planned.restored is not None and image is not None:
                self.conflicts.append(Conflict(number, planned.key, planned.restored, image, None, image))
