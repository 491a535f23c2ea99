"""The application's own connection to our database, for the time that we take part in its transaction.

All that we need of it is set for the transaction only, and set back when we are done: the forms of values, our schema
as the search path, and our role, as what we make has to belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat
from psycopg.rows import tuple_row
from sqlalchemy import Connection

from replicator.databases import joining
from replicator.databases.joining import Joining
from replicator.databases.postgresql.connections import LOCK_TIMEOUT, fit_adapters, pinned_settings
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, driver, execute, fetch, scalar
from replicator.databases.postgresql.transactions import PATIENCE

_SERVER = (
    "SELECT d.oid, extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text"
    " FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
)
# Ours is whom our tables belong to; the session's role has to be that, a member of it, or a superuser.
_MAY_BE_US = (
    "SELECT pg_catalog.pg_get_userbyid(relowner)::text FROM pg_catalog.pg_class"
    " WHERE relname = 'replicator_node' AND relnamespace = pg_catalog.to_regnamespace(%s)"
    " AND pg_catalog.pg_has_role(session_user, relowner, 'MEMBER')"
)


def way(connection: Connection, schemas: Schemas) -> Joining:
    raw = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection) or connection.dialect.paramstyle not in ("pyformat", "format"):
        return Joining.LATER
    return Joining.LATER if _our_role(raw, schemas) is None else Joining.TOGETHER


def _our_role(raw: Driver, schemas: Schemas) -> str | None:
    with _plain(raw):
        found = scalar(raw, _MAY_BE_US, (schemas.ours_sql,))
    return None if found is None else str(found)


def is_same(connection: Connection, own: Connection) -> bool:
    there = connection.exec_driver_sql(_SERVER).fetchone()
    return there is not None and tuple(there) == fetch(driver(own), _SERVER)[0]


@contextmanager
def _plain(raw: Driver) -> Iterator[None]:
    """Within: cursors are as on connections of our own."""
    before = raw.row_factory, raw.cursor_factory, raw.prepare_threshold
    raw.row_factory, raw.cursor_factory, raw.prepare_threshold = tuple_row, psycopg.Cursor, None
    try:
        yield
    finally:
        raw.row_factory, raw.cursor_factory, raw.prepare_threshold = before


@contextmanager
def prepared(raw: Driver, schemas: Schemas) -> Iterator[None]:
    """Within: the connection is as ours are, in a transaction, under our lock. Raises DatabaseBusy's cause."""
    role = _our_role(raw, schemas)
    flag = raw.adapters.get_dumper(bool, PyFormat.AUTO)
    with _plain(raw), _in_transaction(raw):
        wanted = {**pinned_settings(raw), "search_path": schemas.ours_sql, "lock_timeout": f"{PATIENCE}ms"}
        if role is not None:
            wanted["role"] = role
        # The role comes last, and goes first: it may not be allowed what the session's is.
        before = {name: str(scalar(raw, "SELECT pg_catalog.current_setting(%s)", (name,))) for name in wanted}
        fit_adapters(raw)
        try:
            _set(raw, wanted)
            execute(raw, "SELECT pg_catalog.pg_advisory_xact_lock(%s)", (schemas.lock,))
            _set(raw, {"lock_timeout": f"{LOCK_TIMEOUT}ms"})
            yield
        finally:
            raw.adapters.register_dumper(bool, flag)
            if raw.info.transaction_status == pq.TransactionStatus.INTRANS:
                _set(raw, dict(reversed(before.items())))


def _set(raw: Driver, settings: Mapping[str, str]) -> None:
    """Until the transaction ends."""
    for name, value in settings.items():
        execute(raw, "SELECT pg_catalog.set_config(%s, %s, true)", (name, value))


@contextmanager
def _in_transaction(raw: Driver) -> Iterator[None]:
    """One of its own where each statement of the connection is a transaction by itself."""
    if not raw.autocommit or raw.info.transaction_status != pq.TransactionStatus.IDLE:
        yield
        return
    execute(raw, "BEGIN")
    try:
        yield
    except BaseException:
        if not raw.closed:
            execute(raw, "ROLLBACK")
        raise
    execute(raw, "COMMIT")


@contextmanager
def part(raw: Driver) -> Iterator[None]:
    with joining.part(
        lambda sql: execute(raw, sql), lambda: raw.info.transaction_status != pq.TransactionStatus.UNKNOWN
    ):
        yield
