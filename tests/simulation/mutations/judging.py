"""The host judges: verdicts, the conflict test, keys, whole images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from replicator.engine import apply, judge, replay
from replicator.engine.journalling import Journal
from replicator.protocol import constraints, judging, replay_keys, replaying
from replicator.protocol.proposals import GroupContext, LogRecord
from replicator.types import ChangeClass
from tests.simulation.mutations.registry import mutation


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
    original = apply.collect
    apply.collect = lambda unit: 0 if unit.is_host else original(unit)


@mutation("missing", "an update of a row that the host lacks counts as based on what stands there")
def _missing() -> None:
    original = judging.based_on_current

    def based(current: Any, version: Any, proposal: Any, context: Any) -> bool:
        if current is None and proposal.change == "C":
            proposal = proposal._replace(change="D")
        return original(current, version, proposal, context)

    judging.based_on_current = based


@mutation("insert", "an insert over a row that stands counts as a change of it")
def _insert() -> None:
    original = judging.based_on_current

    def based(current: Any, version: Any, proposal: Any, context: Any) -> bool:
        if current is not None and proposal.change == "N":
            proposal = proposal._replace(change="C")
        return original(current, version, proposal, context)

    judging.based_on_current = based


@mutation(
    "bounded",
    "what a station says of the time of a change is believed, also where it lies ahead",
    ("clock", "policies"),
)
def _bounded() -> None:
    original = judging.judge

    def judge_one(state: Any, proposal: Any, context: Any, *rest: Any) -> None:
        context.received_at = 1 << 60
        original(state, proposal, context, *rest)

    judge.judge = judge_one


@mutation("enforce", "the host takes what the rules of that time forbid")
def _enforce() -> None:
    GroupContext.allowed = lambda _self, _table: "NCD"  # type: ignore[method-assign]


@mutation("unique", "unique keys are not looked at: neither at the host nor at a station")
def _unique() -> None:
    constraints._fit_unique = lambda _state, _index, _key, result, _outcome: result
    replay_keys.KeyKeeper._unique_stands = lambda *_: True  # type: ignore[method-assign]


@mutation("fk", "the host deletes parents with children and takes children without parents")
def _fk() -> None:
    original = constraints.enforce_constraints

    def enforce(state: Any, *rest: Any) -> Any:
        parents, children = state.parents, state.children
        state.parents, state.children = [], []
        try:
            return original(state, *rest)
        finally:
            state.parents, state.children = parents, children

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
