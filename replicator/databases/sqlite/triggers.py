"""The text of the triggers that write the outbox; `capture` says what stands in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replicator.databases.own_names import OURS
from replicator.databases.sqlite.columntypes import default_words, read_default
from replicator.databases.sqlite.statements import names, quoted
from replicator.databases.sqlite.tables import IndexTerm, LocalColumn, LocalIndex, LocalTable

PREFIX = f"{OURS}capture_"
OUTBOX = f"{OURS}outbox"
_NOW = "julianday('now')"


def loose_columns(columns: Sequence[LocalColumn]) -> list[int]:
    """Places of the columns that hold values of any type as they are."""
    return [place for place, column in enumerate(columns) if column.affinity == "BLOB"]


def triggers(local: LocalTable, number: int, columns: Sequence[LocalColumn]) -> dict[str, str]:
    """The capture triggers of table `number` by name, in the order in which they must be made."""
    writer = _Writer(local, number, columns)
    bodies = {
        "before_insert": writer.before_insert(),
        "before_update": writer.before_update(),
        "delete": writer.delete(),
        "rekey": writer.rekey(),
        "update": writer.update(),
        "insert": writer.insert(),
    }
    prefixed = {f"{PREFIX}{kind}_{local.name}": body for kind, body in bodies.items()}
    return {name: f"CREATE TRIGGER {quoted(name)} {body}" for name, body in prefixed.items()}


KINDS = ("before_insert", "before_update", "delete", "rekey", "update", "insert")


def trigger_names(local: LocalTable) -> set[str]:
    return {f"{PREFIX}{kind}_{local.name}" for kind in KINDS}


class _Writer:
    """Writes the text of one table's triggers."""

    def __init__(self, local: LocalTable, number: int, columns: Sequence[LocalColumn]) -> None:
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
            # Not all: a column that a trigger names can't be dropped. A quote in a name may stand there twice.
            expression = (term.expression or "").lower()
            names = [c.name for c in self._local.columns]
            needed = [name for name in names if name.lower() in expression or set(name) & set('"`]')]
            inner = ", ".join(f"new.{quoted(name)} AS {quoted(name)}" for name in needed) or "1"
            return f"({term.expression}) COLLATE {term.collation} = (SELECT {term.expression} FROM (SELECT {inner}))"
        column = self._local.column(term.column)
        value = f"new.{quoted(column.name)}"
        if column.not_null and column.default is not None:
            # INSERT OR REPLACE puts the default for NULL, but only after this trigger.
            known = read_default(column.default)[0]
            value = f"ifnull({value}, {default_words(known) if known is not None else column.default})"
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
