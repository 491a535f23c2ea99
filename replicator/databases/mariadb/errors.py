"""MariaDB's errors, sorted by number where they enter (never by their text).

https://mariadb.com/kb/en/mariadb-error-code-reference/
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
from sqlalchemy.exc import DBAPIError

from replicator.errors import ConstraintViolation, DatabaseBusy, DatabaseTrouble, ReplicatorError

NOT_GOT = 1205
"""Somebody holds a lock that we need, and the statement has done nothing. (Of 1213, a deadlock, nothing is left of the
whole transaction.)"""

_BUSY = {
    1205: "another program holds what we need",
    1213: "we and another program waited for each other",
    1020: "another program changed what we read",
    1412: "a table was changed just now",
    1317: "a statement was cancelled",
    1969: "a statement was cancelled",
    1223: "another program keeps writers out",
}
DUPLICATE = 1062
CONSTRAINT = {
    # keys
    *(DUPLICATE, 1022, 1216, 1217, 1451, 1452, 1557, 1761, 1762),
    # values that a column can't hold
    *(1048, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1367, 1406, 1411, 1441, 1690, 1977, 3140, 4025, 4078),
    # what a trigger of the application's says; a row that no page holds
    *(1644, 1118),
}
REFUSED = {1045, 1698}
"""User or password are wrong, or a password is missing."""
PRIVILEGE = {1142, 1143, 1227, 1370, 1410, 1419}
_LOST = {2006, 2013, 2055, 1053, 1927}
"""The connection is gone, or the server is going."""

_TROUBLE = {
    "lost": "The connection to {where} broke: see that the server runs and can be reached, and run again.",
    "away": "There is no connection to {where}: see that the server runs and can be reached, and run again.",
    "login": "The database {where} refuses the log-in: check user and password.",
    "closed": "The user may not use the database {where}, or there is none of that name ({text}): check the database "
    "URL, and the user's privileges.",
    "from here": "The server of {where} lets nobody in from this computer ({text}): see from where its user may come.",
    "missing": "There is no {where}: check the database URL, or create it.",
    "privilege": "The database {where} does not permit this: {text}. See the privileges that the replicator needs.",
    "full": "The disk of the database {where} is full: make room and run again.",
    "memory": "There is not enough memory to work on the database {where}.",
    "storage": "The disk of the database {where} reports a fault ({text}): see the server's log.",
    "connections": "The database {where} has no connection left: close some, or raise max_connections.",
    "read-only": "The database {where} is read-only: run again once it takes writes, or on the server that does.",
    "packet": "A row is larger than the server of {where} takes: raise max_allowed_packet there.",
    "damaged": "The database {where} is damaged ({text}): see the server's log, and restore it from a backup.",
}
_KINDS = {
    **dict.fromkeys(_LOST, "lost"),
    **dict.fromkeys((2002, 2003, 2005, 2012, 2026), "away"),
    **dict.fromkeys((1129, 1130), "from here"),
    **dict.fromkeys((*REFUSED, 1524, 1251, 2054, 2059, 1862, 4151), "login"),
    1049: "missing",
    1044: "closed",
    **dict.fromkeys(PRIVILEGE, "privilege"),
    **dict.fromkeys((1021, 1114, 20), "full"),
    **dict.fromkeys((1037, 1038, 1041), "memory"),
    **dict.fromkeys((1030, 1026, 1004, 1016, 3), "storage"),
    **dict.fromkeys((1040, 1203, 1226), "connections"),
    **dict.fromkeys((1290, 1792, 1836), "read-only"),
    1153: "packet",
    **dict.fromkeys((1034, 1194, 1195, 1712, 1033), "damaged"),
}


def number_of(error: BaseException) -> int | None:
    """The server's or the driver's number of an error of the driver, or of SQLAlchemy's around it; None: neither."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, pymysql.err.MySQLError):
        return None
    number = cause.args[0] if cause.args else 0
    return number if isinstance(number, int) else 0


def is_lost(error: BaseException) -> bool:
    """The connection is gone; 0 is what the driver says when it is used again."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return number_of(error) in _LOST or (isinstance(cause, pymysql.err.InterfaceError) and number_of(error) == 0)


def translate(error: Exception, where: str) -> ReplicatorError | None:
    """The error as ours, or None when it is no fault of the database (a bug of this program).

    `error` is the driver's, or SQLAlchemy's around it. `where` names the database without its password.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    number = number_of(error)
    if number is None:
        return None
    if is_lost(error):
        return DatabaseTrouble(_TROUBLE["lost"].format(where=where))
    text = (str(cause.args[1]) if cause is not None and len(cause.args) > 1 else "no reason given").rstrip(".")
    if number in _BUSY:
        return DatabaseBusy(f"The database {where} is in use ({_BUSY[number]}): try again.")
    if number in CONSTRAINT:
        return ConstraintViolation(f"The database {where} refuses a row: {text}.")
    if not isinstance(cause, (pymysql.err.DatabaseError, pymysql.err.InterfaceError)):
        return None
    sentence = _TROUBLE.get(_KINDS.get(number, "")) or "The database {where} refused a statement: {text}."
    return DatabaseTrouble(sentence.format(where=where, text=text))


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Within: errors of the driver come out as ours."""
    try:
        yield
    except (pymysql.err.MySQLError, DBAPIError) as error:
        ours = translate(error, where)
        if ours is None:
            raise
        raise ours from error
