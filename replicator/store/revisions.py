"""Which revisions of the node's own folder were carried out: the last one of each line."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from replicator.store import sql


def heads(connection: Connection) -> set[str]:
    return {name for (name,) in sql.rows(connection, "SELECT version_num FROM replicator_revision")}


def note(connection: Connection, revision: str, before: Iterable[str]) -> None:
    """It was carried out, and stands for those before it."""
    for name in before:
        sql.run(connection, "DELETE FROM replicator_revision WHERE version_num = ?", (name,))
    sql.run(connection, "INSERT INTO replicator_revision (version_num) VALUES (?)", (revision,))
