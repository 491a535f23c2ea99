"""Numbers on PostgreSQL: one BEFORE ROW trigger a range fills them in, looks at what is given, and moves keys on.

The function runs as its owner, as those that capture do. Two sessions that draw from one range wait for each other at
the block's row, until the first one's transaction has ended: that is what leaves no gaps. A session in REPEATABLE READ
or above may be told to try again there (40001), as with any row that two of them change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

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
from replicator.databases.postgresql.here import Here
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, execute, fetch, quoted, scalar
from replicator.errors import UnfitTable
from replicator.protocol.numbers import NumberRange, Way
from replicator.types import Table

PREFIX = f"!{OURS}number_"
"""Of the triggers' names: the first of all BEFORE triggers, so that the application's own see the number."""

_SILENT = "replicator.unnumbered"
_PLACE = "replicator.block"
"""With the range's number: where the row stands that the transaction has last drawn from."""

_STANDING = """
SELECT t.tgname::text, p.prosrc, t.tgenabled::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = to_regclass(%s) AND starts_with(t.tgname::text, %s)
"""


def stand(raw: Driver, schemas: Schemas, table: Table, ranges: Sequence[NumberRange]) -> bool:
    wanted = {name: (body, "O") for name, body in _bodies(raw, schemas, table, ranges).items()}
    return wanted == {name: (body, on) for name, body, on in _standing(raw, schemas, table)}


def _bodies(raw: Driver, schemas: Schemas, table: Table, ranges: Sequence[NumberRange]) -> dict[str, str]:
    return {f"{PREFIX}{known.id}": _body(raw, schemas, table, known) for known in ranges}


def _standing(raw: Driver, schemas: Schemas, table: Table) -> list[tuple[str, str, str]]:
    """(name, body, how enabled) of our triggers on the table."""
    return [(name, body, on) for name, body, on in fetch(raw, _STANDING, (schemas.table(table.name), PREFIX))]


def enforce(raw: Driver, schemas: Schemas, table: Table, ranges: Sequence[NumberRange]) -> bool:
    if stand(raw, schemas, table, ranges):
        return False
    wanted = _bodies(raw, schemas, table, ranges)
    for name in {*wanted, *(name for name, _, _ in _standing(raw, schemas, table))}:
        execute(raw, f"DROP FUNCTION IF EXISTS {_function(schemas, name)} CASCADE")
    for known in ranges:
        name = f"{PREFIX}{known.id}"
        function = _function(schemas, name)
        execute(
            raw,
            f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
            f" $replicator${wanted[name]}$replicator$",
        )
        execute(raw, f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        execute(
            raw,
            f"CREATE TRIGGER {quoted(name)} BEFORE INSERT OR UPDATE OF {quoted(known.column)}"
            f" ON {schemas.table(table.name)} FOR EACH ROW EXECUTE FUNCTION {function}",
        )
    return True


def _function(schemas: Schemas, trigger: str) -> str:
    return schemas.own(f"number_{trigger.removeprefix(PREFIX)}()")


@contextmanager
def silent(raw: Driver) -> Iterator[None]:
    execute(raw, f"SET LOCAL {_SILENT} = 'on'")
    try:
        yield
    finally:
        # After an error nothing can be said in this transaction, and its end undoes the setting.
        if raw.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
            execute(raw, f"SET LOCAL {_SILENT} = 'off'")


def highest(raw: Driver, schemas: Schemas, table: Table, known: NumberRange, low: int, high: int) -> int | None:
    number = _number(table, known, quoted(known.column))
    found = scalar(
        raw, f"SELECT max({number}) FROM {schemas.table(table.name)} WHERE {number} BETWEEN {int(low)} AND {int(high)}"
    )
    return None if found is None else int(found)


def rows(raw: Driver, here: Here, known: NumberRange) -> Iterator[list[NumberedRow]]:
    """By number, from a cursor of the server's."""
    table, key = here.table, here.definition.primary_key
    number, read = _number(table, known, f"t.{quoted(known.column)}"), here.reader(key)
    # A column of that type as it is: an index on it spares the sorting.
    order = "1" if is_text(table, known) else f"t.{quoted(known.column)}"
    sql = f"SELECT {number}, {here.select(key)} FROM {here.place} t WHERE {number} IS NOT NULL ORDER BY {order}"
    with raw.cursor(name="replicator_numbers") as cursor:
        cursor.execute(sql.encode())
        while page := cursor.fetchmany(NUMBERED_ROWS):
            yield [(row[0], *key) for row, key in zip(page, read([row[1:] for row in page]), strict=True)]


# --- keys -------------------------------------------------------------------------------------------------------------


def sequence_of(raw: Driver, schemas: Schemas, table: Table, column: str) -> str | None:
    """As SQL, qualified. None: the column has none of its own that counts by one."""
    found = fetch(
        raw,
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(s.relname)"
        " FROM pg_get_serial_sequence(%s, %s) AS named (name)"
        " JOIN pg_class s ON s.oid = named.name::regclass JOIN pg_namespace n ON n.oid = s.relnamespace"
        " JOIN pg_sequence q ON q.seqrelid = s.oid WHERE q.seqincrement = 1",
        (schemas.table(table.name), column),
    )
    return str(found[0][0]) if found else None


def set_counter(raw: Driver, schemas: Schemas, table: Table, column: str, following: int) -> None:
    sequence = sequence_of(raw, schemas, table, column)
    if sequence is None:
        raise UnfitTable(
            f"The key of table {table.name} has no sequence of its own, so it can't be kept to a block: make the "
            "column GENERATED BY DEFAULT AS IDENTITY."
        )
    execute(raw, "SELECT setval(%s::regclass, %s, false)", (sequence, following))


def counter(raw: Driver, schemas: Schemas, table: Table, column: str) -> int | None:
    sequence = sequence_of(raw, schemas, table, column)
    if sequence is None:
        return None
    ((last, used),) = fetch(raw, f"SELECT last_value, is_called FROM {sequence}")
    return int(last) + bool(used)


# --- the trigger's function -------------------------------------------------------------------------------------------


def _body(raw: Driver, schemas: Schemas, table: Table, known: NumberRange) -> str:
    new, old = f"NEW.{quoted(known.column)}", f"OLD.{quoted(known.column)}"
    empty = empty_condition(known, new)
    filled = _fill(schemas, table, known) if known.way is Way.FILLED else "    RETURN NEW;\n"
    return (
        "\nDECLARE\n  number bigint;\n  stock bigint;\n  place tid;\n  standing record;\nBEGIN\n"
        f"  IF pg_catalog.current_setting('{_SILENT}', true) = 'on' THEN RETURN NEW; END IF;\n"
        f"  IF TG_OP = 'UPDATE' THEN\n    IF {new} IS NOT DISTINCT FROM {old} OR {empty} THEN RETURN NEW; END IF;\n"
        f"  ELSIF {empty} THEN\n{filled}"
        f"  END IF;\n  number := {_number(table, known, new)};\n"
        f"{_given(raw, schemas, table, known)}"
        f"  IF TG_OP = 'INSERT' THEN\n"
        f"    PERFORM 1 FROM {_same_row(schemas, table)} AND t.{quoted(known.column)} = {new};\n"
        f"    IF FOUND THEN RETURN NEW; END IF;\n  END IF;\n"
        f"  {_raise(Sentences.of(table, known).not_ours)}\nEND"
    )


def _fill(schemas: Schemas, table: Table, known: NumberRange) -> str:
    said, own = Sentences.of(table, known), schemas.own(STOCK)
    column = quoted(known.column)
    in_hand = f"range_id = {known.id} AND state = 0"
    drawn = "next_number = next_number + 1, state = (next_number = highest)::int"
    value = _text(known, "number") if is_text(table, known) else "number"
    return (
        # INSERT … ON CONFLICT of a row that is there must not use up a number.
        f"    SELECT t.{column} AS number INTO standing FROM {_same_row(schemas, table)};\n"
        f"    IF FOUND THEN\n      NEW.{column} := standing.number;\n      RETURN NEW;\n    END IF;\n"
        f"    {_recall(known)}\n"
        f"    UPDATE {own} SET {drawn} WHERE ctid = place AND {in_hand}\n"
        "      RETURNING next_number - 1, ctid INTO number, place;\n"
        "    WHILE number IS NULL LOOP\n"
        f"      UPDATE {own} SET {drawn}\n"
        f"        WHERE {in_hand} AND serial = (SELECT serial FROM {own} WHERE {in_hand} ORDER BY serial LIMIT 1)\n"
        "        RETURNING next_number - 1, ctid INTO number, place;\n"
        "      EXIT WHEN FOUND;\n"
        f"      PERFORM 1 FROM {own} WHERE {in_hand};\n"
        "      IF NOT FOUND THEN\n"
        f"        PERFORM 1 FROM {schemas.own(RANGES)} WHERE id = {known.id} AND stopped = 1;\n"
        f"        IF FOUND THEN {_raise(said.halted)} END IF;\n"
        f"        {_raise(said.none_left)}\n"
        "      END IF;\n"
        "    END LOOP;\n"
        f"    {_remember(known)}\n"
        f"    NEW.{column} := {value};\n    RETURN NEW;\n"
    )


# Of a row that one transaction changes often, PostgreSQL finds the last version by way of all before it: so we remember
# where it stands. A savepoint that is rolled back takes that back with it.
def _recall(known: NumberRange) -> str:
    return f"place := nullif(pg_catalog.current_setting('{_PLACE}_{known.id}', true), '')::tid;"


def _remember(known: NumberRange) -> str:
    return f"PERFORM pg_catalog.set_config('{_PLACE}_{known.id}', place::text, true);"


def _given(raw: Driver, schemas: Schemas, table: Table, known: NumberRange) -> str:
    """A number that the application gives is taken out of its block."""
    own, block = schemas.own(STOCK), f"range_id = {known.id} AND number BETWEEN lowest AND highest"
    known_here = f"  PERFORM 1 FROM {own} WHERE {block} AND state < 2%s;\n  IF FOUND THEN RETURN NEW; END IF;\n"
    if known.way is Way.KEYS:
        return known_here % "" + _jump(raw, schemas, table, known)
    in_hand = f"range_id = {known.id} AND state = 0"
    if known.way is Way.FILLED:
        first = f"serial = (SELECT serial FROM {own} WHERE {in_hand} ORDER BY serial LIMIT 1)"
        fits, elsewhere = "next_number = number", f"next_number = number AND {first}"
    else:
        fits = elsewhere = "next_number <= number"
    take = (
        f"  UPDATE {own} SET next_number = number + 1, state = (number = highest)::int\n"
        f"    WHERE %s AND {block} AND state = 0 RETURNING ctid INTO place;\n"
    )
    remember = f"  IF FOUND THEN\n    {_remember(known)}\n    RETURN NEW;\n  END IF;\n"
    return (
        f"  {_recall(known)}\n"
        + take % f"ctid = place AND {fits}"
        + remember
        + take % elsewhere
        + remember
        + known_here % " AND number < next_number"
    )


def _jump(raw: Driver, schemas: Schemas, table: Table, known: NumberRange) -> str:
    """The sequence has come to the end of its block: the one who sees it first moves it on to the next one."""
    sequence = sequence_of(raw, schemas, table, known.column)
    if sequence is None:
        return ""
    own, named = schemas.own(STOCK), f"{_literal(sequence)}::pg_catalog.regclass"
    return (
        "  BEGIN\n"
        f"    stock := pg_catalog.currval({named});\n"
        "  EXCEPTION WHEN object_not_in_prerequisite_state THEN stock := NULL;\n  END;\n"
        "  IF TG_OP = 'INSERT' AND stock = number THEN\n"
        f"    PERFORM 1 FROM {schemas.own(RANGES)} WHERE id = {known.id} FOR UPDATE;\n"
        f"    SELECT last_value + is_called::int AS following INTO standing FROM {sequence};\n"
        f"    PERFORM 1 FROM {own} WHERE range_id = {known.id} AND state = 0"
        " AND standing.following BETWEEN lowest AND highest;\n"
        "    IF NOT FOUND THEN\n"
        f"      SELECT lowest INTO stock FROM {own} WHERE range_id = {known.id} AND state = 0 AND lowest > number\n"
        "        ORDER BY lowest LIMIT 1;\n"
        f"      IF FOUND THEN PERFORM pg_catalog.setval({named}, stock, false); END IF;\n"
        "    ELSE\n      stock := number + 1;\n    END IF;\n"
        "    IF stock > number THEN\n"
        f"      NEW.{quoted(known.column)} := pg_catalog.nextval({named});\n      RETURN NEW;\n    END IF;\n"
        "  END IF;\n"
    )


def _same_row(schemas: Schemas, table: Table) -> str:
    same = " AND ".join(f"t.{quoted(name)} = NEW.{quoted(name)}" for name in table.definition.primary_key)
    return f"{schemas.table(table.name)} AS t WHERE {same}"


def _raise(text: str) -> str:
    return f"RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = {_literal(text)};"


def _literal(text: str) -> str:
    return (
        "'" + text.replace("'", "''") + "'"
        if "\\" not in text
        else "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    )


def _text(known: NumberRange, number: str) -> str:
    form, written = known.form, f"({number})::text"
    if form.digits:
        written = f"lpad({written}, greatest({form.digits}, length({written})), '0')"
    return f"({_literal(form.before)} || {written} || {_literal(form.after)})"


def _number(table: Table, known: NumberRange, value: str) -> str:
    """SQL: the number in a value of the column; NULL: there is none."""
    if not is_text(table, known):
        return f"{value}::bigint"
    form, text = known.form, f"{value}::text"
    around = len(form.before) + len(form.after)
    inner = f"substr({text}, {len(form.before) + 1}, greatest(0, length({text}) - {around}))"
    read = f"({inner})::bigint"
    return (
        f"(CASE WHEN {inner} ~ '^[0-9]{{1,{MOST_DIGITS}}}$' THEN CASE WHEN {_text(known, read)} = {text} THEN {read}"
        " END END)"
    )
