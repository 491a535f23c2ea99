"""Operations for Alembic: `op.replicate_table`, `op.stop_replicating`, `op.refresh_capture`, in migrations of the
application and in revisions of the node.

Importing this module registers them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import MigrateOperation, Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from replicator.engine.node import Node
from replicator.engine.progress import Progress
from replicator.errors import WrongUse
from replicator.operations import migration_places
from replicator.operations.migration_requests import rule_of
from replicator.operations.replicating import Refreshed, Replicated, Step, Stopped, carry_out
from replicator.types import Kinds, Policy, Rule

_CARRIER = "replicator_carrier"
_WIDTH = 100
"""Columns of a call that stays on one line."""


class StepOperation(MigrateOperation):
    """One of ours: `step` is what it says."""

    def __init__(self, step: Step) -> None:
        self.step = step

    def to_diff_tuple(self) -> tuple[Any, ...]:
        return (type(self).__name__, *self.step.tables)


@Operations.register_operation("replicate_table")
class ReplicateTable(StepOperation):
    """From here on these tables are replicated, in this way."""

    def __init__(self, step: Replicated, before: Replicated | None = None) -> None:
        """`before`: how they were replicated; None: not at all."""
        super().__init__(step)
        self.before = before

    @classmethod
    def replicate_table(
        cls,
        operations: Operations,
        *tables: str,
        area: str | None = None,
        policy: str | None = None,
        rules: Mapping[str, object] | None = None,
        columns: Sequence[str] = (),
        replace_cascades: bool = False,
    ) -> None:
        """Capture changes of these tables, and send what the rules say.

        `rules`: by the station's name, or 'all' for the others: 'all' or 'new,changed' for both directions, or two of
        these, to the station and to the host. `policy`: who wins conflicts ('host', 'station', 'newest', 'merge').
        `columns`: those that the one table has to have. What is so already stays so.
        """
        operations.invoke(cls(read_replicated(tables, area, policy, rules, columns, replace_cascades)))

    def reverse(self) -> StepOperation:
        if self.before is not None:
            return ReplicateTable(self.before, self.step if isinstance(self.step, Replicated) else None)
        return StopReplicating(Stopped(self.step.tables), self.step if isinstance(self.step, Replicated) else None)


@Operations.register_operation("stop_replicating")
class StopReplicating(StepOperation):
    """From here on these tables are replicated no more; their rows stay where they are."""

    def __init__(self, step: Stopped, before: Replicated | None = None) -> None:
        super().__init__(step)
        self.before = before

    @classmethod
    def stop_replicating(cls, operations: Operations, *tables: str) -> None:
        """Take the tables out of all rules, and capture nothing of them any more."""
        operations.invoke(cls(Stopped(_named(tables))))

    def reverse(self) -> StepOperation:
        return ReplicateTable(self.before or Replicated(self.step.tables))


@Operations.register_operation("refresh_capture")
class RefreshCapture(StepOperation):
    """What was done to these tables is replicated from here on."""

    def __init__(self, step: Refreshed, *, only_backwards: bool = False) -> None:
        """`only_backwards`: it has its place before the change, and is wanted when that is taken back."""
        super().__init__(step)
        self.only_backwards = only_backwards

    @classmethod
    def refresh_capture(cls, operations: Operations, *tables: str, renamed: Mapping[str, str] | None = None) -> None:
        """Take over what the migration has made of these tables. `renamed`: old names of columns with their new ones;
        {}: no column was renamed."""
        operations.invoke(cls(Refreshed(_named(tables), None if renamed is None else dict(renamed))))

    def reverse(self) -> StepOperation:
        return RefreshCapture(self._step_back(), only_backwards=not self.only_backwards)

    def _step_back(self) -> Refreshed:
        renamed = self.step.renamed if isinstance(self.step, Refreshed) else None
        back = None if renamed is None else {new: old for old, new in renamed.items()}
        return Refreshed(self.step.tables, back)


def read_replicated(
    tables: Sequence[str],
    area: str | None,
    policy: str | None,
    rules: Mapping[str, object] | None,
    columns: Sequence[str] = (),
    replace_cascades: bool = False,
) -> Replicated:
    """What a migration or a table's `info` says. Raises WrongUse."""
    try:
        wins = None if policy is None else Policy(policy)
    except ValueError:
        raise WrongUse(f"'{policy}' is no policy: write host, station, newest or merge") from None
    read: dict[str, Rule] = {}
    for station, said in (rules or {}).items():
        try:
            read[str(station)] = rule_of(said)
        except ValueError:
            raise WrongUse(
                f"the rule of {station} can't be read: write 'all', 'new,changed,deleted' or 'none', or two of these, "
                f"to the station and to the host"
            ) from None
    return Replicated(_named(tables), area, wins, read, tuple(columns), replace_cascades)


def _named(tables: Sequence[str]) -> tuple[str, ...]:
    if not tables:
        raise WrongUse("name the tables, such as op.replicate_table('invoices')")
    return tuple(map(str, tables))


# --- as text ----------------------------------------------------------------------------------------------------------


def call_text(step: Step, *, prefix: str = "op.", indent: str = "") -> str:
    """The call that says it, as Python."""
    words = [_quoted(table) for table in step.tables]
    match step:
        case Replicated():
            name = "replicate_table"
            words += [f"area={_quoted(step.area)}"] if step.area is not None else []
            words += [f"policy={_quoted(str(step.policy))}"] if step.policy is not None else []
            words += [f"rules={_rules_text(step.rules)}"] if step.rules else []
            words += [f"columns=[{', '.join(map(_quoted, step.columns))}]"] if step.columns else []
            words += ["replace_cascades=True"] if step.replace_cascades else []
        case Stopped():
            name = "stop_replicating"
        case Refreshed():
            name = "refresh_capture"
            pairs = ", ".join(f"{_quoted(old)}: {_quoted(new)}" for old, new in (step.renamed or {}).items())
            words += [f"renamed={{{pairs}}}"] if step.renamed is not None else []
    line = f"{indent}{prefix}{name}({', '.join(words)})"
    if len(line) <= _WIDTH:
        return line
    listed = "".join(f"{indent}    {word},\n" for word in words)
    return f"{indent}{prefix}{name}(\n{listed}{indent})"


def _rules_text(rules: Mapping[str, Rule]) -> str:
    listed = []
    for station, rule in rules.items():
        down, up = ("all" if kinds == Kinds.ALL else str(kinds) for kinds in (rule.to_remote, rule.to_host))
        said = _quoted(down) if down == up else f"({_quoted(down)}, {_quoted(up)})"
        listed.append(f"{_quoted(station)}: {said}")
    return f"{{{', '.join(listed)}}}"


def _quoted(text: str) -> str:
    """With double quotes, as formatters have it. What can be printed JSON writes as Python does."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else ascii(text)


# --- carrying out -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Carrier:
    """The node whose own revision is carried out."""

    node: Node
    progress: Progress | None
    told: list[str] = field(default_factory=list)


@Operations.implementation_for(ReplicateTable)
@Operations.implementation_for(StopReplicating)
@Operations.implementation_for(RefreshCapture)
def _carry_out(operations: Operations, operation: StepOperation) -> None:
    carrier = operations.get_context().opts.get(_CARRIER)
    if carrier is None:
        migration_places.carry_out(operations, operation.step)
    else:
        carrier.told += carry_out(carrier.node, operation.step, carrier.progress)


def run(node: Node, steps: Callable[[], None], told: list[str], progress: Progress | None = None) -> None:
    """Carry out a revision of the node. Appends what a person should know. Raises what its steps raise."""
    carrier = _Carrier(node, progress, told)
    if not node.database.is_joined:
        _within(carrier, steps, None)
        return
    with node.database.transaction() as connection:
        _within(carrier, steps, connection)


def _within(carrier: _Carrier, steps: Callable[[], None], connection: Connection | None) -> None:
    context = MigrationContext.configure(
        connection, dialect_name=None if connection else carrier.node.database.name, opts={_CARRIER: carrier}
    )
    with Operations.context(context):
        steps()
