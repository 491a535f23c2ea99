"""A change that this node makes itself, by a person's order: captured and travelling like any of the application's.

The database's own keys are looked after here, as our connections need not check foreign keys.
"""

from __future__ import annotations

from replicator.engine import working
from replicator.engine.node import Unit
from replicator.errors import WrongUse
from replicator.protocol.keys import unpack_key
from replicator.protocol.working_set import TableState
from replicator.types import Image, Key, Table


def write_row(unit: Unit, table: Table, key: Key, image: Image | None) -> None:
    """Put the row in the place of what stands under this key; None deletes it.

    Raises WrongUse where a unique or foreign key forbids it, and ConstraintViolation where the database does.
    """
    found = working.new_working_set(unit)
    state = found[table.id]
    working.load_rows(unit, found, table.id, [key])
    current = state.rows.get(key)
    if image is not None:
        _require_unique(unit, state, key, image)
        _require_parents(unit, state, image)
    if current is not None:
        working.load_children(unit, state, [current])
        if state.orphans(key, current, image):
            raise WrongUse(f"the row of {table.name} has to stay, as other rows refer to it; settle those first")
    if image is not None:
        # Its number may be another place's; it was looked at where it was drawn.
        with unit.database.unnumbered(unit.connection, table):
            unit.database.write_images(unit.connection, table, [image])
    elif current is not None:
        unit.database.delete_keys(unit.connection, table, [key])


def _require_unique(unit: Unit, state: TableState, key: Key, image: Image) -> None:
    for index in state.unique:
        working.load_holders(unit, state, index, [image])
        value = index.of(image)
        holder = key if value is None else index.holders.get(value, key)
        if holder != key:
            which = ", ".join(map(str, unpack_key(holder)))
            raise WrongUse(
                f"the row can't be written, as row {which} of {state.table.name} has the same "
                f"{', '.join(index.columns)}; change that one first, or take a row from a file"
            )


def _require_parents(unit: Unit, state: TableState, image: Image) -> None:
    working.load_parents(unit, state, [image])
    for link in state.parents:
        wanted = link.wanted(image)
        if wanted is not None and wanted not in link.index.holders:
            raise WrongUse(
                f"the row can't be written, as the row of {link.parent.table.name} that it refers to is not there; "
                f"bring that one back first, or take a row from a file"
            )
