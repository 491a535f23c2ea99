"""Who keeps us waiting for a lock: asked by a connection of its own while we wait, as nobody can tell afterwards.

We wait for `LOCK_TIMEOUT`, and whoever is found then is in the way for certain. Behind a session that waits itself (an
ALTER TABLE that a report holds up) stands another one: the last in that row is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from replicator.databases.postgresql.connections import LOCK_TIMEOUT, Opener
from replicator.databases.postgresql.statements import Driver, driver, fetch
from replicator.errors import ReplicatorError

_GLANCE = LOCK_TIMEOUT / 1000 / 3
"""Seconds between two looks. Most transactions are over before the first one."""

# Of other users' sessions we see program and user; since when they are at it only if we are a member of their role.
_LAST_IN_ROW = """
WITH RECURSIVE waits (pid, depth) AS (
  SELECT b, 1 FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b WHERE a.pid = %s AND a.wait_event_type = 'Lock'
  UNION SELECT b, w.depth + 1 FROM waits w, unnest(pg_blocking_pids(w.pid)) b WHERE w.pid <> 0 AND w.depth < 9)
SELECT w.pid, a.application_name, a.usename::text, to_char(a.xact_start, 'HH24:MI:SS')
FROM waits w LEFT JOIN pg_stat_activity a ON a.pid = w.pid
ORDER BY w.depth DESC, a.xact_start NULLS LAST, w.pid LIMIT 1
"""
# One that is prepared has no session any more, and stands in the row as 0.
_PREPARED = """
SELECT gid, owner::text, to_char(prepared, 'HH24:MI:SS') FROM pg_prepared_xacts WHERE database = current_database()
ORDER BY prepared LIMIT 1
"""


class Lookout:
    """Looks on while one of our transactions is open."""

    def __init__(self, opener: Opener) -> None:
        self.seen: str | None = None
        """A few words on whom we had to wait for last in this transaction; None: for nobody, or nobody can tell."""
        self._opener = opener
        self._free: Connection | None = None

    @contextmanager
    def during(self, raw: Driver) -> Iterator[None]:
        """The transaction of this connection."""
        self.seen = None
        over = Event()
        thread = Thread(target=self._look_on, args=(raw.info.backend_pid, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(timeout=1)

    def _look_on(self, pid: int, over: Event) -> None:
        connection = None
        try:
            while not over.wait(_GLANCE):
                if connection is None:
                    connection, self._free = self._free or self._opener.another(), None
                self.seen = _in_the_way(driver(connection), pid) or self.seen
        except (ReplicatorError, SQLAlchemyError, psycopg.Error):
            # No connection to be had: that something is held is told all the same.
            _drop(connection)
            return
        if connection is not None:
            self._free = connection

    def close(self) -> None:
        _drop(self._free)
        self._free = None


def _in_the_way(raw: Driver, pid: int) -> str | None:
    found = fetch(raw, _LAST_IN_ROW, (pid,))
    if not found:
        return None
    ((blocker, program, user, since),) = found
    if blocker == 0:
        prepared = fetch(raw, _PREPARED)
        return " ".join(
            f"the prepared transaction {gid} of the user {owner}, of {at} UTC, is neither committed nor rolled back"
            for gid, owner, at in prepared
        )
    who = f"{program or 'a program'} (session {blocker}{f', user {user}' if user else ''})"
    return f"{who} has a transaction open{f' since {since} UTC' if since else ''}"


def _drop(connection: Connection | None) -> None:
    if connection is not None:
        connection.invalidate()
        connection.close()
