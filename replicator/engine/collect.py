"""Collect, the sequencer: what the triggers captured becomes numbered groups in the journal (protocol.md 5.1).

Runs inside a unit: reads all captured changes visible in one snapshot, never by "id > last id", and removes exactly
those. At a station each change is classed by the rule in force and the row's tie; at the host it gets a row version,
a class and its recipients. In chunks of a few thousand: the backlog may be of any size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from replicator.databases.base import Change
from replicator.engine.node import Node, Unit
from replicator.engine.recipients import MADE_AND_DELETED, Recipients
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.edits import merge_edit
from replicator.protocol.images import full_mask, same_value
from replicator.protocol.ties import classify_upward
from replicator.protocol.working_set import MADE, REMADE, Version, new_version
from replicator.store import journal, rows, sql
from replicator.store.journal import Group
from replicator.types import NOWHERE, Image, Key, Kinds, Operation

_INSERT, _UPDATE = Operation.INSERT, Operation.UPDATE
"""Looking up a member in its enumeration is slow, and here it is done for each change."""

CHUNKS = 4
"""Chunks of captured changes numbered in one transaction, where a backlog is collected gently."""


def collect_gently(node: Node) -> int:
    """Number a backlog in several short transactions, so that the application need not wait for all of it.

    One collect is one group, whatever its size; it is published when it is whole. What is captured meanwhile belongs
    to the next group. Where that can't be (several writers), the backlog waits for `collect`.
    """
    count = 0
    while True:
        with node.unit() as unit:
            state = unit.state
            mark = state.open_through or unit.database.outbox_mark(unit.connection)
            if mark is None:
                return count
            collected, more = _collect_through(unit, mark, CHUNKS)
            count += collected
            if not more:
                return count


Note = Callable[[list[Version]], None]


def collect(unit: Unit, note: Note | None = None) -> int:
    """Number everything captured so far. Returns how many changes were read. `note` is told which versions rows got."""
    count = 0
    if unit.state.open_through:
        count, _ = _collect_through(unit, unit.state.open_through, None, note)
    count += _collect_through(unit, None, None, note)[0]
    _number_requests(unit)
    return count


def finish_open_group(unit: Unit) -> None:
    """Number the rest of a group that an earlier collect has begun; nothing else."""
    if unit.state.open_through:
        _collect_through(unit, unit.state.open_through, None)
    unit.journal.finish()


def _collect_through(unit: Unit, mark: int | None, most: int | None, note: Note | None = None) -> tuple[int, bool]:
    """Number up to `mark` (None: all), at most so many chunks. Returns how many, and whether the group goes on."""
    connection, database, state = unit.connection, unit.database, unit.state
    grouping = Grouping(unit)
    if state.open_group:
        grouping.resume(state.open_group)
    count, more = 0, False
    if not database.outbox_is_empty(connection):
        classifier: Classifier = _HostClassifier(unit) if unit.is_host else _StationClassifier(unit)
        for chunks, chunk in enumerate(database.read_outbox(connection, unit.tables, mark, unit.forms), start=1):
            _collect_chunk(unit, chunk, grouping, classifier, note)
            count += len(chunk)
            if most is not None and chunks >= most:
                more = True
                break
        database.clear_outbox(connection)
        # An empty outbox may count anew: nothing written from here on may pass for what stood before the mark.
        more = more and not database.outbox_is_empty(connection)
    state.open_group, state.open_through = (grouping.n, mark or 0) if more else (0, 0)
    if more:
        unit.journal.pause()
    else:
        unit.journal.close()
    return count, more


def number_found(unit: Unit, chunks: Iterable[list[Change]]) -> int:
    """Changes that no trigger saw become one group, as if they had been captured. To be called behind a collect."""
    grouping = Grouping(unit, merged=True)
    classifier: Classifier = _HostClassifier(unit) if unit.is_host else _StationClassifier(unit)
    count = 0
    for chunk in chunks:
        _collect_chunk(unit, chunk, grouping, classifier)
        count += len(chunk)
    unit.journal.close()
    return count


class Classifier(Protocol):
    def classify(self, change: Change, version: Version | None, grouping: Grouping) -> Version | None:
        """Journal the change as the rules want it; returns the row's new version, None where it stays."""

    def flush(self) -> None: ...


def _collect_chunk(
    unit: Unit, chunk: list[Change], grouping: Grouping, classifier: Classifier, note: Note | None = None
) -> None:
    keys: defaultdict[int, dict[Key, None]] = defaultdict(dict)
    for change in chunk:
        keys[change.table][change.key] = None
    known = {table: rows.load_versions(unit.database, unit.connection, table, wanted) for table, wanted in keys.items()}
    moved: dict[int, dict[Key, Version]] = {table: {} for table in keys}
    last: dict[int, dict[Key, Change]] = {table: {} for table in keys}
    classify = classifier.classify
    by_transaction = unit.database.capabilities.transactions_are_groups
    for change in chunk:
        table, key = change.table, change.key
        if by_transaction:
            grouping.transaction(change.transaction)
        done, versions = last[table], known[table]
        if key in done:
            _verify(unit, change, done[key].image)
        done[key] = change
        version = classify(change, versions.get(key), grouping)
        if version is not None:
            versions[key] = moved[table][key] = version
    classifier.flush()
    for changed in moved.values():
        rows.save_versions(unit.database, unit.connection, list(changed.values()))
        if note is not None:
            note(list(changed.values()))


def _verify(unit: Unit, change: Change, previous: Image | None) -> None:
    """A change's old values must be the previous change's new ones: else something was written that no trigger saw."""
    if change.before is None:
        seen = previous is None
    elif previous is None:
        seen = False
    elif change.image is None:
        seen = all(map(same_value, previous, change.before))
    else:
        masked = (value for index, value in enumerate(previous) if change.mask >> index & 1)
        seen = all(map(same_value, masked, change.before))
    if not seen:
        name = unit.tables[change.table].name
        unit.notice(
            "uncaptured",
            name,
            f"table {name} was changed without its triggers; run: replicator table check {name}",
            waiting=True,
        )


@dataclass(slots=True)
class Grouping:
    """Opens a group of this node's own when the first change comes, and the next one with the next transaction."""

    unit: Unit
    n: int = 0
    """Of the open group; 0: none is open."""
    merged: bool | None = None
    """The group is no transaction; None: as the database has it."""
    _transaction: int | None = None

    def resume(self, n: int) -> None:
        """Go on with a group that an earlier unit left open."""
        group = journal.group(self.unit.connection, n)
        if group is not None:
            self.n = n
            self.unit.journal.resume(group)

    def transaction(self, number: int | None) -> None:
        """The next change belongs to this transaction: on databases that tell, a group each."""
        if number != self._transaction:
            self.n = 0
        self._transaction = number

    def number(self) -> int:
        """n of the open group; opens one if need be."""
        if not self.n:
            merged = self.merged
            if merged is None:
                merged = not self.unit.database.capabilities.transactions_are_groups
            self.n = open_group(self.unit, merged=merged).n
        return self.n


def open_group(
    unit: Unit, *, merged: bool = False, uid: bytes | None = None, control: str | None = None, body: bytes | None = None
) -> Group:
    """A group of this node's own takes the next number. `entries` is filled in when it is finished."""
    epoch, n = unit.next_position()
    rule = NOWHERE if unit.is_host else unit.link(0).rule
    # protocol.md 2, "born": (epoch, seq) of a group's first numbering; never changes.
    born_epoch = epoch if unit.is_host else unit.link(0).link.out.epoch[1]
    group = Group(
        n=n,
        host_epoch=epoch,
        uid=uid or unit.node.runtime.random(16),
        born_epoch=born_epoch,
        born_n=n,
        origin=0,
        origin_epoch=0,
        origin_n=0,
        control=control,
        body=body,
        merged=int(merged),
        rule_epoch=rule[0],
        rule_n=rule[1],
        schema_version=1,
        at=unit.now,
    )
    return unit.journal.open(group)


def _number_requests(unit: Unit) -> None:
    """Requests to the host follow the groups of their collect: behind the pending changes they are about."""
    waiting = sql.rows(unit.connection, "SELECT id, uid, kind, body FROM replicator_outbox_control ORDER BY id")
    for number, uid, kind, body in waiting:
        open_group(unit, uid=uid, control=kind, body=body)
        sql.run(unit.connection, "DELETE FROM replicator_outbox_control WHERE id = ?", (number,))


def request(unit: Unit, kind: str, body: bytes | None) -> None:
    """Queue a request of this station to the host, in this transaction."""
    sql.run(
        unit.connection,
        "INSERT INTO replicator_outbox_control (uid, kind, body) VALUES (?, ?, ?)",
        (unit.node.runtime.random(16), kind, body),
    )


class _StationClassifier:
    """protocol.md 5.1 step 4: class by the rule in force and the row's tie; nothing is forbidden locally."""

    def __init__(self, unit: Unit) -> None:
        self._flags = unit.flags_up
        self._add = unit.journal.add
        self._full = {number: full_mask(len(table.definition.columns)) for number, table in unit.tables.items()}

    def classify(self, change: Change, version: Version | None, grouping: Grouping) -> Version | None:
        _, table, operation, key, image, mask, before, at, _ = change
        tie, flags = "", self._flags[table]
        if version is not None:
            tie = version.tie
            if version.at and version.at == grouping.n:
                flags = Kinds.ALL  # the group is one change: what it does to the row that it made new belongs to that
        deleted = image is None
        what = classify_upward(tie, deleted, flags)
        made = 0
        if what.send is not None:
            n = grouping.number()
            base = NOWHERE if version is None else version[2:4]
            if what.send == "N" and not tie:
                made = n
            if what.send == "N" or (what.send == "C" and operation is not _UPDATE):
                mask, before = self._full[table], None
            self._add(table, what.send, key, image, mask, before, at, base)
        if what.edited:
            return self._edited(change, version)
        if what.tie == tie:
            return None
        if version is None:
            return new_version(Version, (table, key, 0, 0, 0, 0, 0, 1, made, what.tie, None))
        return version._replace(tie=what.tie, deleted=int(deleted), at=made, image=None)

    def flush(self) -> None:
        """Nothing is held back."""

    @staticmethod
    def _edited(change: Change, version: Version | None) -> Version | None:
        if version is None or change.before is None:
            return None
        return version._replace(image=merge_edit(version.image, change.mask, change.before))


class _HostClassifier:
    """protocol.md 5.1 step 5: version (writer: the host), class by what happened to the row, recipients."""

    def __init__(self, unit: Unit) -> None:
        self._recipients = Recipients(unit)
        self._recipients_of = cache(self._recipients.of)
        self._add = unit.journal.add
        self._epoch = unit.state.host_epoch
        self._uses = unit.number_uses
        self._numbered = unit.number_uses.tables

    def classify(self, change: Change, version: Version | None, grouping: Grouping) -> Version | None:
        _, table, operation, key, image, mask, before, at, _ = change
        n = grouping.n or grouping.number()
        if table in self._numbered:
            self._uses.changed(table, key, image, mask, before, 0, at)
        mark = ""
        if version is None:
            # A row that stood here before its table was replicated: the trigger's operation tells.
            was_there, base = operation is not _INSERT, NOWHERE
        else:
            was_there, base = not version.deleted, version[2:4]
            if base == (self._epoch, n):
                mark = version.tie
        if image is None:
            recipients = self._recipients_of(table, MADE_AND_DELETED if mark else "D")
            self._add(table, "D", key, None, mask, before, at, base, recipients)
            self._recipients.note(table, "D", key)
            tombstone = None if before is None else pack_row(before)
            return Version(table, key, self._epoch, n, 1, 0, 0, 1, at, "", tombstone)
        if not was_there:
            mark = REMADE if base == (self._epoch, n) else MADE
        kind = "N" if mark else "C"
        self._add(table, kind, key, image, mask, before, at, base, self._recipients_of(table, kind))
        return new_version(Version, (table, key, self._epoch, n, 0, 0, 0, 1, at, mark, None))

    def flush(self) -> None:
        self._recipients.flush()
