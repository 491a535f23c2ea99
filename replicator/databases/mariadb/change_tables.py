"""The change tables: which there are, what their columns hold, and how they go.

`replicator_change_N` is written for table number N. Where a column's type was changed, what was captured before keeps
its types: the triggers write to `replicator_change_N_2`, `…_3` and so on from then on, and the older ones are read with
the rest and dropped when they are empty. Each has the name of its table in its comment: the numbers of tables that
were not taken into replication in the end are given away again. With it stands the version of the table that its
columns are of, where it is not the first one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from replicator.databases.mariadb.catalogue import LocalColumn
from replicator.databases.mariadb.columntypes import captured_words
from replicator.databases.mariadb.errors import number_of
from replicator.databases.mariadb.statements import Driver, execute, fetch, look_up, quoted
from replicator.databases.own_names import OURS
from replicator.errors import UnfitTable
from replicator.types import NOWHERE, Position, Table

PREFIX = f"{OURS}change_"
FIRST = 3
"""Columns before those for values: id, op, at."""

_NAME = re.compile(rf"{PREFIX}(\d+)(?:_(\d+))?")
_FIRST_COLUMNS = (
    "id BIGINT NOT NULL PRIMARY KEY, op CHAR(1) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, at DATETIME(6) NOT NULL"
)
_ROW_TOO_LARGE = 1118

Column = tuple[str, str]
"""Of a change table: name, type."""


class ChangeTable(NamedTuple):
    number: int
    """Of the replicated table."""
    version: int
    """Captures write to the highest one."""
    name: str
    of: str
    """The replicated table's name."""
    captured: Position = NOWHERE
    """The version of the replicated table."""

    def sql(self, schema: str) -> str:
        return f"{quoted(schema)}.{quoted(self.name)}"

    def belongs_to(self, table: Table | None) -> bool:
        return table is not None and table.name == self.of


def change_tables(raw: Driver, schema: str) -> list[ChangeTable]:
    """All of them, of tables that are replicated still or not, by number and version."""
    found = look_up(
        raw,
        "SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_NAME LIKE %s AND TABLE_TYPE = 'BASE TABLE'",
        (schema, PREFIX.replace("_", "\\_") + "%"),
    )
    return sorted(
        ChangeTable(int(match[1]), int(match[2] or 1), name, *_read_comment(comment))
        for name, comment in found
        if (match := _NAME.fullmatch(name))
    )


def _comment(table: Table) -> str:
    """A name has no line feed in it (`quoted`)."""
    return table.name if table.version == NOWHERE else f"{table.name}\n{table.version[0]}.{table.version[1]}"


def _read_comment(comment: str) -> tuple[str, Position]:
    name, _, version = comment.partition("\n")
    epoch, _, n = version.partition(".")
    return name, (int(epoch), int(n)) if epoch.isdigit() and n.isdigit() else NOWHERE


def newest(tables: Iterable[ChangeTable], table: Table) -> ChangeTable | None:
    """The one that is written for this table."""
    own = [each for each in tables if each.number == table.id and each.belongs_to(table)]
    return own[-1] if own else None


def leavings(tables: Sequence[ChangeTable], replicated: Mapping[int, Table]) -> list[ChangeTable]:
    """Those that nothing is captured in any more."""
    written = {newest(tables, table) for table in replicated.values()}
    return [each for each in tables if each not in written]


def is_empty(raw: Driver, schema: str, tables: Collection[ChangeTable]) -> bool:
    if not tables:
        return True
    some = " OR ".join(f"EXISTS (SELECT 1 FROM {each.sql(schema)})" for each in tables)
    return not fetch(raw, f"SELECT {some}")[0][0]


# --- columns ----------------------------------------------------------------------------------------------------------


def wanted_columns(columns: list[LocalColumn]) -> list[Column]:
    """Of the columns for values."""
    return [
        (f"{letter}{place}", captured_words(column.column_type))
        for letter in "no"
        for place, column in enumerate(columns, start=1)
    ]


def _standing_columns(raw: Driver, schema: str, name: str) -> list[Column]:
    found = look_up(
        raw,
        "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
        " AND TABLE_NAME = %s AND ORDINAL_POSITION > %s ORDER BY ORDINAL_POSITION",
        (schema, name, FIRST),
    )
    return [(column, words) for column, words in found]


# --- making -----------------------------------------------------------------------------------------------------------


def provide(raw: Driver, schema: str, table: Table, columns: list[LocalColumn]) -> ChangeTable:
    """The table to write to, made where there is none with such columns: what writes to an older one goes on to, until
    triggers are made anew. Raises UnfitTable."""
    own = [each for each in change_tables(raw, schema) if each.number == table.id]
    wanted = wanted_columns(columns)
    same = own and own[-1].belongs_to(table) and own[-1].captured == table.version
    if same and _standing_columns(raw, schema, own[-1].name) == wanted:
        return own[-1]
    version = own[-1].version + 1 if own else 1
    made = ChangeTable(
        table.id, version, f"{PREFIX}{table.id}" + (f"_{version}" if own else ""), table.name, table.version
    )
    listed = ", ".join(f"{column} {words} NULL DEFAULT NULL" for column, words in wanted)
    comment = _comment(table).replace("\\", "\\\\").replace("'", "''")
    try:
        execute(
            raw,
            f"CREATE TABLE {made.sql(schema)} ({_FIRST_COLUMNS}, {listed}) ENGINE = InnoDB ROW_FORMAT = DYNAMIC"
            f" DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT '{comment}'",
        )
    except Exception as error:
        if number_of(error) == _ROW_TOO_LARGE:
            raise UnfitTable(
                f"A row of the table {table.name} is too wide to be captured, twice, in one row: make long columns "
                "TEXT, or split the table."
            ) from error
        raise
    return made
