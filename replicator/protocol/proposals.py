"""What the host judges and what comes of it (protocol.md 5.7), as plain data."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from replicator.protocol.key_indexes import ChildCount
from replicator.protocol.rules import RuleBook
from replicator.types import ChangeClass, Image, Key, Kinds, Position, Table, Value


class Proposal(NamedTuple):
    """One row change that a station proposes."""

    order: int
    table: int
    change: str
    """'N', 'C' or 'D' as the station's rules classed it."""
    key: Key
    image: Image | None
    mask: int
    before: tuple[Value, ...] | None
    """Old values of the masked columns."""
    base: Position
    at: int
    sent: Key | None = None
    """The key as the station has it, where the host's database writes one of the row's keys (its own or one of a
    parent) otherwise, or alters a value (rounds it): the row goes back to the station, whatever comes of it, and one
    of another key goes there."""


class ConflictKind(StrEnum):
    BOTH_CHANGED = "both-changed"
    BOTH_INSERTED = "both-inserted"
    CHANGED_DELETED = "changed-here-deleted-at-host"
    DELETED_CHANGED = "deleted-here-changed-at-host"
    FORBIDDEN = "forbidden-by-rule"
    FORGOTTEN = "older-than-backups"
    PARENT_KEPT = "parent-kept"
    PARENT_RESTORED = "parent-restored"
    PARENT_MISSING = "parent-missing"
    UNIQUE_RENAMED = "unique-renamed"
    UNIQUE_REFUSED = "unique-refused"
    LOCAL_GAVE_WAY = "local-row-gave-way"
    MOVED_ASIDE = "moved-aside"
    GIVEN_BACK = "given-back"
    """After a restore of the host: what a station gave back, or what it would have taken the place of."""
    DROPPED = "dropped-from-quarantine"
    COLUMN_DROPPED = "column-dropped"
    """The station wrote to a column that the host has no more: the value went nowhere else."""


class Conflict(NamedTuple):
    """Something got lost or was decided: both images and what stands now."""

    table: int
    key: Key
    kind: ConflictKind
    host_image: Image | None
    station_image: Image | None
    result: Image | None
    mask: int = 0
    """Columns that the station changed, where that is told."""
    station_at: int | None = None
    """When the station wrote its row, by its clock; microseconds since 1970 UTC."""
    host_at: int | None = None
    host_writer: int | None = None
    """Peer that wrote the host's row; 0: the host itself. None: nobody knows."""
    form: Table | None = None
    """The version of the table that the images and the mask are of; None: the one that it is in now."""


class LogRecord(NamedTuple):
    """A row record for the host's log."""

    table: int
    change: str
    key: Key
    image: Image | None
    mask: int
    at: int
    shared: bool
    """Goes to all whose rule wants its kind."""
    clean: bool
    """The origin has it as it is, or hears of the row later in the group: its link leaves the record out."""
    verdict: bool
    """Goes to the origin as a verdict, whatever the rules say."""
    before: tuple[Value, ...] | None = None
    """What stood at the host: old values of the masked columns; of a delete the whole row."""
    made: bool = False
    """A delete of what this very group had made: it also goes to those who were sent the new row."""


@dataclass(slots=True)
class GroupContext:
    """The group under judgement."""

    position: Position
    origin: int
    origin_epoch: int
    rules: RuleBook
    rule_version: Position
    received_at: int
    repeat_verdicts: bool = False
    """The group was sent anew after a restart of the stream: its verdict goes back in any case."""
    altered: set[tuple[int, Key]] = field(default_factory=set)
    """Rows (table, key) whose change in this group was taken, but not as it was sent: a key gave way."""
    unfounded: set[tuple[int, Key]] = field(default_factory=set)
    """Rows whose change in this group did not know what stands: nor does what follows, which builds on that change."""
    forbidden: set[tuple[int, Key]] = field(default_factory=set)
    """Rows that this group made, against the rules: what it does to them afterwards is part of that."""
    answered: set[tuple[int, Key]] = field(default_factory=set)
    """Rows of which this group's origin gets a verdict: what becomes of them later in the group must follow it."""
    promised: set[tuple[int, Key]] = field(default_factory=set)
    """Parents (table, key) that come later in the group than rows that refer to them."""
    left: set[tuple[ChildCount, Hashable]] = field(default_factory=set)
    """Foreign keys and values of parents that go earlier in the group than rows that refer to them."""
    judged: int = 0
    """How many of these changes have been judged, with the one that is."""
    _allowed: dict[int, str] = field(default_factory=dict)
    _changes: Sequence[Proposal] = ()
    _coming: dict[tuple[int, Key], list[Proposal]] | None = None
    _of_children: dict[ChildCount, dict[Hashable, dict[Key, tuple[int, Proposal]]]] = field(default_factory=dict)

    def begin(self, changes: Sequence[Proposal]) -> None:
        """These changes of the group are judged now, in this order."""
        self._changes, self._coming, self.judged = changes, None, 0
        self._of_children.clear()
        self.promised.clear()
        self.left.clear()

    def remember(self) -> tuple[set[tuple[int, Key]], ...]:
        """What is known of the group's rows, to come back to where some of its changes are undone."""
        return tuple(set(known) for known in (self.altered, self.unfounded, self.forbidden, self.answered))

    def back_to(self, known: tuple[set[tuple[int, Key]], ...]) -> None:
        self.altered, self.unfounded, self.forbidden, self.answered = (set(each) for each in known)

    def coming(self, table: int, key: Key) -> Sequence[Proposal]:
        """The inserts of a row that these changes begin with one and do not delete in the end; none else."""
        if self._coming is None:
            changes: dict[tuple[int, Key], list[Proposal]] = {}
            for change in self._changes:
                changes.setdefault((change.table, change.key), []).append(change)
            self._coming = {
                where: [change for change in found if change.change == "N"]
                for where, found in changes.items()
                # An update makes no row: one that follows a delete finds none.
                if found[0].change == "N" and [change for change in found if change.change != "C"][-1].change == "N"
            }
        return self._coming.get((table, key), ())

    def of_children(self, count: ChildCount) -> Mapping[Hashable, Mapping[Key, tuple[int, Proposal]]]:
        """By the value of a foreign key: rows that refer to it or once did and that these changes move, each with the
        last change that does and the place of that among these changes, from 0."""
        found = self._of_children.get(count)
        if found is None:
            found = self._of_children[count] = {}
            changes = [(place, change) for place, change in enumerate(self._changes) if change.table == count.child.id]
            last = {each.key: (place, each) for place, each in changes if count.is_moved_by(each.image, each.mask)}
            rows = [(key, row) for key in last if count.child_state and (row := count.child_state.rows.get(key))]
            rows += [(each.key, each.image) for _, each in changes if each.image is not None and each.key in last]
            for key, row in rows:
                value = count.of_child(row)
                if value is not None:
                    found.setdefault(value, {})[key] = last[key]
        return found

    def allowed(self, table: int) -> str:
        """Upward classes ('N', 'C', 'D') allowed by the rules under which the station classed the group."""
        found = self._allowed.get(table)
        if found is None:
            kinds = self.rules.at(table, self.rule_version).to_host
            found = self._allowed[table] = _CLASSES[kinds]
        return found


_CLASSES = tuple("".join(change for change in ChangeClass if change.kind in kinds) for kinds in map(Kinds, range(8)))
"""By `Kinds`: the letters of what they allow. Looked up for every change, so not asked of the flags."""


@dataclass(slots=True)
class Outcome:
    """What judging adds, in order."""

    records: list[LogRecord] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


PackImage = Callable[[Image], bytes]
