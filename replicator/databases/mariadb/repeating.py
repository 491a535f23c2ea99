"""Definitions of our own tables that may be made again: each is committed by itself, so a migration that was killed has
made some of them. It is begun anew, and what is there already is left as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

_AGAIN = [
    (re.compile(r"CREATE TABLE (?!IF )"), "CREATE TABLE IF NOT EXISTS "),
    (re.compile(r"CREATE (UNIQUE )?INDEX (?!IF )"), r"CREATE \1INDEX IF NOT EXISTS "),
    (re.compile(r"ALTER TABLE (\S+) ADD COLUMN (?!IF )"), r"ALTER TABLE \1 ADD COLUMN IF NOT EXISTS "),
    (re.compile(r"ALTER TABLE (\S+) DROP COLUMN (?!IF )"), r"ALTER TABLE \1 DROP COLUMN IF EXISTS "),
    (re.compile(r"DROP (TABLE|INDEX) (?!IF )"), r"DROP \1 IF EXISTS "),
    (re.compile(r"INSERT INTO "), "INSERT IGNORE INTO "),
]
"""Statements as Alembic writes them, and how they are written to do nothing the second time."""


@contextmanager
def repeatable(connection: Connection) -> Iterator[None]:
    """Within: statements of migrations may find done what they do. An UPDATE has to see to that itself."""

    def again(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        bare = statement.lstrip()
        for pattern, replacement in _AGAIN:
            if pattern.match(bare):
                return pattern.sub(replacement, bare, count=1), parameters
        return statement, parameters

    event.listen(connection, "before_cursor_execute", again, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", again)
