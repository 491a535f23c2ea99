"""How long things are kept: marks of earlier moments, and up to where a peer may forget (protocol.md 5.15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from replicator.store import sql, tables
from replicator.types import NOWHERE, Epoch, Position


@dataclass(slots=True)
class Retention:
    """The one row of replicator_retention. Moments are microseconds since 1970 UTC."""

    forgotten_epoch: int = 0
    forgotten_n: int = 0
    backup_at: int = 0
    """The mark that the backup under way, or the last one, began with; 0: none."""
    announced_at: int = 0
    unfinished: int = 0
    """The next run looks for what may be purged: the last one left something, or a backup began since."""
    purged_epoch: int = 0
    purged_n: int = 0
    """The journal up to here was purged."""
    purged_at: int = 0
    """And when that was."""

    @property
    def forgotten(self) -> Position:
        """Host: rows that were deleted up to here are no longer known."""
        return self.forgotten_epoch, self.forgotten_n


_RETENTION = tuple(Retention.__slots__)
_RETENTION_VALUES = attrgetter(*_RETENTION)


def load(connection: Connection) -> Retention:
    row = sql.one(connection, f"SELECT {', '.join(_RETENTION)} FROM replicator_retention WHERE id = 1")
    return Retention() if row is None else Retention(*row)


def save(connection: Connection, state: Retention) -> None:
    sql.run(connection, "DELETE FROM replicator_retention WHERE id = 1")
    sql.insert(connection, tables.retention, ("id", *_RETENTION), [(1, *_RETENTION_VALUES(state))])


# --- marks ------------------------------------------------------------------------------------------------------------


class Mark(NamedTuple):
    """How far this node was at a moment: a row of replicator_mark, in column order."""

    at: int
    last_n: int
    """Of the journal."""
    acknowledged_n: int
    """The journal up to here was acknowledged by all; at a station also judged."""
    settled_epoch: int = 0
    settled_n: int = 0
    born_epoch: int = 0
    born_n: int = 0
    forgotten_epoch: int = 0
    forgotten_n: int = 0

    @property
    def settled(self) -> Position:
        """Host: stations knew of all deletes up to here."""
        return self.settled_epoch, self.settled_n

    @property
    def born(self) -> Position:
        """Station: of the oldest group in its journal, or of the next where it is empty."""
        return self.born_epoch, self.born_n

    @property
    def forgotten(self) -> Position:
        return self.forgotten_epoch, self.forgotten_n


class JudgedOf(NamedTuple):
    """With a mark: sequence number up to which a station's changes were judged, in this epoch of its stream."""

    peer: int
    epoch: Epoch
    n: int


_MARK = Mark._fields
_SELECT_MARK = f"SELECT {', '.join(_MARK)} FROM replicator_mark"


def add_mark(connection: Connection, mark: Mark, links: Sequence[JudgedOf]) -> None:
    """Those of the same moment and, by a clock that was wrong, of later ones go."""
    _forget_marks(connection, "at >= ?", mark.at)
    sql.insert(connection, tables.mark, _MARK, [mark])
    columns = ("at", "peer", "epoch_epoch", "epoch_n", "n")
    sql.insert(connection, tables.mark_link, columns, [(mark.at, peer, *epoch, n) for peer, epoch, n in links])


def newest_mark(connection: Connection) -> int:
    """Its moment; 0: there is none."""
    row = sql.one(connection, "SELECT max(at) FROM replicator_mark")
    return int(row[0] or 0) if row else 0


def mark_through(connection: Connection, moment: int) -> Mark | None:
    """The last one that was made up to this moment."""
    row = sql.one(connection, f"{_SELECT_MARK} WHERE at <= ? ORDER BY at DESC LIMIT 1", (moment,))
    return None if row is None else Mark._make(row)


def mark_behind(connection: Connection, moment: int, last_n: int) -> Mark | None:
    """The last one that was made up to this moment, when the journal had come to there at most."""
    query = f"{_SELECT_MARK} WHERE at <= ? AND last_n <= ? ORDER BY at DESC LIMIT 1"
    row = sql.one(connection, query, (moment, last_n))
    return None if row is None else Mark._make(row)


def links_of(connection: Connection, mark: Mark) -> list[JudgedOf]:
    found = sql.rows(
        connection, "SELECT peer, epoch_epoch, epoch_n, n FROM replicator_mark_link WHERE at = ?", (mark.at,)
    )
    return [JudgedOf(peer, (first, second), n) for peer, first, second, n in found]


def forget_marks(connection: Connection, before: int) -> None:
    """Those older than the last one up to this moment: nobody will ask for them."""
    last = mark_through(connection, before)
    if last is not None:
        _forget_marks(connection, "at < ?", last.at)


def _forget_marks(connection: Connection, condition: str, value: int) -> None:
    for table in ("mark", "mark_link"):
        sql.run(connection, f"DELETE FROM replicator_{table} WHERE {condition}", (value,))


# --- horizons ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Horizon:
    """A row of replicator_horizon: what a peer has said that may be forgotten, and what it was told."""

    peer: int
    heard_epoch: Epoch = NOWHERE
    """Station: of its own stream, in which its journal up to `heard_n` is in a backup of the host's."""
    heard_n: int = 0
    heard_born: Position = NOWHERE
    """Host: groups of the station born before are in no backup of it that will be put back."""
    heard_forgotten: Position = NOWHERE
    """Station: the host no longer knows of rows that were deleted up to here. Host: every backup of the station that
    will be put back has the host's log up to here, so that what was deleted by then need not be known for its sake."""
    told_epoch: Epoch = NOWHERE
    told_n: int = 0
    told_born: Position = NOWHERE
    told_forgotten: Position = NOWHERE


_PAIRS = {"heard_epoch", "heard_born", "heard_forgotten", "told_epoch", "told_born", "told_forgotten"}
_HORIZON = tuple(Horizon.__slots__)
_COLUMNS = tuple(
    column for name in _HORIZON for column in ((f"{name}_epoch", f"{name}_n") if name in _PAIRS else (name,))
)
_SELECT_HORIZON = f"SELECT {', '.join(_COLUMNS)} FROM replicator_horizon"


def horizon(connection: Connection, peer: int) -> Horizon:
    row = sql.one(connection, f"{_SELECT_HORIZON} WHERE peer = ?", (peer,))
    return Horizon(peer) if row is None else _horizon(row)


def horizons(connection: Connection) -> dict[int, Horizon]:
    """By peer."""
    return {row[0]: _horizon(row) for row in sql.rows(connection, _SELECT_HORIZON)}


def save_horizons(connection: Connection, changed: Sequence[Horizon]) -> None:
    sql.many(connection, "DELETE FROM replicator_horizon WHERE peer = ?", [(each.peer,) for each in changed])
    sql.insert(connection, tables.horizon, _COLUMNS, [_values(each) for each in changed])


def _horizon(row: tuple[int, ...]) -> Horizon:
    values = iter(row)
    return Horizon(*((next(values), next(values)) if name in _PAIRS else next(values) for name in _HORIZON))  # type: ignore[arg-type]


def _values(each: Horizon) -> tuple[int, ...]:
    found: list[Any] = []
    for name in _HORIZON:
        value = getattr(each, name)
        found += value if name in _PAIRS else [value]
    return tuple(found)
