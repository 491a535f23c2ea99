"""Autogenerate: what an application's metadata says of replication, against what the node replicates.

A table says it in its `info`: `{"replicate": True}`, `{"replicate": False}`, or a mapping with area, policy, rules and
replace_cascades; the metadata's own `info` speaks for tables that say nothing. Of a table for which nobody speaks
nothing is said, replicated or not, but that its capture follows what a migration makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import comparators, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import MetaData
from sqlalchemy import Table as Described

from replicator.databases.own_names import OURS
from replicator.errors import WrongUse
from replicator.operations.migration_places import home_of, told_by_alembic
from replicator.operations.migration_steps import (
    RefreshCapture,
    ReplicateTable,
    StepOperation,
    StopReplicating,
    call_text,
    read_replicated,
)
from replicator.operations.opening import View, open_view
from replicator.operations.replicating import Refreshed, Replicated, Stopped
from replicator.operations.table_fitness import ALL
from replicator.runtime import Runtime
from replicator.store import catalogue
from replicator.types import NO_RULE, Policy, Rule

KEY = "replicate"
_COLUMN_OPERATIONS = (ops.AddColumnOp, ops.DropColumnOp, ops.AlterColumnOp)

_registered: list[str] = []


def register() -> None:
    """Once, however often it is called."""
    if _registered:
        return
    _registered.append(KEY)
    # Behind all that looks at tables: what they find is what we look at. Older versions of Alembic go by the order.
    try:
        from alembic.util import DispatchPriority
    except ImportError:
        comparators.dispatch_for("schema")(_compare)
    else:
        comparators.dispatch_for("autogenerate", priority=DispatchPriority.LAST)(
            lambda context, found: _compare(context, found, ())
        )
    for operation in (ReplicateTable, StopReplicating, RefreshCapture):
        renderers.dispatch_for(operation)(_render)


# --- what is there, and what is wanted --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    """How the node replicates a table."""

    area: str | None
    policy: Policy
    rules: Mapping[str, Rule]
    """Of stations whose rule lets anything pass."""

    def as_step(self, name: str) -> Replicated:
        return Replicated((name,), self.area, self.policy, self.rules)

    def lacks(self, step: Replicated, stations: Iterable[str]) -> bool:
        """Does the step say something else?"""
        others = {station: step.rules[ALL] for station in stations if ALL in step.rules}
        rules = {**others, **{name: rule for name, rule in step.rules.items() if name != ALL}}
        return (
            step.policy not in (None, self.policy)
            or (step.area is not None and (step.area or None) != self.area)
            or any(self.rules.get(station, NO_RULE) != rule for station, rule in rules.items())
        )


def _known(view: View) -> tuple[dict[str, _Known], list[str]]:
    """By table; and the stations."""
    books = catalogue.load_rule_books(view.connection)
    stations = [peer for peer in view.peers.values() if view.is_host and not peer.backup]
    found = {}
    for table in catalogue.load_tables(view.connection).values():
        rules = {peer.name: books[peer.id].current(table.id) for peer in stations}
        found[table.name] = _Known(table.area, table.policy, {name: rule for name, rule in rules.items() if rule})
    return found, [peer.name for peer in stations]


def _wanted(metadatas: Iterable[MetaData]) -> dict[str, Replicated | None]:
    """What is said of tables, parents first; None: they are not to be replicated. Raises WrongUse."""
    said: dict[str, Replicated | None] = {}
    for metadata in metadatas:
        for table in metadata.sorted_tables:
            info = table.info.get(KEY, metadata.info.get(KEY))
            if info is not None:
                said[table.name] = _read(table, info)
    return said


def _read(table: Described, info: object) -> Replicated | None:
    if info is False:
        return None
    if info is True:
        return Replicated((table.name,))
    if not isinstance(info, Mapping) or not set(info) <= {"area", "policy", "rules", "replace_cascades"}:
        raise WrongUse(
            f"the info of table {table.name} can't be read: write {{'{KEY}': True}}, False, or a mapping with area, "
            f"policy, rules and replace_cascades"
        )
    return read_replicated(
        (table.name,),
        info.get("area"),
        info.get("policy"),
        info.get("rules"),
        replace_cascades=bool(info.get("replace_cascades")),
    )


# --- comparing --------------------------------------------------------------------------------------------------------


def _compare(context: AutogenContext, found: ops.UpgradeOps, _schemas: object) -> None:
    found.ops[:] = [each for each in found.ops if not _is_about_ours(each)]
    with told_by_alembic():
        wanted = _wanted(_metadatas(context.metadata))
        changed = _changed(found)
        if not wanted and not changed and not _dropped(found):
            return
        home = home_of(context.migration_context)
        if home is None:
            return
        with open_view(home, Runtime()) as view:
            known, stations = _known(view)
    dropped = [name for name in _dropped(found) if name in known]
    leaving = [name for name, step in wanted.items() if step is None and name in known and name not in dropped]
    first: list[StepOperation] = [
        StopReplicating(Stopped((name,)), known[name].as_step(name)) for name in [*reversed(leaving), *dropped]
    ]
    last: list[StepOperation] = []
    for name, renamed in changed.items():
        if name in known and name not in leaving:
            first.append(RefreshCapture(Refreshed((name,), renamed), only_backwards=True))
            last.append(RefreshCapture(Refreshed((name,), renamed)))
    for name, step in wanted.items():
        if step is None:
            continue
        if name not in known:
            last.append(ReplicateTable(step))
        elif known[name].lacks(step, stations):
            last.append(ReplicateTable(step, known[name].as_step(name)))
    found.ops[:] = [*first, *found.ops, *last]


def _metadatas(metadata: Any) -> list[MetaData]:
    if metadata is None:
        return []
    return [metadata] if isinstance(metadata, MetaData) else list(metadata)


def _is_about_ours(operation: object) -> bool:
    """The replicator's tables stand beside the application's, and autogenerate takes them for tables to be dropped."""
    name = getattr(operation, "table_name", None)
    return isinstance(name, str) and name.startswith(OURS)


def _dropped(found: ops.UpgradeOps) -> list[str]:
    return [each.table_name for each in found.ops if isinstance(each, ops.DropTableOp)]


def _changed(found: ops.UpgradeOps) -> dict[str, dict[str, str] | None]:
    """Tables whose columns a migration changes. With it what is known of renamed columns: {} where some come and others
    go, as autogenerate takes a renamed one for that."""
    changed: dict[str, dict[str, str] | None] = {}
    for each in found.ops:
        if not isinstance(each, ops.ModifyTableOps):
            continue
        kinds = {type(step) for step in each.ops if isinstance(step, _COLUMN_OPERATIONS)}
        if kinds:
            changed[each.table_name] = {} if {ops.AddColumnOp, ops.DropColumnOp} <= kinds else None
    return changed


# --- rendering --------------------------------------------------------------------------------------------------------


def _render(context: AutogenContext, operation: StepOperation) -> list[str]:
    if isinstance(operation, RefreshCapture) and operation.only_backwards:
        return []
    lines = call_text(operation.step, prefix=context.opts.get("alembic_module_prefix") or "").split("\n")
    if isinstance(operation.step, Refreshed) and operation.step.renamed == {}:
        lines.insert(0, '# A column that was renamed: renamed={"old name": "new name"}')
    return ["\n".join(lines)]
