"""What migrations of the application have asked for and is still to be carried out, in order."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from replicator.store import sql


class Request(NamedTuple):
    id: int
    body: str
    """JSON."""
    error: str | None
    """Why it could not be carried out so far."""


def load(connection: Connection) -> list[Request]:
    """In the order in which they were asked for."""
    return [Request(*row) for row in sql.rows(connection, "SELECT id, body, error FROM replicator_request ORDER BY id")]


def add(connection: Connection, body: str) -> None:
    sql.run(connection, "INSERT INTO replicator_request (body) VALUES (?)", (body,))


def note_error(connection: Connection, number: int, error: str) -> None:
    sql.run(connection, "UPDATE replicator_request SET error = ? WHERE id = ?", (error, number))


def forget(connection: Connection, number: int) -> bool:
    """It is carried out, or nobody wants it any more. Whether it was there."""
    return sql.run(connection, "DELETE FROM replicator_request WHERE id = ?", (number,)).rowcount > 0
