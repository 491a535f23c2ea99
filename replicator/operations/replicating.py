"""What a migration says of tables: that they are replicated, no more, or changed. Each may be said again.

Migrations run at every place and may run twice, so they say how it is to be, and not what to do: what is so already is
left as it is. Revisions of the node, operations in the application's own migrations and requests that wait all come
here; the work is that of `table add`, `rule set`, `table upgrade` and `table remove`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from replicator.engine.node import Node
from replicator.engine.progress import Progress
from replicator.errors import UnfitTable, WrongUse
from replicator.operations import rules_admin, table_admin
from replicator.operations.table_fitness import ALL
from replicator.operations.table_upgrades import upgrade_tables
from replicator.protocol.order import parents_first
from replicator.types import Policy, Role, Rule

NOT_HERE = "the host says what is replicated; nothing was done at this station"


@dataclass(frozen=True, slots=True)
class Replicated:
    """These tables are to be replicated."""

    tables: tuple[str, ...]
    area: str | None = None
    policy: Policy | None = None
    """Who wins conflicts; None: the host over a table that was not replicated, as before over others."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """By station; 'all' means all but those that are named."""
    columns: tuple[str, ...] = ()
    """Of the one table, as whoever wrote this saw them; (): nobody has looked."""
    replace_cascades: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """These tables are to be replicated no more."""

    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """These tables were changed, and are to be captured as they are now."""

    tables: tuple[str, ...]
    renamed: Mapping[str, str] | None = None
    """Old names of columns with their new ones; None: nobody has said."""


Step = Replicated | Stopped | Refreshed


def carry_out(node: Node, step: Step, progress: Progress | None = None) -> list[str]:
    """Returns what a person should know, a sentence each.

    At a station only a changed table is looked after: all else is the host's to say, and comes by mail.

    Raises what `add_tables`, `set_rule`, `upgrade_tables` and `remove_tables` raise.
    """
    match step:
        case Refreshed():
            return _refresh(node, step)
        case _ if node.role is Role.STATION:
            return [f"{', '.join(step.tables)}: {NOT_HERE}"]
        case Replicated():
            return _replicate(node, step, progress)
        case Stopped():
            return _stop(node, step.tables)


def _replicate(node: Node, step: Replicated, progress: Progress | None) -> list[str]:
    with node.unit() as unit:
        known = {table.name for table in unit.tables.values()}
        stations = [peer.name for peer in unit.peers.values() if not peer.backup]
    rules = _by_station(step.rules, stations)
    new = [name for name in step.tables if name not in known]
    told = []
    if new:
        _require_columns(node, step)
        policy = step.policy or Policy.HOST
        told += table_admin.add_tables(
            node, new, area=step.area, policy=policy, replace_cascades=step.replace_cascades, progress=progress
        ).remarks
    old = [name for name in step.tables if name in known]
    if old and (step.policy is not None or step.area is not None):
        table_admin.set_tables(node, old, policy=step.policy, area=step.area)
    ordered = _ordered(node, step.tables)
    for station, rule in rules.items():
        for name in ordered:
            told += rules_admin.set_rule(node, station, name, to_remote=rule.to_remote, to_host=rule.to_host).remarks
    return told


def _by_station(rules: Mapping[str, Rule], stations: Collection[str]) -> dict[str, Rule]:
    named = {station: rule for station, rule in rules.items() if station != ALL}
    others = {station: rules[ALL] for station in stations if station not in named} if ALL in rules else {}
    return {**others, **named}


def _require_columns(node: Node, step: Replicated) -> None:
    """What was looked at when the step was written is what is replicated."""
    if not step.columns:
        return
    if len(step.tables) > 1:
        raise WrongUse(
            f"columns are said of one table only, and not of {', '.join(step.tables)}; say it table by table"
        )
    name = step.tables[0]
    with node.unit() as unit:
        look = unit.database.inspect_replaced if step.replace_cascades else unit.database.inspect
        found = set(look(unit.connection, name).column_names)
    wanted = set(step.columns)
    if found != wanted:
        listed = [f"{column} is new" for column in sorted(found - wanted)]
        listed += [f"{column} is missing" for column in sorted(wanted - found)]
        raise UnfitTable(
            f"table {name} has other columns than when its revision was written: {', '.join(listed)}; look at it, and "
            f"change its columns in the revision, or take them out"
        )


def _ordered(node: Node, names: Collection[str]) -> list[str]:
    """Those that are replicated, in an order in which rules can be widened."""
    with node.unit() as unit:
        return [table.name for table in parents_first(each for each in unit.tables.values() if each.name in names)]


def _stop(node: Node, names: Sequence[str]) -> list[str]:
    leaving = _ordered(node, names)
    if leaving:
        table_admin.remove_tables(node, leaving, from_rules=True)
    return []


def _refresh(node: Node, step: Refreshed) -> list[str]:
    known = _ordered(node, step.tables)
    told = [f"{name} is not replicated here: nothing to do" for name in step.tables if name not in known]
    if not known:
        return told
    for done in upgrade_tables(node, known, step.renamed):
        told += [f"table {done.name} is held: {reason}" for reason in done.held]
        if done.rows and not done.changes:
            told.append(
                f"the triggers of table {done.name} were gone or out of date: {done.rows} rows are sent once more"
            )
    return told
