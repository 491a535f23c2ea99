"""SQLite's errors, sorted by their code where they enter (never by their text)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from replicator.errors import ConstraintViolation, DatabaseBusy, DatabaseTrouble, ReplicatorError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CONSTRAINT = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
_TROUBLE = {
    sqlite3.SQLITE_FULL: "The disk is full: make room on the disk of the database {path} and run again.",
    sqlite3.SQLITE_IOERR: "The database {path} can't be read or written ({text}): see that its disk is sound and not full, make room if it is, and run again.",  # noqa: E501
    sqlite3.SQLITE_NOMEM: "There is not enough memory to work on the database {path}.",
    sqlite3.SQLITE_READONLY: "The database {path} can't be written: give this user write permission on the file and its folder.",  # noqa: E501
    sqlite3.SQLITE_PERM: "The database {path} can't be used: give this user permission on the file and its folder.",
    sqlite3.SQLITE_AUTH: "The database {path} can't be used: give this user permission on the file and its folder.",
    sqlite3.SQLITE_CANTOPEN: "The database {path} can't be opened: check that the path is right and that this user may use the file and its folder.",  # noqa: E501
    sqlite3.SQLITE_CORRUPT: "The database {path} is damaged ({text}): restore it from a backup.",
    sqlite3.SQLITE_NOTADB: "The file {path} is not an SQLite database: check the database URL.",
}


def translate(error: Exception, path: str) -> ReplicatorError | None:
    """The error as ours, or None when it is no fault of the database (a bug of this program).

    `error` is the driver's, or SQLAlchemy's around it. SQLite tells a missing table by no code of its own: its sentence
    is passed on.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return None
    primary = code & 0xFF
    if primary in _BUSY:
        return DatabaseBusy(f"The database {path} is locked by another program: try again.")
    if primary in _CONSTRAINT:
        return ConstraintViolation(f"The database {path} refuses a row: {cause}.")
    sentence = _TROUBLE.get(primary, "The database {path} refused a statement: {text}.")
    return DatabaseTrouble(sentence.format(path=path, text=cause))


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Within: errors of the driver come out as ours."""
    try:
        yield
    except OverflowError as error:
        raise ConstraintViolation(f"A number has more than 64 bits, which the database {path} can't store.") from error
    except (sqlite3.Error, DBAPIError) as error:
        ours = translate(error, path)
        if ours is None:
            raise
        raise ours from error
