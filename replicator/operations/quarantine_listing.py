"""Quarantine in the application's own words: which change can't be applied here, why, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from replicator.errors import ConstraintViolation
from replicator.operations.listings import KINDS, Fields, fields_of, table_name
from replicator.operations.opening import View
from replicator.protocol.keys import unpack_key
from replicator.store import catalogue, quarantine, state
from replicator.store.quarantine import SetAside
from replicator.types import HOST_PEER, Table, Value


@dataclass(frozen=True, slots=True)
class QuarantineLine:
    id: int
    since: int
    """Microseconds since 1970 UTC, as all moments."""
    origin: str
    """Whose change it is: a station, or the host."""
    epoch: int
    n: int
    """Place of its group in the host's log."""
    table: str
    key: tuple[Value, ...]
    change: str
    """'new', 'changed' or 'deleted'."""
    error: str
    waits_for: int | None
    """Number of another one in quarantine; None: it is refused itself."""
    transaction: bool
    """It goes and comes back with the rest of its transaction."""
    tries: int
    next_try_at: int
    asked: bool
    """At a station: it can be applied by now, and the host is asked what stands."""


@dataclass(frozen=True, slots=True)
class QuarantineDetail:
    line: QuarantineLine
    row: Fields | None
    """That can't stand; None: it is to be deleted."""
    now: Fields | None
    """What stands here; None: no row."""
    together: tuple[int, ...]
    """Numbers of the other changes of its transaction."""


def list_quarantine(
    view: View, *, table: str | None = None, station: str | None = None, after: int = 0, limit: int = 50
) -> list[QuarantineLine]:
    """The oldest first, behind number `after`. Raises UnknownName."""
    number = None if table is None else catalogue.find_table(view.connection, table).id
    peer = None if station is None else state.find_peer(view.connection, station).id
    found = quarantine.page(view.connection, table=number, peer=peer, after=after, limit=limit)
    tables = catalogue.load_tables(view.connection)
    return [_line(view, entry, tables) for entry in found]


def show_quarantine(view: View, number: int) -> QuarantineDetail:
    """Raises UnknownName."""
    entry = quarantine.load(view.connection, number)
    tables = catalogue.load_tables(view.connection)
    table = tables.get(entry.table_id)
    group = quarantine.of_group(view.connection, entry.peer, entry.group) if entry.whole else []
    return QuarantineDetail(
        line=_line(view, entry, tables),
        row=fields_of(table, entry.image),
        now=None if table is None else _now(view, table, entry),
        together=tuple(other.id for other in group if other.id != number),
    )


def _now(view: View, table: Table, entry: SetAside) -> Fields | None:
    try:
        with view.database.attempt(view.connection):
            image = view.database.read_images(view.connection, table, [entry.key]).get(entry.key)
    except ConstraintViolation:
        return None  # no row here can have such a key
    return None if image is None else dict(zip(table.definition.column_names, image, strict=True))


def _line(view: View, entry: SetAside, tables: dict[int, Table]) -> QuarantineLine:
    return QuarantineLine(
        id=entry.id,
        since=entry.since,
        origin="host" if entry.peer == HOST_PEER else view.name_of(entry.peer),
        epoch=entry.group_epoch,
        n=entry.group_n,
        table=table_name(tables, entry.table_id),
        key=unpack_key(entry.key),
        change=KINDS[entry.change],
        error=entry.error,
        waits_for=entry.cause,
        transaction=bool(entry.whole),
        tries=entry.tries,
        next_try_at=entry.next_at,
        asked=bool(entry.asked),
    )
