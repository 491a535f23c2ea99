"""Replicated tables, rules and interned recipient sets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from replicator.errors import UnknownName
from replicator.protocol.definitions import definition_from_plain, definition_to_plain
from replicator.protocol.rules import RuleBook
from replicator.store import sql
from replicator.types import Kinds, Policy, Position, Rule, Table, TableDefinition


def load_tables(connection: Connection) -> dict[int, Table]:
    found = sql.rows(
        connection,
        "SELECT id, name, area, policy, definition, version_epoch, version_n, column_ids FROM replicator_table"
        " ORDER BY id",
    )
    return {
        number: Table(number, name, read_definition(text), area, Policy(policy), (epoch, n), read_ids(ids))
        for number, name, area, policy, text, epoch, n, ids in found
    }


@lru_cache(maxsize=1024)
def read_ids(text: str | None) -> tuple[int, ...]:
    """Numbers of a table's columns."""
    return () if text is None else tuple(json.loads(text))


def ids_text(ids: tuple[int, ...]) -> str | None:
    return json.dumps(list(ids)) if ids else None


@lru_cache(maxsize=1024)
def read_definition(text: str) -> TableDefinition:
    """Every transaction asks for the tables anew, and they hardly ever change."""
    return definition_from_plain(json.loads(text, object_hook=_from_hex))


def definition_text(definition: TableDefinition) -> str:
    """As JSON. A default may be bytes, and its text any bytes too: both go as escapes, which JSON reads back."""
    plain = definition_to_plain(definition)
    text = json.dumps(plain, ensure_ascii=False, default=_as_hex)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(plain, default=_as_hex)
    return text


def _as_hex(value: Any) -> dict[str, str]:
    return {"hex": value.hex()}


def _from_hex(found: dict[str, Any]) -> Any:
    return bytes.fromhex(found["hex"]) if found.keys() == {"hex"} else found


def find_table(connection: Connection, name: str) -> Table:
    for table in load_tables(connection).values():
        if table.name == name:
            return table
    raise UnknownName(f"table {name} is not replicated; see: replicator table list")


def save_table(connection: Connection, table: Table, now: int) -> None:
    """Insert the table, or take over its changed definition, area or policy. A new one is as the host has it."""
    definition, ids = definition_text(table.definition), ids_text(table.ids)
    values = (table.name, table.area, str(table.policy), definition, *table.version, ids)
    known = sql.one(connection, "SELECT 1 FROM replicator_table WHERE id = ?", (table.id,))
    if known is not None:
        sql.run(
            connection,
            "UPDATE replicator_table SET name = ?, area = ?, policy = ?, definition = ?, version_epoch = ?,"
            " version_n = ?, column_ids = ? WHERE id = ?",
            (*values, table.id),
        )
        return
    sql.run(
        connection,
        "INSERT INTO replicator_table (name, area, policy, definition, version_epoch, version_n, column_ids, id,"
        " added_at, wanted_epoch, wanted_n) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, table.id, now, *table.version),
    )


def delete_table(connection: Connection, table: int) -> None:
    sql.run(connection, "DELETE FROM replicator_table WHERE id = ?", (table,))
    for name in ("rule", "row_version", "tombstone", "link_row", "skipped", "salvaged", "reload", "leaving"):
        sql.run(connection, f"DELETE FROM replicator_{name} WHERE table_id = ?", (table,))


def load_rule_books(connection: Connection) -> dict[int, RuleBook]:
    """Rules of every peer; at a station that is peer 0."""
    books = {peer: RuleBook() for (peer,) in sql.rows(connection, "SELECT id FROM replicator_peer")}
    found = sql.rows(
        connection,
        "SELECT peer, table_id, version_epoch, version_n, to_remote, to_host FROM replicator_rule"
        " ORDER BY peer, table_id, version_epoch, version_n",
    )
    for peer, table, epoch, n, to_remote, to_host in found:
        if peer in books:
            books[peer].add(table, (epoch, n), Rule(Kinds(to_remote), Kinds(to_host)))
    return books


def add_rule(connection: Connection, peer: int, table: int, version: Position, rule: Rule) -> None:
    sql.run(
        connection,
        "INSERT INTO replicator_rule (peer, table_id, version_epoch, version_n, to_remote, to_host)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (peer, table, *version, int(rule.to_remote), int(rule.to_host)),
    )


def set_only_rule(connection: Connection, peer: int, table: int, version: Position, rule: Rule) -> None:
    """A station keeps the present version only."""
    sql.run(connection, "DELETE FROM replicator_rule WHERE peer = ? AND table_id = ?", (peer, table))
    add_rule(connection, peer, table, version, rule)


@dataclass(slots=True)
class RecipientSets:
    """Interned sets of stations: a record names a number, whatever the number of its recipients."""

    numbers: dict[tuple[int, ...], int] = field(default_factory=dict)
    stations: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def load(cls, connection: Connection) -> RecipientSets:
        sets = cls()
        for number, text in sql.rows(connection, "SELECT id, stations FROM replicator_recipients"):
            sets._remember(number, tuple(int(part) for part in text.split(",")))
        return sets

    def _remember(self, number: int, stations: tuple[int, ...]) -> None:
        self.numbers[stations] = number
        self.stations[number] = stations

    def intern(self, connection: Connection, stations: tuple[int, ...]) -> int | None:
        """The number of this set (sorted); None for the empty one."""
        if not stations:
            return None
        number = self.numbers.get(stations)
        if number is None:
            number = max(self.stations, default=0) + 1
            text = ",".join(str(station) for station in stations)
            sql.run(connection, "INSERT INTO replicator_recipients (id, stations) VALUES (?, ?)", (number, text))
            self._remember(number, stations)
        return number
