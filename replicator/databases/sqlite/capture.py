"""The triggers that write the outbox, and whether they still stand as they were made.

The outbox has one row a change, with untyped columns (a native copy is the only thing that carries every SQLite value
through bit for bit):

    id   ascending in the order of the changes      tbl  number of the table
    op   I insert, U update, D delete; K and M: a row that stood in the way of an insert or update, by the same primary
         key or by another key, and may have been deleted silently by REPLACE: collect finds out
    at   julianday('now')
    n1…  the new row, column by column              o1…  the old one; of an update only changed columns

In an update, o is NULL where the column is unchanged and equals n where it was NULL: that costs one comparison a column
in the trigger instead of two for a mask. Columns without affinity ("loose": BLOB, typeless) can change between values
that SQLite calls equal, 1 and 1.0, 0.0 and -0.0. For them 'was NULL' has a flag of its own, behind the last n, and
0.0 after 0.0 counts as changed here, as no SQL tells it from -0.0; collect compares exactly. Not seen is a change
between -2**63 as integer and as real in a NUMERIC column, the one case where other affinities have two equal values.

Of several triggers SQLite fires the one that was created last first. So ours are made last, and see a row before
the application's AFTER triggers change it further. (A row that the application's own BEFORE trigger makes in the way of
the very REPLACE that fires it is not seen.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from replicator.databases.sqlite.definitions import carried_columns, read_local
from replicator.databases.sqlite.statements import fetch, names, quoted, scalar
from replicator.databases.sqlite.tables import IndexTerm, LocalColumn, LocalIndex, LocalTable
from replicator.errors import UnfitTable, UnknownName
from replicator.types import Table

PREFIX = "replicator_capture_"
OUTBOX = "replicator_outbox"
_NOW = "julianday('now')"


def create_outbox(raw: sqlite3.Connection) -> None:
    raw.execute(
        f"CREATE TABLE IF NOT EXISTS {OUTBOX} (id INTEGER PRIMARY KEY AUTOINCREMENT, tbl INTEGER NOT NULL,"
        " op TEXT NOT NULL, at REAL NOT NULL)"
    )


def loose_columns(columns: Sequence[LocalColumn]) -> list[int]:
    """Places of the columns that hold values of any type as they are."""
    return [place for place, column in enumerate(columns) if column.affinity == "BLOB"]


def _widen_outbox(raw: sqlite3.Connection, new: int, old: int) -> None:
    present = {name for (name,) in fetch(raw, "SELECT name FROM pragma_table_info(?)", (OUTBOX,))}
    for letter, width in (("n", new), ("o", old)):
        for number in range(1, width + 1):
            if f"{letter}{number}" not in present:
                raw.execute(f"ALTER TABLE {OUTBOX} ADD COLUMN {letter}{number}")


def install(raw: sqlite3.Connection, table: Table) -> None:
    local = read_local(raw, table.name)
    if local.null_keys_possible:
        nothing = " OR ".join(f"{quoted(column.name)} IS NULL" for column in local.null_keys_possible)
        rows = scalar(raw, f"SELECT count(*) FROM {quoted(local.name)} WHERE {nothing}")
        if rows:
            raise UnfitTable(f"{rows} rows of table {local.name} have NULL in their primary key: give each row a key.")
    columns = _captured(local, table)
    _widen_outbox(raw, len(columns) + len(loose_columns(columns)), len(columns))
    remove(raw, table)
    for statement in triggers(local, table).values():
        raw.execute(statement)


def remove(raw: sqlite3.Connection, table: Table) -> None:
    for _, name, _ in _standing(raw, table.name):
        if name.startswith(PREFIX):
            raw.execute(f"DROP TRIGGER {quoted(name)}")


def faults(raw: sqlite3.Connection, table: Table) -> list[str]:
    """One sentence each; the triggers are made anew in thought and compared with those that stand."""
    try:
        local = read_local(raw, table.name)
        wanted = triggers(local, table)
    except UnknownName:
        return [f"Table {table.name} has been dropped: restore it, or take it out of replication."]
    except UnfitTable as error:
        return [f"Table {table.name} has been changed and can't be replicated as it is: {error}"]
    standing = _standing(raw, table.name)
    ours = {name: (place, sql) for place, name, sql in standing if name.startswith(PREFIX)}
    found = []
    if missing := sorted(wanted.keys() - ours.keys()):
        found.append(f"The capture of table {table.name} has lost the trigger {missing[0]}: changes may be missed.")
    if any(sql != wanted.get(name, sql) for name, (_, sql) in ours.items()) or ours.keys() - wanted.keys():
        found.append(f"The capture of table {table.name} is out of date: the table or its triggers were changed.")
    first_of_ours = min((place for place, _ in ours.values()), default=0)
    late = [name for place, name, _ in standing if not name.startswith(PREFIX) and place > first_of_ours]
    if ours and late:
        found.append(f"The trigger {late[0]} of table {table.name} fires before its capture.")
    return found


def _standing(raw: sqlite3.Connection, table: str) -> list[tuple[int, str, str]]:
    """(place, name, text) of the table's triggers, in the order of their making."""
    return [
        (place, name, sql)
        for place, name, sql in fetch(
            raw,
            "SELECT rowid, name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
            " ORDER BY rowid",
            (table,),
        )
    ]


def _captured(local: LocalTable, table: Table) -> list[LocalColumn]:
    """The columns of the definition as they are here, in the definition's order."""
    present = {column.name: column for column in carried_columns(local)}
    for name in table.definition.column_names:
        if name not in present:
            raise UnfitTable(f"its column {name} is gone; put it back.")
    if tuple(column.name for column in local.primary_key) != table.definition.primary_key:
        raise UnfitTable("its primary key is another one; put it back.")
    return [present[name] for name in table.definition.column_names]


def triggers(local: LocalTable, table: Table) -> dict[str, str]:
    """The table's capture triggers by name, in the order in which they must be made."""
    columns = _captured(local, table)
    writer = _Writer(local, table.id, columns)
    bodies = {
        "before_insert": writer.before_insert(),
        "before_update": writer.before_update(),
        "delete": writer.delete(),
        "rekey": writer.rekey(),
        "update": writer.update(),
        "insert": writer.insert(),
    }
    result = {}
    for kind, body in bodies.items():
        name = f"{PREFIX}{kind}_{local.name}"
        result[name] = f"CREATE TRIGGER {quoted(name)} {body}"
    return result


class _Writer:
    """Writes the text of one table's triggers."""

    def __init__(self, local: LocalTable, number: int, columns: list[LocalColumn]) -> None:
        self._local = local
        self._number = number
        self._columns = columns
        self._names = [column.name for column in columns]
        self._table = quoted(local.name)
        self._key = [column.name for column in local.primary_key]
        by_name = {column.name: column for column in columns}
        self._same_key = " AND ".join(_unchanged(by_name[name]) for name in self._key)
        self._loose = loose_columns(columns)
        self._others = [column.name for column in local.columns if column.name not in by_name]

    def insert(self) -> str:
        # The comment makes a column that was added later show up as a difference.
        note = f"  -- not replicated: {names(self._others)}\n" if self._others else ""
        return f"AFTER INSERT ON {self._table}\nBEGIN\n{note}{self._no_null_key()}{self._inserted()}END"

    def delete(self) -> str:
        return f"AFTER DELETE ON {self._table}\nBEGIN\n{self._deleted()}END"

    def update(self) -> str:
        news = _slots("n", len(self._columns))
        olds = _slots("o", len(self._columns))
        old_values = ",\n    ".join(
            "NULL" if column.name in self._key else self._old_value(place, column)
            for place, column in enumerate(self._columns)
        )
        flags = "".join(f", n{len(self._columns) + 1 + place}" for place in range(len(self._loose)))
        flag_values = "".join(f", old.{quoted(self._names[place])} IS NULL" for place in self._loose)
        return (
            f"AFTER UPDATE ON {self._table} WHEN {self._same_key}\nBEGIN\n"
            f"  INSERT INTO {OUTBOX} (tbl, op, at, {news}{flags}, {olds})\n"
            f"  VALUES ({self._number}, 'U', {_NOW}, {names(self._names, 'new.')}{flag_values},\n"
            f"    {old_values});\nEND"
        )

    def rekey(self) -> str:
        """A primary key that changes is a delete and an insert (protocol.md 7.2)."""
        return (
            f"AFTER UPDATE ON {self._table} WHEN NOT ({self._same_key})\nBEGIN\n"
            f"{self._no_null_key()}{self._deleted()}{self._inserted()}END"
        )

    def before_insert(self) -> str:
        hindrances = [self._hindrance(index) for index in self._unique_indexes()]
        return (
            f"BEFORE INSERT ON {self._table}\nWHEN {_any_exists(self._table, hindrances)}\nBEGIN\n"
            f"{self._markers(hindrances)}END"
        )

    def before_update(self) -> str:
        """UPDATE OR REPLACE. Its OF list keeps the trigger away from updates that touch no unique column."""
        itself = " AND ".join(f"{quoted(name)} IS old.{quoted(name)}" for name in self._key)
        indexes = list(self._unique_indexes())
        hindrances = [f"{self._hindrance(index)} AND NOT ({itself})" for index in indexes]
        simple = [index.plain_columns for index in indexes]
        of = ""
        if all(columns is not None for columns in simple):
            listed = dict.fromkeys(name for columns in simple for name in columns or ())
            if not any(self._local.column(name).generated for name in listed):
                of = f" OF {names(list(listed))}"
        return (
            f"BEFORE UPDATE{of} ON {self._table}\nWHEN {_any_exists(self._table, hindrances)}\nBEGIN\n"
            f"{self._markers(hindrances)}END"
        )

    def _inserted(self) -> str:
        return (
            f"  INSERT INTO {OUTBOX} (tbl, op, at, {_slots('n', len(self._columns))})\n"
            f"  VALUES ({self._number}, 'I', {_NOW}, {names(self._names, 'new.')});\n"
        )

    def _deleted(self) -> str:
        return (
            f"  INSERT INTO {OUTBOX} (tbl, op, at, {_slots('o', len(self._columns))})\n"
            f"  VALUES ({self._number}, 'D', {_NOW}, {names(self._names, 'old.')});\n"
        )

    def _old_value(self, place: int, column: LocalColumn) -> str:
        instead_of_null = "1" if place in self._loose else f"new.{quoted(column.name)}"
        return f"CASE WHEN {_changed(column)} THEN ifnull(old.{quoted(column.name)}, {instead_of_null}) END"

    def _no_null_key(self) -> str:
        """SQLite alone lets a primary key be NULL; a row without a key could not be named to anybody."""
        nothing = " OR ".join(f"new.{quoted(column.name)} IS NULL" for column in self._local.null_keys_possible)
        if not nothing:
            return ""
        reason = f"the primary key of {self._local.name} must not be NULL, as the table is replicated"
        text = reason.replace("'", "''")
        return f"  SELECT RAISE(ABORT, '{text}') WHERE {nothing};\n"

    def _unique_indexes(self) -> Iterator[LocalIndex]:
        """The primary key and all unique indexes, also partial ones and those on expressions."""
        if self._local.key_is_rowid:
            yield LocalIndex("", True, "pk", (IndexTerm(self._key[0], None, "BINARY"),), None)
        yield from (index for index in self._local.indexes if index.unique)

    def _hindrance(self, index: LocalIndex) -> str:
        """A condition on rows of the table: this row holds what the new one claims in a unique index."""
        conditions = [self._claimed(term) for term in index.terms]
        if index.where is not None:
            # Whether the new row is in a partial index at all doesn't matter: a marker too many is harmless.
            conditions.append(f"({index.where})")
        return " AND ".join(conditions)

    def _claimed(self, term: IndexTerm) -> str:
        if term.column is None:
            inner = ", ".join(f"new.{quoted(c.name)} AS {quoted(c.name)}" for c in self._local.columns)
            return f"({term.expression}) COLLATE {term.collation} = (SELECT {term.expression} FROM (SELECT {inner}))"
        column = self._local.column(term.column)
        value = f"new.{quoted(column.name)}"
        if column.not_null and column.default is not None:
            # INSERT OR REPLACE puts the default for NULL, but only after this trigger.
            value = f"ifnull({value}, {column.default})"
        collate = f" COLLATE {term.collation}" if term.collation != column.collation else ""
        return f"{quoted(column.name)}{collate} = {value}"

    def _markers(self, hindrances: list[str]) -> str:
        same = " AND ".join(_identical(column) for column in self._columns if column.name in self._key)
        olds = _slots("o", len(self._columns))
        return "".join(
            f"  INSERT INTO {OUTBOX} (tbl, op, at, {olds})\n"
            f"  SELECT {self._number}, CASE WHEN {same} THEN 'K' ELSE 'M' END, {_NOW}, {names(self._names)}\n"
            f"  FROM {self._table} WHERE {hindrance};\n"
            for hindrance in hindrances
        )


def _any_exists(table: str, conditions: list[str]) -> str:
    return "\n  OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {condition})" for condition in conditions)


def _slots(letter: str, count: int) -> str:
    return ", ".join(f"{letter}{number}" for number in range(1, count + 1))


def _changed(column: LocalColumn) -> str:
    """Exactly another value, whatever the column's collation calls equal."""
    name = quoted(column.name)
    collate = " COLLATE BINARY" if column.collation != "BINARY" else ""
    differs = f"new.{name}{collate} IS NOT old.{name}"
    if column.affinity != "BLOB":
        return differs
    return f"{differs} OR typeof(new.{name}) <> typeof(old.{name}) OR (new.{name} = 0 AND typeof(new.{name}) = 'real')"


def _unchanged(column: LocalColumn) -> str:
    """Surely the same value, for columns of the key."""
    if column.affinity == "BLOB":
        return f"NOT ({_changed(column)})"
    name = quoted(column.name)
    return f"new.{name}{' COLLATE BINARY' if column.collation != 'BINARY' else ''} IS old.{name}"


def _identical(column: LocalColumn) -> str:
    """The table's row has exactly the new row's value."""
    name = quoted(column.name)
    same = f"{name}{' COLLATE BINARY' if column.collation != 'BINARY' else ''} IS new.{name}"
    return f"{same} AND typeof({name}) = typeof(new.{name})" if column.affinity == "BLOB" else same
