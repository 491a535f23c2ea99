"""Writing behind the triggers' back, as a foreign tool, a restored table or a careless administrator does."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from replicator.databases.mariadb.statements import APPLYING
from tests.integration.command_line import Place


def unseen(place: Place, *statements: str) -> None:
    """The statements, with no trigger that sees them and no foreign key that objects."""
    kind = type(place).__name__.removesuffix("Place").lower()
    if kind == "postgresql":
        with closing(place.server.connect(place.database)) as administrator:  # type: ignore[attr-defined]
            for statement in ("SET session_replication_role = replica", *statements):
                administrator.execute(statement.encode())
    elif kind == "mariadb":
        with closing(place.connect()) as connection, connection.cursor() as cursor:  # type: ignore[attr-defined]
            for statement in (f"SET {APPLYING} = 1, SESSION foreign_key_checks = 0", *statements):
                cursor.execute(statement)
    else:
        with closing(sqlite3.connect(place.database_file)) as connection, connection:
            behind_triggers(connection, *statements)


def behind_triggers(connection: sqlite3.Connection, *statements: str) -> None:
    """On SQLite all triggers go, and come back as they were."""
    standing = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid"
    ).fetchall()
    for name, _ in standing:
        connection.execute(f'DROP TRIGGER "{name}"')
    for statement in statements:
        connection.execute(statement)
    for _, sql in standing:
        connection.execute(sql)
