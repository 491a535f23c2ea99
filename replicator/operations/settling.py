"""A person decides on a conflict: whose row is to stand. What is taken is a new change that travels like any other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from replicator.engine.collect import collect
from replicator.engine.node import Node, Unit
from replicator.engine.own_change import write_row
from replicator.errors import ConstraintViolation, WrongUse
from replicator.protocol.codec_plain import pack_row, unpack_rows
from replicator.protocol.images import same_image
from replicator.protocol.keys import pack_key
from replicator.protocol.proposals import ConflictKind
from replicator.protocol.versions import Reshaping, reshaping
from replicator.store import conflicts
from replicator.store.conflicts import ConflictRow
from replicator.types import ColumnDefinition, Image, Table, TypeKind, Value


class Side(StrEnum):
    HOST = "host"
    STATION = "station"
    FILE = "file"


FileRow = Mapping[str, Any] | None
"""A row as JSON has it, by column name, in the form that `conflict show --json` prints; None: no row is to stand."""


def settle(node: Node, number: int, side: Side, row: FileRow = None, *, anyway: bool = False) -> bool:
    """Let the row of this side stand, or the one given with `Side.FILE`; columns it doesn't name keep what stands.

    Returns whether something was written: not, where the row stands like that already. Raises UnknownName, and WrongUse
    (the row has been written since, unless `anyway`; the table is gone or was changed; keys forbid it).
    """
    with node.unit() as unit:
        conflict = conflicts.load(unit.connection, number)
        table = unit.tables.get(conflict.table_id)
        if table is None:
            raise WrongUse(
                f"the table of conflict {number} is not replicated any more; write the row in the application"
            )
        collect(unit)  # what the application wrote before comes before
        form = unit.forms.get((table.id, conflict.version))
        if form is None:
            raise WrongUse(
                f"conflict {number} is about a version of table {table.name} that is not known here any more; write "
                f"the row in the application"
            )
        current = unit.database.read_images(unit.connection, table, [conflict.key]).get(conflict.key)
        if conflict.kind == ConflictKind.COLUMN_DROPPED:
            wanted = _without_column(table, conflict, side, row, current)
        else:
            conflict = _as_of_now(conflict, reshaping(form, table))
            if not anyway:
                _require_unchanged(table, conflict, current)
            wanted = _from_file(table, conflict, row, current) if side is Side.FILE else _of_side(table, conflict, side)
        changed = not same_image(wanted, current)
        if changed:
            _write(unit, table, conflict, wanted)
        conflicts.settle(unit.connection, number, unit.now, side.value)
    return changed


def _without_column(
    table: Table, conflict: ConflictRow, side: Side, row: FileRow, current: Image | None
) -> Image | None:
    """Of a value that has no column any more: all else of the station's row was judged by itself, so that the row that
    stands is the host's."""
    if side is Side.STATION:
        gone = ", ".join(json.loads(conflict.column_names or "[]"))
        raise WrongUse(
            f"table {table.name} has no column {gone} any more: put what stood there where it belongs now, in the "
            f"application or with --take FILE; when that is done, or where it is of no use: --take host"
        )
    return _from_file(table, conflict, row, current) if side is Side.FILE else current


def _as_of_now(conflict: ConflictRow, shape: Reshaping) -> ConflictRow:
    """The images as rows of the table as it is now."""
    if shape.is_plain and not shape.missing:
        return conflict

    def packed(image: bytes | None) -> bytes | None:
        return None if image is None else pack_row(shape.image(unpack_rows([image])[0]))

    return conflict._replace(
        host_image=packed(conflict.host_image),
        station_image=packed(conflict.station_image),
        result_image=packed(conflict.result_image),
    )


def _write(unit: Unit, table: Table, conflict: ConflictRow, wanted: Image | None) -> None:
    try:
        write_row(unit, table, conflict.key, wanted)
    except ConstraintViolation as refused:
        raise WrongUse(f"the database refuses the row of {table.name}: {refused}; take a row from a file") from None


def _of_side(table: Table, conflict: ConflictRow, side: Side) -> Image | None:
    return _unpacked(table, conflict.host_image if side is Side.HOST else conflict.station_image)


def _unpacked(table: Table, packed: bytes | None) -> Image | None:
    if packed is None:
        return None
    image: Image = unpack_rows([packed])[0]
    if len(image) != len(table.definition.columns):
        raise WrongUse(f"table {table.name} has other columns than at that time; write the row in the application")
    return image


def _require_unchanged(table: Table, conflict: ConflictRow, current: Image | None) -> None:
    if not same_image(current, _unpacked(table, conflict.result_image)):
        raise WrongUse(
            f"the row has been written since conflict {conflict.id} was decided; look at what stands now "
            f"(replicator conflict show {conflict.id}), and say --anyway if it is to be replaced"
        )


# --- a row from a file ------------------------------------------------------------------------------------------------


def _from_file(table: Table, conflict: ConflictRow, row: FileRow, current: Image | None) -> Image | None:
    if row is None:
        return None
    definition = table.definition
    unknown = [name for name in row if name not in definition.column_names]
    if unknown:
        raise WrongUse(f"table {table.name} has no column {unknown[0]}; it has {', '.join(definition.column_names)}")
    values = []
    for place, column in enumerate(definition.columns):
        if column.name in row:
            values.append(_value(column, row[column.name]))
        elif current is not None:
            values.append(current[place])
        else:
            raise WrongUse(f"no row stands, so the file has to name all columns, and {column.name} is missing")
    if pack_key([values[place] for place in definition.key_indexes]) != conflict.key:
        raise WrongUse("the file's row has another key than the conflict's; a key can't be changed so")
    return tuple(values)


def _value(column: ColumnDefinition, value: Any) -> Value:
    """From JSON, where bytes are '0x…' and doubles that JSON lacks are text."""
    kind = column.type.kind
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, str) and value.startswith("0x") and kind in (TypeKind.BLOB, TypeKind.ANY):
        try:
            return bytes.fromhex(value[2:])
        except ValueError:
            raise WrongUse(f"column {column.name} holds bytes, and '{value[:40]}' is not hexadecimal") from None
    if kind is TypeKind.REAL:
        if isinstance(value, int):
            return float(value)
        if isinstance(value, str) and value in ("inf", "-inf", "nan"):
            return math.nan if value == "nan" else float(value)
    if value is not None and not isinstance(value, (int, float, str)):
        raise WrongUse(f"column {column.name} holds one value, not a list or an object; write JSON columns as text")
    return value
