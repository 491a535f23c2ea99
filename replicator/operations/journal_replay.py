"""Replaying a host's journal: the tables as they were after any group, built in another database.

Nothing here changes the node: the bases and the journal are read in one transaction that sees one moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.databases.elsewhere import outlook
from replicator.databases.weighing import weight
from replicator.engine.rebuilding import gather, rows_of
from replicator.errors import ReplicatorError, UnfitTable, WrongUse
from replicator.operations.database_login import open_another
from replicator.operations.opening import open_view
from replicator.operations.replay_plan import Plan, plan_of
from replicator.protocol.order import parents_first
from replicator.runtime import Runtime
from replicator.store import journal
from replicator.store.bases import Base
from replicator.store.home import Home
from replicator.store.net_changes import NetChanges
from replicator.types import Image, Position, Table, TableDefinition

WRITTEN_AT_ONCE = 20_000
"""Rows of one transaction at most, and bytes:"""
BYTES_AT_ONCE = 10_000_000


class Progress(Protocol):
    def read(self, done: int, total: int) -> None:
        """Groups of the journal that are read."""

    def written(self, done: int, total: int) -> None:
        """Rows that are written, of about so many."""


class Silent:
    def read(self, done: int, total: int) -> None:
        """Tell nobody."""

    def written(self, done: int, total: int) -> None:
        """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Built:
    """A table that was built."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Replayed:
    position: Position
    """The last group that counted."""
    at: int | None
    """When that was true here; microseconds since 1970 UTC. None: not known any more."""
    tables: list[Built]
    remarks: list[str]


def replay_into(
    home: Home,
    runtime: Runtime,
    url: str,
    *,
    until: str | None = None,
    tables: Sequence[str] = (),
    password_file: Path | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Build the tables (all, if none is named) in an empty database, as they were after `until`: a position as
    'journal list' prints it, or a time (ISO 8601, of this computer's zone where it names none); None: all of it. If
    anything fails, the database is empty again.

    Raises WrongUse (at a station; the target isn't empty; the journal doesn't reach back so far, or no base is kept),
    UnknownName, UnfitTable (the target's kind of database can't hold a table), ConfigurationError, DatabaseTrouble,
    StorageTrouble.
    """
    show = progress or Silent()
    with open_view(home, runtime) as view, closing(open_another(url, runtime, password_file)) as target:
        plan = plan_of(view, until, tables)
        made, remarks = _as_made(target, plan.chosen)
        _require_empty(target)
        with NetChanges() as net:
            _gather(view.connection, net, plan, show)
            with target.transaction() as connection:
                for table in parents_first(made.values()):
                    target.create_table(connection, table.definition)
            try:
                built = _load(view.connection, net, plan, target, made, show)
            except BaseException:
                _take_away(target, made)
                raise
        group = journal.group(view.connection, plan.n)
        if not view.database.outbox_is_empty(view.connection) and until is None:
            remarks.append("What was written since the last run is not in the journal yet.")
        position = (view.node.host_epoch if group is None else group.host_epoch, plan.n)
        return Replayed(position, None if group is None else group.logged_at or group.at, built, plan.remarks + remarks)


# --- the target -------------------------------------------------------------------------------------------------------


def _as_made(target: Database, chosen: Iterable[Base]) -> tuple[dict[int, Table], list[str]]:
    """The tables as they are made: foreign keys to what is not there are left out. And sentences to tell."""
    definitions = {base.name: base.definition for base in chosen}
    made, remarks, refused = {}, [], []
    for base in chosen:
        kept = tuple(key for key in base.definition.foreign_keys if key.parent in definitions)
        lost = sorted({key.parent for key in base.definition.foreign_keys} - definitions.keys())
        if lost:
            remarks.append(f"Foreign keys of {base.name} to {', '.join(lost)} are left out, as that is not there.")
        definition = replace(base.definition, foreign_keys=kept)
        told = outlook(target.name, definition, _others(definitions, definition))
        refused += [*told.refused, *told.unmade]
        remarks += told.altered
        made[base.table] = Table(base.table, base.name, definition)
    if refused:
        raise UnfitTable(" ".join(refused))
    return made, remarks


def _others(definitions: dict[str, TableDefinition], definition: TableDefinition) -> dict[str, TableDefinition]:
    return {key.parent: definitions[key.parent] for key in definition.foreign_keys}


def _require_empty(target: Database) -> None:
    target.make_place()
    with target.transaction(write=False) as connection:
        found = target.table_names(connection)
    if found:
        raise WrongUse(
            f"the database to fill is not empty, it has the table {found[0]}: give a new one, which nothing is in yet"
        )


def _take_away(target: Database, made: dict[int, Table]) -> None:
    """Half of the tables is of no use to anybody, and stands in the way of another attempt."""
    names = [table.name for table in parents_first(made.values())]
    # What went wrong first is what counts.
    with suppress(ReplicatorError), target.transaction() as connection:
        target.drop_tables(connection, names[::-1])


# --- building ---------------------------------------------------------------------------------------------------------


def _gather(connection: Connection, net: NetChanges, plan: Plan, show: Progress) -> None:
    first = min(base.n for base in plan.chosen)
    gather(connection, net, plan.chosen, plan.n, lambda n: show.read(max(0, min(n, plan.n) - first), plan.n - first))


def _load(
    connection: Connection, net: NetChanges, plan: Plan, target: Database, made: dict[int, Table], show: Progress
) -> list[Built]:
    known = {base.table: base for base in plan.chosen}
    total, done = sum(base.rows for base in plan.chosen), 0
    counts: dict[str, int] = {}
    for table in parents_first(made.values()):
        counts[table.name] = 0
        for images in _in_lots(rows_of(connection, known[table.id], net)):
            with target.transaction() as writing, target.replaying(writing, list(made.values())):
                target.write_images(writing, table, images)
            counts[table.name] += len(images)
            done += len(images)
            show.written(done, max(total, done))
    return [Built(name, count) for name, count in sorted(counts.items())]


def _in_lots(pages: Iterator[list[Image]]) -> Iterator[list[Image]]:
    lot: list[Image] = []
    heavy = 0
    for page in pages:
        lot += page
        heavy += weight(page)
        if len(lot) >= WRITTEN_AT_ONCE or heavy >= BYTES_AT_ONCE:
            yield lot
            lot, heavy = [], 0
    if lot:
        yield lot
