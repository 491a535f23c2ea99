"""PostgreSQL's errors, sorted by SQLSTATE where they enter (never by their text).

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from replicator.errors import ConstraintViolation, DatabaseBusy, DatabaseTrouble, ReplicatorError

_BUSY = {
    "40001": "another program changed what we read",
    "40P01": "we and another program waited for each other",
    "55P03": "another program holds what we need",
    "55006": "another program uses what we need",
    "57014": "a statement was cancelled",
}
_CONSTRAINT_CLASSES = {"22", "23"}
"""Data that a column can't hold, and integrity."""
_CONSTRAINT = {"54000", "44000"}
"""A key too long for its index; a view's check."""
_TROUBLE = {
    "08": "The connection to {where} broke: see that the server runs and can be reached, and run again.",
    "25006": "The database {where} is read-only: run on the server that takes writes.",
    "28": "The database {where} refuses the log-in: check user and password.",
    "3D000": "There is no {where}: check the database URL, or create it.",
    "42501": "The database {where} does not permit this: {text}. See the privileges that the replicator needs.",
    "53100": "The disk of the database {where} is full: make room and run again.",
    "53200": "There is not enough memory to work on the database {where}.",
    "53300": "The database {where} has no connection left: close some, or raise max_connections.",
    "57P01": "The server of {where} is shutting down: run again when it is back.",
    "57P02": "The server of {where} crashed and recovers: run again.",
    "57P03": "The server of {where} is starting: run again.",
    "58": "The disk of the database {where} reports a fault ({text}): see the server's log.",
    "XX": "The database {where} is damaged ({text}): see the server's log, and restore it from a backup if need be.",
}
"""By whole code or by class."""


def translate(error: Exception, where: str) -> ReplicatorError | None:
    """The error as ours, or None when it is no fault of the database (a bug of this program).

    `error` is the driver's, or SQLAlchemy's around it. `where` names the database without its password.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    code = cause.sqlstate
    if code is None:
        # libpq's own: no server has answered, or it has gone.
        if isinstance(cause, psycopg.OperationalError):
            return DatabaseTrouble(_TROUBLE["08"].format(where=where))
        return None
    text = (cause.diag.message_primary or "no reason given").rstrip(".")
    if code in _BUSY:
        return DatabaseBusy(f"The database {where} is in use ({_BUSY[code]}): try again.")
    if code[:2] in _CONSTRAINT_CLASSES or code in _CONSTRAINT:
        return ConstraintViolation(f"The database {where} refuses a row: {text}.")
    sentence = _TROUBLE.get(code) or _TROUBLE.get(code[:2]) or "The database {where} refused a statement: {text}."
    return DatabaseTrouble(sentence.format(where=where, text=text))


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Within: errors of the driver come out as ours."""
    try:
        yield
    except (psycopg.Error, DBAPIError) as error:
        ours = translate(error, where)
        if ours is None:
            raise
        raise ours from error
