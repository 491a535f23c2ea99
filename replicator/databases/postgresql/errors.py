"""PostgreSQL's errors, sorted by SQLSTATE where they enter (never by their text).

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import DBAPIError

from replicator.errors import ConstraintViolation, DatabaseBusy, DatabaseTrouble, DatabaseWantsPassword, ReplicatorError

_BUSY = {
    "40001": "another program changed what we read",
    "40P01": "we and another program waited for each other",
    "55P03": "another program holds what we need",
    "55006": "another program uses what we need",
    "57014": "a statement was cancelled",
}
_CONSTRAINT_CLASSES = {"09", "21", "22", "23", "27", "2F", "38", "39", "P0"}
"""Data that a column can't hold, and integrity; what a trigger of the application's says (RAISE is P0001), or fails
with."""
_CONSTRAINT = {"44000"}
"""A view's check."""
_TOO_LONG = "54000"
"""A limit of the program: the one that a row can hit is an index entry's."""
READ_ONLY = "25006"
_TROUBLE = {
    "08": "The connection to {where} broke: see that the server runs and can be reached, and run again.",
    "25006": "The database {where} is read-only: run on the server that takes writes.",
    "28": "The database {where} refuses the log-in: check user and password.",
    "3D000": "There is no {where}: check the database URL, or create it.",
    "42501": "The database {where} does not permit this: {text}. See the privileges that the replicator needs.",
    "53100": "The disk of the database {where} is full: make room and run again.",
    "53200": "There is not enough memory to work on the database {where}.",
    "53300": "The database {where} has no connection left: close some, or raise max_connections.",
    "57P01": "The connection to {where} was ended by an administrator, or by a server that shuts down: run again.",
    "57P05": "The server of {where} ended a connection that it took for idle: run again.",
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
        # libpq's own: no server has answered, or it has gone, or it let nobody in.
        if isinstance(cause, psycopg.OperationalError) and cause.pgconn is not None:
            return _not_connected(cause, where)
        if isinstance(cause, psycopg.OperationalError):
            return DatabaseTrouble(sentence("08", where))
        return None
    text = (cause.diag.message_primary or "no reason given").rstrip(".")
    if code in _BUSY:
        return DatabaseBusy(f"The database {where} is in use, {_BUSY[code]}: try again.")
    if code == _TOO_LONG:
        return ConstraintViolation(
            f"The database {where} refuses a row: a value in a key or an index is too long ({text}). Shorten it; "
            "PostgreSQL indexes no more than about 2,700 bytes."
        )
    if code[:2] in _CONSTRAINT_CLASSES or code in _CONSTRAINT:
        return ConstraintViolation(f"The database {where} refuses a row: {text}.")
    return DatabaseTrouble(sentence(code, where, text))


def _not_connected(error: psycopg.OperationalError, where: str) -> DatabaseTrouble:
    """While a connection is made no code tells the reason; the words of the server or of libpq are quoted."""
    if error.pgconn is not None and error.pgconn.needs_password:
        return DatabaseWantsPassword(where)
    words = " ".join(str(error).split()).rstrip(".?")
    return DatabaseTrouble(f"The database {where} can't be reached: {words}.")


def sentence(code: str, where: str, text: str = "") -> str:
    """What to say of trouble with this code."""
    words = _TROUBLE.get(code) or _TROUBLE.get(code[:2]) or "The database {where} refused a statement: {text}."
    return words.format(where=where, text=text)


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
