"""What rows look like in the application's own words: table names, and values by column name."""

from __future__ import annotations

from replicator.protocol.codec_plain import unpack_rows
from replicator.types import Table, Value

KINDS = {"N": "new", "C": "changed", "D": "deleted"}

Fields = dict[str, Value]
"""A row's values by column name; those that aren't known are left out."""


def table_name(tables: dict[int, Table], number: int) -> str:
    return tables[number].name if number in tables else f"table {number} (removed)"


def fields_of(table: Table | None, packed: bytes | None) -> Fields | None:
    """The row by column name. Columns of a table that is gone, or has fewer now, go by their place."""
    if packed is None:
        return None
    row = unpack_rows([packed])[0]
    names = table.definition.column_names if table is not None else ()
    return {names[place] if place < len(names) else f"column {place + 1}": value for place, value in enumerate(row)}
