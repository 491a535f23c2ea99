"""Conflicts in the application's own words: what each side wrote, who and when, what was decided, what stands now."""

from __future__ import annotations

import json
from dataclasses import dataclass

from replicator.operations.listings import Fields, fields_of, table_name
from replicator.operations.opening import View
from replicator.protocol.keys import unpack_key
from replicator.store import catalogue, conflicts, state
from replicator.store.conflicts import ConflictRow
from replicator.store.table_versions import load_forms
from replicator.types import HOST_PEER, Table, Value


@dataclass(frozen=True, slots=True)
class ConflictLine:
    id: int
    at: int
    epoch: int
    n: int
    """Place in the host's log (at a station: of what was applied) where it came up."""
    station: str
    table: str
    key: tuple[Value, ...]
    kind: str
    decided: str
    """What stood afterwards: 'host' or 'station' (that side's row), 'both' (of each some columns), 'none' (neither)."""
    settled_at: int | None
    """When a person decided otherwise, or that it is right so."""
    settled_by: str | None


@dataclass(frozen=True, slots=True)
class ConflictDetail:
    line: ConflictLine
    host: Fields | None
    """None: there was no row."""
    station: Fields | None
    result: Fields | None
    """What stood when it was decided."""
    now: Fields | None
    """What stands here at this moment."""
    columns: tuple[str, ...]
    """That the station changed; () where it is not told, or it changed the whole row."""
    host_writer: str | None
    """Who wrote the host's row; None: nobody knows."""
    host_at: int | None
    station_at: int | None


def list_conflicts(
    view: View,
    *,
    table: str | None = None,
    station: str | None = None,
    after: int | None = None,
    only_open: bool = False,
    limit: int = 50,
) -> list[ConflictLine]:
    """The newest `limit` of them, or the first behind number `after`; newest last. `only_open`: not settled yet.

    Raises UnknownName.
    """
    number = None if table is None else catalogue.find_table(view.connection, table).id
    peer = None if station is None else state.find_peer(view.connection, station).id
    found = conflicts.recent(view.connection, table=number, peer=peer, after=after, only_open=only_open, limit=limit)
    tables = catalogue.load_tables(view.connection)
    return [_line(view, row, tables) for row in found]


def show_conflict(view: View, number: int) -> ConflictDetail:
    """Raises UnknownName."""
    row = conflicts.load(view.connection, number)
    tables = catalogue.load_tables(view.connection)
    table = tables.get(row.table_id)
    form = load_forms(view.connection, tables.values()).get((row.table_id, row.version))
    return ConflictDetail(
        line=_line(view, row, tables),
        host=fields_of(form, row.host_image),
        station=fields_of(form, row.station_image),
        result=fields_of(form, row.result_image),
        now=None if table is None else _now(view, table, row),
        columns=tuple(json.loads(row.column_names)) if row.column_names else (),
        host_writer=None if row.host_writer is None else view.name_of(row.host_writer),
        host_at=row.host_at,
        station_at=row.station_at,
    )


def _now(view: View, table: Table, row: ConflictRow) -> Fields | None:
    image = view.database.read_images(view.connection, table, [row.key]).get(row.key)
    return None if image is None else dict(zip(table.definition.column_names, image, strict=True))


def _line(view: View, row: ConflictRow, tables: dict[int, Table]) -> ConflictLine:
    # At a station every conflict is between the host's row and its own.
    station = view.node.name if row.peer == HOST_PEER else view.name_of(row.peer)
    return ConflictLine(
        id=row.id,
        at=row.at,
        epoch=row.host_epoch,
        n=row.n,
        station=station,
        table=table_name(tables, row.table_id),
        key=unpack_key(row.key),
        kind=row.kind,
        decided=_decided(row),
        settled_at=row.settled_at,
        settled_by=row.settled_by,
    )


def _decided(row: ConflictRow) -> str:
    if row.result_image == row.host_image:
        return "host"
    if row.result_image == row.station_image:
        return "station"
    return "none" if row.result_image is None else "both"
