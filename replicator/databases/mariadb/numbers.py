"""Numbers on MariaDB: BEFORE triggers fill them in and look at what is given; keys are looked at AFTER an insert.

Two sessions that draw from one range wait for each other at its row, until the first one's transaction has ended: that
is what leaves no gaps. What is filled in is no automatic number to the server: `RETURNING` and the driver's
`lastrowid` know it, the function LAST_INSERT_ID() knows automatic ones only.

A key that counts: the counter is moved by our runs, as it takes a definition, which no trigger may make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pymysql

from replicator.databases.mariadb import catalogue
from replicator.databases.mariadb.capture import TRIGGER_MODE
from replicator.databases.mariadb.carrying import Carrier
from replicator.databases.mariadb.statements import APPLYING, Driver, execute, look_up, quoted, scalar
from replicator.databases.mariadb.tables import Standing
from replicator.databases.numbering import (
    MOST_DIGITS,
    NUMBERED_ROWS,
    RANGES,
    STOCK,
    NumberedRow,
    Sentences,
    empty_condition,
    is_text,
)
from replicator.databases.own_names import OURS
from replicator.errors import UnfitTable, UnknownName
from replicator.protocol.numbers import NumberRange, Way
from replicator.types import Table

PREFIX = f"{OURS}number_"
_SILENT = "@replicator_unnumbered"
_STOOD = "@replicator_stood"
_LONGEST_SENTENCE = 128
"""Characters that SIGNAL lets through."""


def stand(raw: Driver, schema: str, table: Table, ranges: Sequence[NumberRange]) -> bool:
    """Do the triggers stand as they should?"""
    wanted = {name: each for known in ranges for name, each in _triggers(table, known).items()}
    standing = {
        trigger.name: (trigger.timing, trigger.event, trigger.body)
        for trigger in _local(raw, schema, table).triggers
        if trigger.name.startswith(PREFIX)
    }
    return standing == wanted


def make(raw: Driver, schema: str, table: Table, ranges: Sequence[NumberRange]) -> None:
    """`raw` is a connection for definitions. May be repeated, whatever a crash has left."""
    wanted = {name: each for known in ranges for name, each in _triggers(table, known).items()}
    for trigger in _local(raw, schema, table).triggers:
        if trigger.name.startswith(PREFIX) and trigger.name not in wanted:
            execute(raw, f"DROP TRIGGER IF EXISTS {quoted(trigger.name)}")
    execute(raw, f"SET SESSION sql_mode = '{TRIGGER_MODE}'")
    for name, (timing, event, body) in wanted.items():
        execute(
            raw,
            f"CREATE OR REPLACE TRIGGER {quoted(name)} {timing} {event} ON {quoted(table.name)} FOR EACH ROW {body}",
        )


def _local(raw: Driver, schema: str, table: Table) -> catalogue.LocalTable:
    found = catalogue.read(raw, schema, table.name)
    if found is None:
        raise UnknownName(f"Table {table.name} has been dropped: restore it, or take it out of replication.")
    return found


@contextmanager
def silent(raw: Driver) -> Iterator[None]:
    execute(raw, f"SET {_SILENT} = 1")
    try:
        yield
    finally:
        try:
            if raw.open:
                execute(raw, f"SET {_SILENT} = NULL")
        except pymysql.err.MySQLError:
            raw.close()


def highest(raw: Driver, table: Table, known: NumberRange, low: int, high: int) -> int | None:
    number = _number(table, known, quoted(known.column))
    sql = f"SELECT max({number}) FROM {quoted(table.name)} WHERE {number} BETWEEN {int(low)} AND {int(high)}"
    found = scalar(raw, sql)
    return None if found is None else int(found)


def rows(raw: Driver, standing: Standing, known: NumberRange) -> Iterator[list[NumberedRow]]:
    """By number, from a cursor of the server's."""
    table, key = standing.table, standing.table.definition.primary_key
    number, carrier = _number(table, known, f"t.{quoted(known.column)}"), Carrier(standing.pairs(key))
    sql = f"SELECT {number}, {standing.select_list(key)} FROM {standing.sql} t WHERE {number} IS NOT NULL ORDER BY 1"
    with raw.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute(sql)
        while page := cursor.fetchmany(NUMBERED_ROWS):
            yield [(row[0], *key) for row, key in zip(page, carrier.read([row[1:] for row in page]), strict=True)]


# --- keys -------------------------------------------------------------------------------------------------------------


def set_counter(raw: Driver, schema: str, table: Table, column: str, following: int) -> None:
    """`raw` is a connection for definitions. Raises DatabaseBusy where somebody is at the table."""
    _require_counting(raw, schema, table, column)
    execute(raw, f"ALTER TABLE {quoted(table.name)} AUTO_INCREMENT = {int(following)}")


def _require_counting(raw: Driver, schema: str, table: Table, column: str) -> None:
    if not any(each.name == column and each.counts for each in _local(raw, schema, table).columns):
        raise UnfitTable(
            f"The key of table {table.name} does not count by itself, so it can't be kept to a block: make it "
            "AUTO_INCREMENT."
        )


def counter(raw: Driver, schema: str, table: Table, column: str) -> int | None:
    if not any(each.name == column and each.counts for each in _local(raw, schema, table).columns):
        return None
    found = look_up(
        raw,
        "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (schema, table.name),
    )
    return None if not found or found[0][0] is None else int(found[0][0])


# --- triggers ---------------------------------------------------------------------------------------------------------

_Trigger = tuple[str, str, str]
"""Timing, event, body."""


def _triggers(table: Table, known: NumberRange) -> dict[str, _Trigger]:
    """By name. Nothing in them names the database: a dump of it can be brought back under another name."""
    new, old = f"NEW.{quoted(known.column)}", f"OLD.{quoted(known.column)}"
    empty = empty_condition(known, new)
    number = f"SET number = {_number(table, known, new)}; "
    unchanged = f"{new} <=> {old} OR {empty}"
    changed = f"IF NOT ({unchanged}) THEN {number}{_given(table, known, inserted=False)}END IF; "
    inserted = f"{number}{_given(table, known, inserted=True)}"
    timing = "AFTER" if known.way is Way.KEYS else "BEFORE"
    if known.way is Way.FILLED:
        inserted = f"IF {empty} THEN {_fill(table, known)}ELSE {inserted}END IF; "
    elif known.way is Way.CHOSEN:
        inserted = f"IF NOT ({empty}) THEN {inserted}END IF; "
    made = {
        f"{PREFIX}insert_{known.id}": (timing, "INSERT", _block(inserted)),
        f"{PREFIX}update_{known.id}": ("BEFORE", "UPDATE", _block(changed)),
    }
    if known.way is Way.KEYS:
        # REPLACE of a row that came from elsewhere: afterwards nobody could tell.
        stood = f"SET {_STOOD} = EXISTS (SELECT 1 FROM {_same_row(table)}); "
        made[f"{PREFIX}before_{known.id}"] = ("BEFORE", "INSERT", _block(stood))
    return made


def _block(what: str) -> str:
    return (
        "BEGIN DECLARE number, block, last BIGINT DEFAULT NULL;"
        " DECLARE CONTINUE HANDLER FOR NOT FOUND SET block = NULL; "
        f"IF {APPLYING} IS NULL AND {_SILENT} IS NULL THEN {what}END IF; END"
    )


def _locked(known: NumberRange) -> str:
    """One session at a time, whatever its isolation level makes of gaps in an index."""
    return f"SELECT id INTO block FROM {RANGES} WHERE id = {known.id} FOR UPDATE; "


def _fill(table: Table, known: NumberRange) -> str:
    said, column = Sentences.of(table, known), quoted(known.column)
    value = _text(known, "number") if is_text(table, known) else "number"
    return (
        # First of all: what a trigger reads in REPEATABLE READ locks gaps, and who waits must hold none. So the range's
        # row is locked before the block's, as everywhere (_locked); both in one statement, as each costs.
        f"SELECT s.serial, s.next_number, s.highest INTO block, number, last FROM {RANGES} AS r"
        f" STRAIGHT_JOIN {STOCK} AS s ON s.range_id = r.id AND s.state = 0 WHERE r.id = {known.id}"
        " ORDER BY s.serial LIMIT 1 FOR UPDATE; "
        # INSERT … ON DUPLICATE KEY UPDATE of a row that is there must not use up a number.
        f"SET NEW.{column} = (SELECT t.{column} FROM {_same_row(table)}); "
        f"IF {empty_condition(known, f'NEW.{column}')} THEN "
        f"IF block IS NULL THEN IF (SELECT stopped FROM {RANGES} WHERE id = {known.id}) THEN {_signal(said.halted)}"
        f"END IF; {_signal(said.none_left)}END IF; "
        f"UPDATE {STOCK} SET next_number = number + 1, state = (number = last)"
        f" WHERE range_id = {known.id} AND serial = block; "
        f"SET NEW.{column} = {value}; END IF; "
    )


def _given(table: Table, known: NumberRange, *, inserted: bool) -> str:
    """A number that the application gives is taken out of its block."""
    within = f"range_id = {known.id} AND number BETWEEN lowest AND highest"
    refuse = _signal(Sentences.of(table, known).not_ours)
    if inserted and known.way is not Way.KEYS:
        column = quoted(known.column)
        refuse = f"IF NOT EXISTS (SELECT 1 FROM {_same_row(table)} AND t.{column} = NEW.{column}) THEN {refuse}END IF; "
    if known.way is Way.KEYS:
        ours = f"EXISTS (SELECT 1 FROM {STOCK} WHERE {within} AND state < 2)" + (f" OR {_STOOD}" if inserted else "")
        return f"IF NOT ({ours}) THEN {refuse}END IF; "
    if known.way is Way.FILLED:
        first = f"(SELECT serial FROM {STOCK} WHERE range_id = {known.id} AND state = 0 ORDER BY serial LIMIT 1)"
        take = f"SET block = {first}; UPDATE {STOCK} SET next_number = number + 1, state = (number = highest)"
        take += f" WHERE {within} AND state = 0 AND serial = block AND next_number = number; "
    else:
        take = f"UPDATE {STOCK} SET next_number = number + 1, state = (number = highest)"
        take += f" WHERE {within} AND state = 0 AND next_number <= number; "
    drawn = f"EXISTS (SELECT 1 FROM {STOCK} WHERE {within} AND state < 2 AND number < next_number)"
    # Nearly always it is the next one, so that is tried first.
    return f"{_locked(known)}{take}IF ROW_COUNT() = 0 THEN IF NOT {drawn} THEN {refuse}END IF; END IF; "


def _same_row(table: Table) -> str:
    same = " AND ".join(f"t.{quoted(name)} = NEW.{quoted(name)}" for name in table.definition.primary_key)
    return f"{quoted(table.name)} AS t WHERE {same}"


def _signal(text: str) -> str:
    return f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = {_literal(text[:_LONGEST_SENTENCE])}; "


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _text(known: NumberRange, number: str) -> str:
    form, written = known.form, f"CAST({number} AS CHAR)"
    if form.digits:
        written = f"LPAD({written}, GREATEST({form.digits}, CHAR_LENGTH({written})), '0')"
    return f"CONCAT({_literal(form.before)}, {written}, {_literal(form.after)})"


def _number(table: Table, known: NumberRange, value: str) -> str:
    """SQL: the number in a value of the column; NULL: there is none."""
    if not is_text(table, known):
        return value
    form = known.form
    around = len(form.before) + len(form.after)
    inner = f"SUBSTR({value}, {len(form.before) + 1}, GREATEST(0, CHAR_LENGTH({value}) - {around}))"
    # In a strict mode CASE does not keep a CAST of what is no number from being refused.
    read = f"CAST(IF({inner} REGEXP '^[0-9]{{1,{MOST_DIGITS}}}$', {inner}, '0') AS SIGNED)"
    return f"CASE WHEN BINARY {_text(known, read)} = BINARY {value} THEN {read} END"
