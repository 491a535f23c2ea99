"""What of a table stays behind when its definition travels, as far as that is told alike of every database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class ColumnHere(NamedTuple):
    """A column as it is here."""

    name: str
    generated: bool
    default: str | None
    """As SQL."""
    travels: bool
    """The default: other databases know it, or there is none."""


def common_remarks(table: str, columns: Iterable[ColumnHere], database: str, *, checks: bool) -> list[str]:
    """A sentence each. `database`: its name for people."""
    found = []
    for column in columns:
        if column.generated:
            found.append(f"Column {table}.{column.name} is generated: it isn't carried, each place computes it.")
        elif not column.travels:
            found.append(
                f"The default of column {table}.{column.name} ({column.default}) is known to {database} only: "
                "tables made from this definition have none."
            )
    if checks:
        found.append(f"The CHECK constraints of table {table} aren't carried: they hold at this place only.")
    return found
