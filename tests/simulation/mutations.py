"""Rules of the engine, each switched off by replacing the piece of code that keeps it (protocol.md 6).

Nothing of this is in the production code; a mutation lives in the process that calls `switch_off`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from replicator.databases.sqlite.database import SqliteDatabase
from replicator.engine import collect, content, judge, publish, replay, rule_changes, snapshot
from replicator.engine.journalling import Journal
from replicator.engine.node import Unit
from replicator.protocol import constraints, envelope, judging, link, replaying, ties
from replicator.protocol.proposals import GroupContext, LogRecord
from replicator.store import batches, slices
from replicator.transport.folder import FolderMailbox
from replicator.types import ChangeClass, Kinds, Operation, Tie

Patch = Callable[[], None]


@dataclass(frozen=True)
class Mutation:
    what: str
    """What the engine does now, in words."""
    apply: Patch


MUTATIONS: dict[str, Mutation] = {}


def mutation(name: str, what: str) -> Callable[[Patch], Patch]:
    def note(patch: Patch) -> Patch:
        MUTATIONS[name] = Mutation(what, patch)
        return patch

    return note


def switch_off(name: str) -> None:
    """Switch a rule off in this process, for good."""
    MUTATIONS[name].apply()


def _nothing(*_: Any, **__: Any) -> None:
    """Instead of something."""


# --- streams ----------------------------------------------------------------------------------------------------------


@mutation("groups", "a group that fills several slices is split over batches")
def _groups() -> None:
    original = slices.slices_after
    slices.slices_after = lambda *arguments: [s._replace(whole=True) for s in original(*arguments)]


@mutation("frozen", "the last batch under way is made anew, with what came since, under its old number")
def _frozen() -> None:
    original = publish._publish_link

    def publish_link(node: Any, peer: int, shelf: publish.Shelf) -> int:
        with node.unit() as unit:
            _take_back(unit, peer)
        return original(node, peer, shelf)

    publish._publish_link = publish_link


def _take_back(unit: Unit, peer: int) -> None:
    """The last batch of the stream, if it is under way and more has come since."""
    state = unit.link(peer)
    out, run = state.link.out, unit.connection.exec_driver_sql
    last = batches.batch(unit.connection, peer, out.n) if out.n > out.acknowledged else None
    if last is None or last.opener is not None or state.cut_slice == slices.next_slice_id(unit.connection) - 1:
        return
    for table in ("batch_out", "batch_segment", "send_queue"):
        run(f"DELETE FROM replicator_{table} WHERE peer = ? AND n = ?", (peer, out.n))
    run("DELETE FROM replicator_digest WHERE peer = ? AND direction = 'out' AND n = ?", (peer, out.n))
    before = batches.batch(unit.connection, peer, out.n - 1)
    high = out.high[1] if before is None else before.high_n
    state.cut_slice = run("SELECT coalesce(max(id), 0) FROM replicator_slice WHERE last_n <= ?", (high,)).scalar()
    out.n -= 1
    out.digest = batches.digest_of(unit.connection, peer, "out", out.n)
    out.unacknowledged_bytes = max(0, out.unacknowledged_bytes - last.window_size)


@mutation("bind", "sender, receiver and direction inside the sealed text are not looked at")
def _bind() -> None:
    link.check_binding = _nothing
    original = envelope._parse
    envelope._parse = lambda inner, outer, bounds: original(outer + inner[len(outer) :], outer, bounds)


@mutation("storefirst", "a mail is deleted before its content is stored")
def _storefirst() -> None:
    original = FolderMailbox.fetch

    def fetch(self: FolderMailbox, **options: Any) -> Iterator[Any]:
        for fetched in original(self, **options):
            self.delete([fetched.id])
            yield fetched

    FolderMailbox.fetch = fetch  # type: ignore[method-assign]


# --- stations: pending ------------------------------------------------------------------------------------------------


@mutation("seen", "what is judged is told by the stream's acknowledgement, not by the records' place in the log")
def _seen() -> None:
    original = replay.Replaying.__post_init__

    def begin(self: replay.Replaying) -> None:
        original(self)
        self.judged = max(self.judged, self.unit.link(0).link.out.high[1])
        self.look_for_pending()

    replay.Replaying.__post_init__ = begin  # type: ignore[method-assign]


@mutation("rowbase", "a change names the station's position in the log, not the version of its row")
def _rowbase() -> None:
    original = Journal.add

    def add(self: Journal, *arguments: Any, **named: Any) -> None:
        if not self.unit.is_host:
            arguments = (*arguments[:7], self.unit.link(0).seen, *arguments[8:])
        original(self, *arguments, **named)

    Journal.add = add  # type: ignore[method-assign]


@mutation("collectfirst", "a station applies before it has collected")
def _collectfirst() -> None:
    original = replay.replay_batch

    def replay_batch(*arguments: Any, **named: Any) -> None:
        known, replay.collect = replay.collect, _nothing
        try:
            original(*arguments, **named)
        finally:
            replay.collect = known

    from replicator.engine import apply

    apply.replay_batch = replay_batch


@mutation("refresh", "what was skipped or moved aside is not asked for again")
def _refresh() -> None:
    replay.request = _nothing


@mutation("keys", "a station applies what breaks a foreign key")
def _keys() -> None:
    original = replaying.Replay._stands

    def stands(self: Any, state: Any, *rest: Any) -> bool:
        children, parents = state.children, state.parents
        state.children, state.parents = [], []
        try:
            return original(self, state, *rest)
        finally:
            state.children, state.parents = children, parents

    replaying.Replay._stands = stands  # type: ignore[method-assign]


@mutation("scope", "a rule's content and a snapshot also replace what is pending")
def _scope() -> None:
    original = content._replay

    def without_pending(replaying_: Any, records: Any, **named: Any) -> None:
        pending, replaying_.pending = replaying_.pending, False
        try:
            original(replaying_, records, **named)
        finally:
            replaying_.pending = pending

    content._replay = without_pending


# --- the host judges --------------------------------------------------------------------------------------------------


def _change_records(change: Callable[[LogRecord, GroupContext, Any], LogRecord | None]) -> None:
    """Put `change` between what was decided and what is logged."""
    original = judge.judge

    def judged(state: Any, proposal: Any, context: GroupContext, outcome: Any, pack: Any) -> None:
        count = len(outcome.records)
        original(state, proposal, context, outcome, pack)
        changed = [change(record, context, state) for record in outcome.records[count:]]
        outcome.records[count:] = [record for record in changed if record is not None]

    judge.judge = judged


@mutation("outcome", "the verdict is not sent to the station whose change it is about")
def _outcome() -> None:
    def silent(record: LogRecord, _context: GroupContext, _state: Any) -> LogRecord | None:
        if not record.verdict:
            return record
        return record._replace(verdict=False, clean=True) if record.shared else None

    _change_records(silent)


@mutation("exempt", "verdicts are subject to the rules")
def _exempt() -> None:
    def ruled(record: LogRecord, context: GroupContext, _state: Any) -> LogRecord | None:
        wanted = context.rules.current(record.table).to_remote
        if not record.verdict or ChangeClass(record.change).kind in wanted:
            return record
        return record._replace(verdict=False, clean=True) if record.shared else None

    _change_records(ruled)


@mutation("rowlock", "the conflict test does not see what the host's application has just committed")
def _rowlock() -> None:
    judge.collect = _nothing


@mutation("missing", "an update of a row that the host lacks counts as based on what stands there")
def _missing() -> None:
    original = judging.based_on_current

    def based(current: Any, version: Any, proposal: Any, context: Any) -> bool:
        if current is None and proposal.change == "C":
            proposal = proposal._replace(change="D")
        return original(current, version, proposal, context)

    judging.based_on_current = based


@mutation("enforce", "the host takes what the rules of that time forbid")
def _enforce() -> None:
    GroupContext.allowed = lambda _self, _table: "NCD"  # type: ignore[method-assign]


@mutation("unique", "unique keys are not looked at: neither at the host nor at a station")
def _unique() -> None:
    constraints._fit_unique = lambda _state, _index, _key, result, _outcome: result
    replaying.Replay._unique_stands = lambda *_: True  # type: ignore[method-assign]


@mutation("fk", "the host deletes parents with children and takes children without parents")
def _fk() -> None:
    constraints._loses_children = lambda *_: False
    original = constraints.enforce_constraints

    def enforce(state: Any, *rest: Any) -> Any:
        parents, state.parents = state.parents, []
        try:
            return original(state, *rest)
        finally:
            state.parents = parents

    judging.enforce_constraints = enforce


UNCHANGED = "\0unchanged"


@mutation("fullimage", "a record of a change carries the changed columns only")
def _fullimage() -> None:
    add, record = Journal.add, replaying.Replay.record

    def thin(self: Journal, table: int, change: str, key: Any, image: Any, mask: int, *rest: Any) -> None:
        if self.unit.is_host and change == "C" and mask:
            keep = set(self.unit.tables[table].definition.key_indexes)
            image = tuple(
                value if place in keep or mask >> place & 1 else UNCHANGED for place, value in enumerate(image)
            )
        add(self, table, change, key, image, mask, *rest)

    def fill(self: replaying.Replay, arrived: replaying.Record) -> None:
        if arrived.image is not None and UNCHANGED in arrived.image:
            state = self.working_set[arrived.table]
            planned = self.plans.get(arrived.table, {}).get(arrived.key)
            here = planned.image if planned is not None else state.rows.get(arrived.key)
            if here is None:
                return  # UPDATE hits no row
            image = tuple(old if new == UNCHANGED else new for old, new in zip(here, arrived.image, strict=True))
            arrived = arrived._replace(image=image)
        record(self, arrived)

    Journal.add = thin  # type: ignore[method-assign]
    replaying.Replay.record = fill  # type: ignore[method-assign]
    _load_every_row()


def _load_every_row() -> None:
    """The mutated replay looks at local rows also where the real one need not."""
    original = replay.Replaying._load_rows

    def load(self: replay.Replaying, table: int, keys: Any, records: Any, pending: Any) -> None:
        original(self, table, keys, records, pending)
        assert self.working is not None
        replay.working.load_rows(self.unit, self.working, table, keys)

    replay.Replaying._load_rows = load  # type: ignore[method-assign]


# --- rules and snapshots ----------------------------------------------------------------------------------------------


@mutation("backfill", "widening a rule sends nothing of what is there, neither down nor up")
def _backfill() -> None:
    content.send_upward = _nothing
    original = Journal.add_control

    def add_control(self: Journal, peer: int, kind: str, body: Any, **_: Any) -> None:
        original(self, peer, kind, {**body, "scope": [], "content": 0} if kind == "rule" else body)

    Journal.add_control = add_control  # type: ignore[method-assign]
    rule_changes.slices.insert_content = _nothing


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
