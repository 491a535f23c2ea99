"""Who most likely holds what we wanted: asked once we have given way, as nobody can be asked while we wait."""

from __future__ import annotations

import psycopg

from replicator.databases.postgresql.connections import LOCK_TIMEOUT
from replicator.databases.postgresql.statements import Driver, fetch

# Of other users' sessions we see no more than the program's name, unless we are a member of their role: then the oldest
# by number counts. A session that only reads holds nothing against us, but where a table is to be altered.
_OLDEST = """
SELECT a.pid, a.application_name, a.usename::text, to_char(a.xact_start, 'HH24:MI:SS') FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.relation = to_regclass(%s) AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (a.xact_start IS NULL OR a.xact_start < clock_timestamp() - %s * interval '1 millisecond')
ORDER BY l.mode = 'AccessShareLock', a.xact_start NULLS LAST, a.pid LIMIT 1
"""


def blocker(raw: Driver, place: str | None) -> str | None:
    """A few words on the session whose transaction has been at this table the longest; None: nobody is to be seen.

    `place` is the table's name with its schema, as SQL. Called outside any transaction.
    """
    if place is None:
        return None
    try:
        found = fetch(raw, _OLDEST, (place, LOCK_TIMEOUT))
    except psycopg.Error:
        # That something is held is told all the same.
        return None
    if not found:
        return None
    ((pid, program, user, since),) = found
    who = f"{program or 'a program'} (session {pid}{f', user {user}' if user else ''})"
    return f"{who} has a transaction open{f' since {since} UTC' if since else ''} that has to do with {place}"
