"""Transactions on the kept connection: begun with our advisory lock, ended durably, errors told as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import psycopg
from sqlalchemy import Connection

from replicator.databases.blaming import naming
from replicator.databases.postgresql.blockers import Lookout
from replicator.databases.postgresql.connections import LOCK_TIMEOUT, Opener
from replicator.databases.postgresql.errors import READ_ONLY, sentence, translate
from replicator.databases.postgresql.statements import Driver, driver, execute
from replicator.errors import DatabaseBusy, DatabaseTrouble
from replicator.runtime import Runtime

PATIENCE = 5000
"""Milliseconds to wait for another command of ours on this database."""

_BEGIN_WRITE = (
    # READ COMMITTED: after a lock is taken, the next statement sees what its former holder wrote (protocol.md 7.3).
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    f" SET LOCAL lock_timeout = {PATIENCE}; SELECT pg_advisory_xact_lock(%d);"
    f" SET LOCAL lock_timeout = {LOCK_TIMEOUT}"
)
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@contextmanager
def transaction(
    opener: Opener, runtime: Runtime, lookout: Lookout, *, write: bool, at_work_on: Callable[[], str | None]
) -> Iterator[Connection]:
    """See `Database.transaction`. `at_work_on` tells the table that was last used, for who asks what is held."""
    connection = opener.kept()
    raw = driver(connection)
    try:
        connection, raw = _begin(opener, connection, write=write)
        with lookout.during(raw) if write else nullcontext():
            yield connection
            if write:
                runtime.reached("commit:before")
            execute(raw, "COMMIT")
    except BaseException as error:
        _roll_back(opener, raw)
        ours = translate(error, opener.where) if isinstance(error, Exception) else None
        told = _with_blocker(ours or error, lookout.seen if write else None, at_work_on())
        if told is error:
            raise
        raise told from error
    finally:
        if not connection.closed and connection.in_transaction():
            # SQLAlchemy's own idea of a transaction; the database's is over.
            connection.rollback()
    if write:
        runtime.reached("commit:after")


def _begin(opener: Opener, connection: Connection, *, write: bool) -> tuple[Connection, Driver]:
    raw = driver(connection)
    statement = _BEGIN_WRITE % opener.schemas.lock if write else _BEGIN_READ
    try:
        execute(raw, statement)
    except psycopg.errors.FeatureNotSupported as error:
        # What a standby server says to READ WRITE.
        raise DatabaseTrouble(sentence(READ_ONLY, opener.where)) from error
    except psycopg.OperationalError:
        if not raw.closed:
            raise
        # The server was restarted since the last transaction: nothing is lost, a new connection will do.
        connection = opener.kept()
        raw = driver(connection)
        execute(raw, statement)
    return connection, raw


def _with_blocker(error: BaseException, who: str | None, place: str | None) -> BaseException:
    """The error; where somebody holds what we need, with who that is, and the table that we were at."""
    if type(error) is not DatabaseBusy or who is None:
        return error
    return naming(error, f"{who} and keeps us from {place}" if place else who)


def _roll_back(opener: Opener, raw: Driver) -> None:
    try:
        if not raw.closed:
            execute(raw, "ROLLBACK")
    except psycopg.Error:
        # What went wrong first is what counts; closing rolls back for certain.
        raw.close()
    if raw.closed:
        opener.close()
