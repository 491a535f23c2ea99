"""Numbers on SQLite: an AFTER INSERT trigger fills them in, others look at what the application gives.

Ours that capture have to fire first, so they are made anew behind these (see capture): the outbox notes an insert, and
then the update that fills the number in. `RETURNING` shows the row as it was before that.

A key that counts: SQLite writes its counter at the end of a statement, whatever a trigger does to it meanwhile, so the
jump to another block is made by our runs. That needs AUTOINCREMENT: without it SQLite counts on from the highest key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from replicator.databases.numbering import (
    MOST_DIGITS,
    NUMBERED_ROWS,
    RANGES,
    STOCK,
    Sentences,
    empty_condition,
    is_text,
)
from replicator.databases.own_names import OURS
from replicator.databases.sqlite import capture
from replicator.databases.sqlite.statements import Row, lenient, literal, names, quoted, scalar
from replicator.databases.sqlite.tables import counts
from replicator.databases.sqlite.triggers import OUTBOX
from replicator.errors import UnfitTable
from replicator.protocol.numbers import NumberRange, Way
from replicator.types import Table

PREFIX = f"{OURS}number_"

# In a trigger of its own: to set the state writes the index that it is in, whether it changes or not, and to ask in
# each draw whether it has to be set costs as much as the draw itself.
_USED_UP = "replicator_number_used_up"
_USES_UP = (
    f"CREATE TRIGGER {_USED_UP} AFTER UPDATE OF next_number ON {STOCK}\n"
    "WHEN new.next_number > new.highest AND new.state = 0\nBEGIN\n"
    f"  UPDATE {STOCK} SET state = 1 WHERE range_id = new.range_id AND serial = new.serial;\nEND"
)


def stand(raw: sqlite3.Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
    wanted, using_up = _wanted(table, ranges), {_USED_UP: _USES_UP}
    return _standing(raw, table) == wanted and (not wanted or _using_up(raw) == using_up)


def _wanted(table: Table, ranges: Sequence[NumberRange]) -> dict[str, str]:
    return {name: sql for known in ranges for name, sql in triggers(table, known).items()}


def _standing(raw: sqlite3.Connection, table: Table) -> dict[str, str]:
    return {name: sql for _, name, sql in capture.standing(raw, table.name) if name.startswith(PREFIX)}


def _using_up(raw: sqlite3.Connection) -> dict[str, str]:
    return {name: sql for _, name, sql in capture.standing(raw, STOCK)}


def enforce(raw: sqlite3.Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
    if stand(raw, table, ranges):
        return False
    wanted = _wanted(table, ranges)
    for name in (*_standing(raw, table), *_using_up(raw)):
        raw.execute(f"DROP TRIGGER {quoted(name)}")
    raw.execute(_USES_UP)
    for sql in wanted.values():
        raw.execute(sql)
    capture.install(raw, table)
    return True


@contextmanager
def dropped(raw: sqlite3.Connection, table: Table) -> Iterator[None]:
    """Within: the triggers of numbers don't stand; then all stand again in their order."""
    standing = capture.standing(raw, table.name)
    ours = [name for _, name, _ in standing if name.startswith(PREFIX)]
    for name in ours:
        raw.execute(f"DROP TRIGGER {quoted(name)}")
    try:
        yield
    finally:
        if ours and raw.in_transaction:
            for _, name, _ in standing:
                if name not in ours:
                    raw.execute(f"DROP TRIGGER {quoted(name)}")
            for _, _, sql in standing:
                raw.execute(sql)


def highest(raw: sqlite3.Connection, table: Table, known: NumberRange, low: int, high: int) -> int | None:
    name, place = quoted(known.column), quoted(table.name)
    if is_text(table, known):
        numbers = f"SELECT {_number(table, known, name)} AS number FROM {place}"
        sql = f"SELECT max(number) FROM ({numbers}) WHERE number BETWEEN ? AND ?"
    else:
        sql = f"SELECT max({name}) FROM {place} WHERE {name} BETWEEN ? AND ? AND typeof({name}) = 'integer'"
    found = scalar(raw, sql, (low, high))
    return None if found is None else int(found)


def rows(raw: sqlite3.Connection, table: Table, known: NumberRange) -> Iterator[list[Row]]:
    """(number, key's values …), by number."""
    name, key, place = quoted(known.column), names(table.definition.primary_key), quoted(table.name)
    if is_text(table, known):
        number = _number(table, known, name)
        sql = f"SELECT {number}, {key} FROM {place} WHERE {number} IS NOT NULL ORDER BY 1"
    else:
        # By the column itself: an index on it spares the sorting.
        sql = f"SELECT {name}, {key} FROM {place} WHERE typeof({name}) = 'integer' ORDER BY {name}"
    raw.text_factory = lenient
    try:
        cursor = raw.execute(sql)
        while page := cursor.fetchmany(NUMBERED_ROWS):
            yield page
    finally:
        raw.text_factory = str


# --- keys -------------------------------------------------------------------------------------------------------------


def set_counter(raw: sqlite3.Connection, table: Table, following: int) -> None:
    if not counts(raw, table.name):
        raise UnfitTable(
            f"The key of table {table.name} counts from the highest one that is there, so it can't be kept to a block: "
            "make it INTEGER PRIMARY KEY AUTOINCREMENT."
        )
    if not raw.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (following - 1, table.name)).rowcount:
        raw.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, following - 1))


def counter(raw: sqlite3.Connection, table: Table, column: str) -> int | None:
    if not counts(raw, table.name):
        return None
    last = scalar(raw, "SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (table.name,))
    highest_key = scalar(raw, f"SELECT max({quoted(column)}) FROM {quoted(table.name)}")
    return max(int(last or 0), int(highest_key or 0)) + 1


# --- triggers ---------------------------------------------------------------------------------------------------------


def triggers(table: Table, known: NumberRange) -> dict[str, str]:
    """By name."""
    on, new, old = quoted(table.name), f"new.{quoted(known.column)}", f"old.{quoted(known.column)}"
    empty = empty_condition(known, new)
    bodies = {
        "given": f"AFTER INSERT ON {on} WHEN NOT {empty}\nBEGIN\n{_taken(table, known, inserted=True)}END",
        "changed": (
            f"AFTER UPDATE OF {quoted(known.column)} ON {on} WHEN {new} IS NOT {old} AND NOT {empty}\n"
            f"BEGIN\n{_taken(table, known, inserted=False)}END"
        ),
    }
    if known.way is Way.FILLED:
        bodies["fill"] = f"AFTER INSERT ON {on} WHEN {empty}\nBEGIN\n{_fill(table, known)}END"
    prefixed = {f"{PREFIX}{kind}_{known.id}_{table.name}": body for kind, body in bodies.items()}
    return {name: f"CREATE TRIGGER {quoted(name)} {body}" for name, body in prefixed.items()}


def _first(known: NumberRange, what: str) -> str:
    """SQL: something of the block that is drawn from."""
    return f"(SELECT {what} FROM {STOCK} WHERE range_id = {known.id} AND state = 0 ORDER BY serial LIMIT 1)"


def _abort(text: str) -> str:
    return f"RAISE(ABORT, {literal(text)})"


def _fill(table: Table, known: NumberRange) -> str:
    said = Sentences.of(table, known)
    halted = f"(SELECT stopped FROM {RANGES} WHERE id = {known.id})"
    none = f"CASE WHEN {halted} THEN {_abort(said.halted)} ELSE {_abort(said.none_left)} END"
    this = " AND ".join(f"{quoted(name)} IS new.{quoted(name)}" for name in table.definition.primary_key)
    value = _text(known, "next_number") if is_text(table, known) else "next_number"
    return (
        # The trigger on updates takes it out of the block, as it does with what the application gives.
        f"  UPDATE {quoted(table.name)} SET {quoted(known.column)} = coalesce({_first(known, value)}, {none})\n"
        f"  WHERE {this};\n"
    )


def _taken(table: Table, known: NumberRange, *, inserted: bool) -> str:
    """Look at a number that has come into the row, and take it out of its block."""
    number = _number(table, known, f"new.{quoted(known.column)}")
    block = f"range_id = {known.id} AND ({number}) BETWEEN lowest AND highest"
    refuse = _abort(Sentences.of(table, known).not_ours)
    stood = f" OR {_stood(table, known)}" if inserted else ""
    if known.way is Way.FILLED:
        drawn = f"(EXISTS (SELECT 1 FROM {STOCK} WHERE {block} AND state < 2 AND ({number}) < next_number){stood})"
        return (
            # One look at the block that is drawn from, whatever blocks there were before: what was just filled in is
            # the next one.
            f"  UPDATE {STOCK} SET next_number = CASE WHEN next_number = ({number}) THEN next_number + 1\n"
            f"    WHEN {drawn} THEN next_number ELSE {refuse} END\n"
            f"  WHERE rowid = {_first(known, 'rowid')};\n"
            f"  SELECT {refuse} WHERE changes() = 0 AND NOT {drawn};\n"
        )
    lines = f"  SELECT {refuse} WHERE NOT (EXISTS (SELECT 1 FROM {STOCK} WHERE {block} AND state < 2){stood});\n"
    if known.way is Way.CHOSEN:
        lines += (
            f"  UPDATE {STOCK} SET next_number = ({number}) + 1\n"
            f"  WHERE {block} AND state = 0 AND next_number <= ({number});\n"
        )
    return lines


def _stood(table: Table, known: NumberRange) -> str:
    """SQL: the row stood here with this number, and REPLACE has put it in its own place; the outbox knows."""
    definition = table.definition
    places = [*definition.key_indexes, definition.index_of(known.column)]
    same = " AND ".join(f"o{place + 1} IS new.{quoted(definition.columns[place].name)}" for place in places)
    return f"EXISTS (SELECT 1 FROM {OUTBOX} WHERE tbl = {table.id} AND op IN ('K', 'M', 'D') AND {same})"


def _text(known: NumberRange, number: str) -> str:
    form = known.form
    written = f"printf('%0{form.digits}d', {number})" if form.digits else f"CAST({number} AS TEXT)"
    return f"({literal(form.before)} || {written} || {literal(form.after)})"


def _number(table: Table, known: NumberRange, value: str) -> str:
    """SQL: the number in a value of the column; NULL: there is none."""
    if not is_text(table, known):
        return f"CASE WHEN typeof({value}) = 'integer' THEN {value} END"
    form = known.form
    inner = f"substr({value}, {len(form.before) + 1}, length({value}) - {len(form.before) + len(form.after)})"
    read = f"CAST({inner} AS INTEGER)"
    return (
        f"CASE WHEN length({inner}) BETWEEN 1 AND {MOST_DIGITS} AND {inner} NOT GLOB '*[^0-9]*'"
        f" AND {_text(known, read)} = {value} COLLATE BINARY THEN {read} END"
    )
