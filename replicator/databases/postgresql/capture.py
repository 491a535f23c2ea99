"""Capture: a change table per replicated table, written by triggers in the application's own transaction.

`change_N` of our schema, for table number N, has typed columns, so a value is copied as it is, whatever its type:

    id    from one sequence for all tables, drawn when the change is made
    txid  of the transaction; the outer one within savepoints
    op    I insert, U update, D delete
    at    the time of the change
    n1…   the new row, column by column              o1…  the old one; both whole

Columns are told by their type's name, not by the table's row type: that would stand in the way of ALTER TABLE.

Inserts and deletes are captured a statement at a time, from its transition table; row by row only where the table has
AFTER ROW triggers of the application's, which would run earlier, and whose changes would come first. Updates are
captured row by row: transition tables have no link between a row's two forms but the key, which may itself have
changed, and a row that two foreign keys' actions change in one statement stands in them twice. TRUNCATE is captured as
deletes.

The functions run as their owner, so that the application needs no right on our tables; every name in them is qualified.
"""

from __future__ import annotations

from replicator.databases.captured import captured_columns
from replicator.databases.own_names import OURS
from replicator.databases.postgresql.catalogue import LocalColumn, LocalTable
from replicator.databases.postgresql.change_tables import change_table, drop_useless, put_aside
from replicator.databases.postgresql.definitions import carried_columns, read_local
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, execute, fetch, quoted, scalar
from replicator.errors import UnfitTable, UnknownName
from replicator.types import Table

PREFIX = f"!{OURS}"
"""Of our triggers' names: PostgreSQL fires triggers by name, and ours have to be first."""

_KINDS = ("insert", "update", "delete", "truncate")
_FIRST_COLUMNS = 'id bigint NOT NULL, txid xid8 NOT NULL, op "char" NOT NULL, at timestamptz NOT NULL'


def create_sequence(raw: Driver, schemas: Schemas) -> None:
    # Ids must rise with time over all sessions (protocol.md 7.1): no session may draw some in advance.
    execute(raw, f"CREATE SEQUENCE IF NOT EXISTS {schemas.own('change_id')} AS bigint CACHE 1")


def install(raw: Driver, schemas: Schemas, table: Table) -> None:
    local = read_local(raw, schemas, table.name)
    columns = _captured(local, table)
    _drop_functions(raw, schemas, table)
    _make_change_table(raw, schemas, table.id, columns)
    for statement in _statements(raw, schemas, local, table.id, columns):
        execute(raw, statement)


def remove(raw: Driver, schemas: Schemas, table: Table) -> None:
    """Triggers and functions go; what was captured stays until it is collected."""
    _drop_functions(raw, schemas, table)
    drop_useless(raw, schemas)


def _drop_functions(raw: Driver, schemas: Schemas, table: Table) -> None:
    """Their triggers go with them."""
    for kind in _KINDS:
        execute(raw, f"DROP FUNCTION IF EXISTS {schemas.own(f'capture_{kind}_{table.id}')}() CASCADE")


def all_stand(raw: Driver, schemas: Schemas, table: Table) -> bool:
    """Do all triggers stand, and fire?"""
    standing = _standing(raw, read_local(raw, schemas, table.name))
    return all(standing.get(f"{PREFIX}{kind}", ("D",))[0] in ("O", "A") for kind in _KINDS)


def faults(raw: Driver, schemas: Schemas, table: Table) -> list[str]:
    """One sentence each; what should stand is written anew in thought and compared with what does."""
    try:
        local = read_local(raw, schemas, table.name)
        columns = _captured(local, table)
    except UnknownName:
        return [f"Table {table.name} has been dropped: restore it, or take it out of replication."]
    except UnfitTable as error:
        return [str(error)]
    found = []
    standing = _standing(raw, local)
    wanted = {f"{PREFIX}{kind}" for kind in _KINDS}
    ours = {name: state for name, state in standing.items() if name.startswith(PREFIX)}
    if missing := sorted(wanted - ours.keys()):
        found.append(f"The capture of table {table.name} has lost the trigger {missing[0]}: changes may be missed.")
    if disabled := sorted(name for name, (enabled, *_) in ours.items() if enabled not in ("O", "A")):
        found.append(f"The trigger {disabled[0]} of table {table.name} is disabled: changes are missed.")
    expected = {kind: _body(kind, schemas, local, table.id, columns, by_row=_by_row(standing, kind)) for kind in _KINDS}
    bodies = {f"{PREFIX}{kind}": body for kind, body in expected.items()}
    if any(body != bodies.get(name, body) for name, (_, body, _, _) in ours.items()):
        found.append(f"The capture of table {table.name} is out of date: the table or its triggers were changed.")
        # Told once: the capture that is made then names them.
        known = "".join(body for _, body, _, _ in ours.values())
        found += [
            f"Table {table.name} has a new column {name}, which isn't replicated."
            for name in _others(local, columns)
            if quoted(name) not in known
        ]
    if scalar(raw, "SELECT to_regclass(%s)", (change_table(schemas, table.id),)) is None:
        found.append(f"The capture of table {table.name} has lost the table {change_table(schemas, table.id)}.")
    elif _change_columns(raw, schemas, table.id) != _wanted_columns(columns):
        found.append(f"The capture of table {table.name} is out of date: the type of a column was changed.")
    late = sorted(name for name in standing if not name.startswith(PREFIX) and name < PREFIX)
    if late:
        found.append(f"The trigger {late[0]} of table {table.name} fires before its capture: rename it.")
    return found


def _captured(local: LocalTable, table: Table) -> list[LocalColumn]:
    key = local.primary_key
    return captured_columns(table, carried_columns(local), None if key is None else key.columns)


def _others(local: LocalTable, columns: list[LocalColumn]) -> list[str]:
    """Columns that are here and not in the definition."""
    return [column.name for column in carried_columns(local) if column not in columns]


# --- what stands ------------------------------------------------------------------------------------------------------


def _standing(raw: Driver, local: LocalTable) -> dict[str, tuple[str, str, bool, bool]]:
    """The table's triggers by name: (how enabled, body, for each row, after)."""
    found = fetch(
        raw,
        "SELECT t.tgname::text, t.tgenabled::text, p.prosrc, t.tgtype & 1 <> 0, t.tgtype & 66 = 0 FROM pg_trigger t"
        " JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = %s AND NOT t.tgisinternal",
        (local.oid,),
    )
    return {name: (enabled, body, by_row, after) for name, enabled, body, by_row, after in found}


def _by_row(standing: dict[str, tuple[str, str, bool, bool]], kind: str) -> bool:
    """The application has AFTER ROW triggers of its own: ours must come before them."""
    theirs = any(by_row and after for name, (_, _, by_row, after) in standing.items() if not name.startswith(PREFIX))
    return kind == "update" or (theirs and kind != "truncate")


def _wanted_columns(columns: list[LocalColumn]) -> list[tuple[str, str]]:
    return [(f"{letter}{place}", column.declared) for letter in "no" for place, column in enumerate(columns, start=1)]


def _change_columns(raw: Driver, schemas: Schemas, number: int) -> list[tuple[str, str]]:
    return [
        (name, declared)
        for name, declared in fetch(
            raw,
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 4 AND NOT attisdropped ORDER BY attnum",
            (change_table(schemas, number),),
        )
    ]


# --- making it --------------------------------------------------------------------------------------------------------


def _make_change_table(raw: Driver, schemas: Schemas, number: int, columns: list[LocalColumn]) -> None:
    """Anew where the columns have changed; what was captured is kept and read as it is."""
    name = change_table(schemas, number)
    wanted = _wanted_columns(columns)
    if scalar(raw, "SELECT to_regclass(%s)", (name,)) is not None:
        if _change_columns(raw, schemas, number) == wanted:
            return
        put_aside(raw, schemas, number)
    listed = ", ".join(f"{column} {declared}" for column, declared in wanted)
    execute(raw, f"CREATE TABLE {name} ({_FIRST_COLUMNS}, {listed})")
    # Where the application publishes all tables of its database, nothing may be deleted from one without.
    execute(raw, f"ALTER TABLE {name} REPLICA IDENTITY FULL")


def _statements(raw: Driver, schemas: Schemas, local: LocalTable, number: int, columns: list[LocalColumn]) -> list[str]:
    standing = _standing(raw, local)
    made = []
    for kind in _KINDS:
        by_row = _by_row(standing, kind)
        function = schemas.own(f"capture_{kind}_{number}()")
        made.append(
            f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
            f"{_dollar_quoted(_body(kind, schemas, local, number, columns, by_row=by_row))}"
        )
        made.append(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        made.append(
            f"CREATE TRIGGER {quoted(PREFIX + kind)} {_event(kind, local, by_row=by_row)} EXECUTE FUNCTION {function}"
        )
    return made


def _dollar_quoted(body: str) -> str:
    return f"$replicator${body}$replicator$"


def _event(kind: str, local: LocalTable, *, by_row: bool) -> str:
    if kind == "truncate":
        return f"BEFORE TRUNCATE ON {local.sql} FOR EACH STATEMENT"
    if by_row:
        return f"AFTER {kind.upper()} ON {local.sql} FOR EACH ROW"
    rows = "NEW TABLE AS changed" if kind == "insert" else "OLD TABLE AS changed"
    return f"AFTER {kind.upper()} ON {local.sql} REFERENCING {rows} FOR EACH STATEMENT"


def _body(
    kind: str, schemas: Schemas, local: LocalTable, number: int, columns: list[LocalColumn], *, by_row: bool
) -> str:
    names = [quoted(column.name) for column in columns]
    letter = kind[0].upper() if kind != "truncate" else "D"
    forms = {"I": ("n",), "D": ("o",), "U": ("n", "o")}[letter]
    variables = {"n": "NEW.", "o": "OLD."} if by_row else {"n": "changed.", "o": "changed."}
    slots = ", ".join(f"{form}{place}" for form in forms for place in range(1, len(columns) + 1))
    values = ", ".join(f"{variables[form]}{name}" for form in forms for name in names)
    sequence = schemas.own("change_id").replace("'", "''")
    row = (
        f"pg_catalog.nextval('{sequence}'::pg_catalog.regclass), pg_catalog.pg_current_xact_id(),"
        f" '{letter}', pg_catalog.clock_timestamp(),\n    {values}"
    )
    # Of one row, VALUES take a fifth less of the application's time than SELECT.
    source = local.sql if kind == "truncate" else "changed"
    rows = f"VALUES ({row})" if by_row else f"SELECT {row} FROM {source} AS changed"
    # The comment makes a column that was added later show up as a difference.
    others = ", ".join(map(quoted, _others(local, columns))) if kind == "insert" else ""
    note = f"  -- not replicated: {others}\n" if others else ""
    into = f"INSERT INTO {change_table(schemas, number)} (id, txid, op, at, {slots})"
    return f"BEGIN\n{note}  {into}\n  {rows};\n  RETURN NULL;\nEND"
