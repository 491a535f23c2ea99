"""The versions of tables: what was written in one of them is read by it for ever (protocol.md 7.8).

A table that was never changed has one version, which stands in replicator_table alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from replicator.store import catalogue, sql
from replicator.types import NOWHERE, Policy, Position, Table

Forms = Mapping[tuple[int, Position], Table]
"""All versions that are known, by `Table.form`."""

_SELECT = "SELECT table_id, epoch, n, name, definition, column_ids, from_n, at FROM replicator_table_version"


class KnownVersion(NamedTuple):
    table: Table
    from_n: int | None
    """This node's own journal is in this version from here on; None: it never was."""
    at: int
    """When this node heard of it, microseconds since 1970 UTC."""


class Held(NamedTuple):
    """A table that the host has in another version than this station."""

    table: Table
    """As it is captured here."""
    wanted: Position


def load_versions(connection: Connection, table: int | None = None) -> list[KnownVersion]:
    """Of tables that were changed; by table, oldest first."""
    where, values = ("", ()) if table is None else (" WHERE table_id = ?", (table,))
    found = sql.rows(connection, f"{_SELECT}{where} ORDER BY table_id, epoch, n", values)
    return [
        KnownVersion(
            Table(
                number,
                name,
                catalogue.read_definition(definition),
                None,
                Policy.HOST,
                (epoch, n),
                catalogue.read_ids(ids),
            ),
            from_n,
            at,
        )
        for number, epoch, n, name, definition, ids, from_n, at in found
    ]


def between(connection: Connection, tables: Iterable[Table]) -> list[Table]:
    """The versions of these tables between the first and today's, oldest first."""
    now = {table.id: table.version for table in tables}
    known = [known.table for known in load_versions(connection) if known.table.id in now]
    return [form for form in known if NOWHERE < form.version < now[form.id]]


def load_forms(connection: Connection, tables: Iterable[Table]) -> dict[tuple[int, Position], Table]:
    """`tables`: those that are replicated now."""
    forms = {known.table.form: known.table for known in load_versions(connection)}
    forms.update((table.form, table) for table in tables)
    return forms


def definition_at(connection: Connection, table: Table, n: int) -> Table:
    """The table as this node's own journal has it from group n on: the version that held then. `table`: as it is now.

    Only for who reads by position: each block of the journal names its version itself.
    """
    found = table
    for known in load_versions(connection, table.id):
        if known.from_n is not None and known.from_n <= n:
            found = known.table
    return found


def note(connection: Connection, table: Table, now: int, from_n: int | None = None) -> None:
    """Remember a version; with `from_n` also from where on this node's journal is in it. May be repeated."""
    known = sql.one(
        connection,
        "SELECT from_n FROM replicator_table_version WHERE table_id = ? AND epoch = ? AND n = ?",
        (table.id, *table.version),
    )
    if known is None:
        sql.run(
            connection,
            "INSERT INTO replicator_table_version (table_id, epoch, n, name, definition, column_ids, from_n, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                table.id,
                *table.version,
                table.name,
                catalogue.definition_text(table.definition),
                catalogue.ids_text(table.ids),
                from_n,
                now,
            ),
        )
    elif from_n is not None and known[0] is None:
        sql.run(
            connection,
            "UPDATE replicator_table_version SET from_n = ? WHERE table_id = ? AND epoch = ? AND n = ?",
            (from_n, table.id, *table.version),
        )


def last_number(connection: Connection, epoch: int) -> int:
    """The highest number of a version of any table in this host epoch."""
    row = sql.one(connection, "SELECT max(n) FROM replicator_table_version WHERE epoch = ?", (epoch,))
    return int(row[0]) if row is not None and row[0] is not None else 0


def want(connection: Connection, table: int, version: Position) -> None:
    """Station: the host has this version now."""
    sql.run(connection, "UPDATE replicator_table SET wanted_epoch = ?, wanted_n = ? WHERE id = ?", (*version, table))


def held(connection: Connection, tables: Mapping[int, Table]) -> list[Held]:
    """Station: the tables that the host has in another version."""
    found = sql.rows(
        connection,
        "SELECT id, wanted_epoch, wanted_n FROM replicator_table"
        " WHERE wanted_epoch <> version_epoch OR wanted_n <> version_n ORDER BY id",
    )
    return [Held(tables[number], (epoch, n)) for number, epoch, n in found if number in tables]


def set_behind(connection: Connection, table: int, *, behind: bool) -> None:
    sql.run(connection, "UPDATE replicator_table SET behind = ? WHERE id = ?", (behind, table))


def behind(connection: Connection) -> list[int]:
    """Station: the tables of which values came that had no column here. Their rows are asked for once they have it, and
    this stays until they come."""
    return [
        number for (number,) in sql.rows(connection, "SELECT id FROM replicator_table WHERE behind <> 0 ORDER BY id")
    ]


def version_number(versions: Iterable[KnownVersion], version: Position) -> int:
    """Which one it is, from 1: what people are told."""
    ordered = sorted({NOWHERE, version, *(known.table.version for known in versions)})
    return ordered.index(version) + 1


# --- columns that leave -----------------------------------------------------------------------------------------------


def leaving(connection: Connection, table: int) -> frozenset[str]:
    """Columns that are replicated no more, and stand until the application drops them."""
    found = sql.rows(connection, "SELECT name FROM replicator_leaving WHERE table_id = ?", (table,))
    return frozenset(name for (name,) in found)


def set_leaving(connection: Connection, table: int, names: Collection[str]) -> None:
    """These, and no others."""
    sql.run(connection, "DELETE FROM replicator_leaving WHERE table_id = ?", (table,))
    for name in sorted(set(names)):
        sql.run(connection, "INSERT INTO replicator_leaving (table_id, name) VALUES (?, ?)", (table, name))


# --- rows that are asked for anew -------------------------------------------------------------------------------------


def ask_reload(connection: Connection, peer: int, table: int) -> None:
    """Host: this station is to get the table's rows once more."""
    known = sql.one(connection, "SELECT 1 FROM replicator_reload WHERE peer = ? AND table_id = ?", (peer, table))
    if known is None:
        sql.run(connection, "INSERT INTO replicator_reload (peer, table_id) VALUES (?, ?)", (peer, table))


def take_reloads(connection: Connection) -> dict[int, list[int]]:
    """Host: what was asked for, tables by station. It is forgotten with this."""
    found: dict[int, list[int]] = {}
    for peer, table in sql.rows(connection, "SELECT peer, table_id FROM replicator_reload ORDER BY peer, table_id"):
        found.setdefault(peer, []).append(table)
    if found:
        sql.run(connection, "DELETE FROM replicator_reload")
    return found
