"""The bases from which the journal is replayed: listing them, and taking new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicator.engine import bases
from replicator.engine.node import Node
from replicator.engine.progress import Progress
from replicator.errors import WrongUse
from replicator.operations.opening import View, require_host
from replicator.store import bases as store
from replicator.store import catalogue, journal
from replicator.types import Position


@dataclass(frozen=True, slots=True)
class BaseLine:
    table: str
    position: Position
    """From here on the table can be built. The epoch is that of now where the group is gone."""
    at: int
    """When that was; microseconds since 1970 UTC."""
    ended: Position | None
    """Where its replication ended; None: it goes on."""
    complete: bool
    rows: int
    bytes: int


def list_bases(view: View) -> list[BaseLine]:
    """By table; one that was changed, or taken out of replication and added again, comes twice.

    Raises WrongUse at a station.
    """
    require_host(view, "bases are kept")
    found = []
    for base in store.load(view.connection):
        ended = _position(view, base.ended_n) if base.ended_n else None
        position = _position(view, base.reach_n)
        found.append(BaseLine(base.name, position, base.at, ended, base.complete, base.rows, base.size))
    return sorted(found, key=lambda line: line.table)


def _position(view: View, n: int) -> Position:
    group = journal.group(view.connection, n)
    return (view.node.host_epoch if group is None else group.host_epoch), n


def take_anew(node: Node, names: Sequence[str], progress: Progress) -> int:
    """Keep the rows of these tables (all, if none is named) as they are now: a replay then begins here.

    Gives how many. Raises UnknownName, and WrongUse at a station or where no bases are wanted.
    """
    require_host(node, "bases are kept")
    if not node.settings.keeps_bases:
        raise WrongUse("no bases are kept here: set journal_base = true in replicator.toml")
    with node.unit() as unit:
        tables = [catalogue.find_table(unit.connection, name) for name in names] or list(unit.tables.values())
    return bases.take(node, [table.id for table in tables], progress)
