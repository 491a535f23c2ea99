"""Transactions on the kept connection: begun with our named lock, ended durably, errors told as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TypeVar

import pymysql
from sqlalchemy import Connection

from replicator.databases.blaming import naming
from replicator.databases.mariadb.blockers import blocker
from replicator.databases.mariadb.connections import Opener
from replicator.databases.mariadb.errors import NOT_GOT, is_lost, number_of, translate
from replicator.databases.mariadb.statements import Driver, driver, execute, scalar
from replicator.errors import DatabaseBusy
from replicator.runtime import Runtime

_PATIENCE = 5
"""Seconds to wait for another command of ours on this database."""

_TRIES, _PAUSE = 15, 0.02
"""So often, after so many seconds, a lock of the application's is asked for: 300 ms in all."""

_Result = TypeVar("_Result")


def lock_name(database: str) -> str:
    """Of the lock that every writing transaction of ours holds. Names of locks are the whole server's, 64 characters
    at most."""
    return "replicator:" + blake2b(database.encode(), digest_size=16).hexdigest()


def patiently(runtime: Runtime, step: Callable[[], _Result], *, may_repeat: bool) -> _Result:
    """Do a step that needs locks of rows; where the application holds one, ask again for a while.

    Our connections never wait in the server (connections.py). A statement that found a lock has done nothing, so it may
    be repeated, unless the server is set to undo the whole transaction then; what we hold ourselves stays held
    meanwhile, for 300 ms at most.
    """
    for _ in range(_TRIES):
        try:
            return step()
        except pymysql.err.OperationalError as error:
            if number_of(error) != NOT_GOT or not may_repeat:
                raise
        runtime.pause(_PAUSE)
    return step()


@contextmanager
def transaction(opener: Opener, runtime: Runtime, *, write: bool) -> Iterator[Connection]:
    """See `Database.transaction`."""
    connection = opener.kept()
    raw = driver(connection)
    try:
        connection = _begin(opener, connection, write=write)
        raw = driver(connection)
        yield connection
        if write:
            runtime.reached("commit:before")
        execute(raw, "COMMIT")
    except BaseException as error:
        # A lock that was not got undoes one statement only: the rest has to be undone as well.
        _roll_back(opener, raw)
        ours = translate(error, opener.where) if isinstance(error, Exception) else None
        told = _with_blocker(ours or error, raw, opener.database)
        if told is error:
            raise
        raise told from error
    finally:
        if raw.open and write:
            _unlock(opener, raw)
        if not connection.closed and connection.in_transaction():
            # SQLAlchemy's own idea of a transaction; the database's is over.
            connection.rollback()
    if write:
        runtime.reached("commit:after")


def _with_blocker(error: BaseException, raw: Driver, schema: str) -> BaseException:
    """The error; where somebody holds what we need, with who that is."""
    if type(error) is not DatabaseBusy or not raw.open:
        return error
    return naming(error, blocker(raw, schema))


def _begin(opener: Opener, connection: Connection, *, write: bool) -> Connection:
    raw = driver(connection)
    try:
        _start(opener, raw, write=write)
    except pymysql.err.Error as error:
        if not is_lost(error):
            raise
        # The server was restarted since the last transaction: nothing is lost, a new connection will do.
        opener.close()
        connection = opener.kept()
        _start(opener, driver(connection), write=write)
    return connection


def _start(opener: Opener, raw: Driver, *, write: bool) -> None:
    if not write:
        execute(raw, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        execute(raw, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        return
    if not scalar(raw, f"SELECT GET_LOCK('{lock_name(opener.database)}', {_PATIENCE})"):
        raise DatabaseBusy(f"The database {opener.where} is in use (another command of ours works on it): try again.")
    execute(raw, "START TRANSACTION")


def _unlock(opener: Opener, raw: Driver) -> None:
    try:
        execute(raw, f"DO RELEASE_LOCK('{lock_name(opener.database)}')")
    except pymysql.err.Error:
        # Closing gives the lock back for certain.
        opener.close()


def _roll_back(opener: Opener, raw: Driver) -> None:
    try:
        if raw.open:
            execute(raw, "ROLLBACK")
    except pymysql.err.Error:
        # What went wrong first is what counts; closing rolls back for certain.
        opener.close()
    if not raw.open:
        opener.close()
