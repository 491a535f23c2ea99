"""Who most likely holds what we wanted: asked once we have given way, as we never wait where others could see it."""

from __future__ import annotations

import pymysql

from replicator.databases.mariadb.errors import PRIVILEGE, number_of
from replicator.databases.mariadb.statements import Driver, fetch

# Transactions that have locked or changed rows first; others keep us out only where a table is to be defined.
_OLDEST = """
SELECT p.ID, p.USER, p.HOST, DATE_FORMAT(CONVERT_TZ(t.trx_started, 'SYSTEM', '+00:00'), '%%H:%%i:%%s')
FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
WHERE p.ID <> CONNECTION_ID() AND (p.DB = %s OR p.DB IS NULL)
ORDER BY p.DB IS NULL, t.trx_rows_locked + t.trx_rows_modified = 0, t.trx_started, p.ID LIMIT 1
"""


def blocker(raw: Driver, schema: str) -> str | None:
    """A few words on the session whose transaction has lasted longest in this database; None: nobody is to be seen.

    Called outside any transaction.
    """
    try:
        found = fetch(raw, _OLDEST, (schema,))
    except pymysql.err.MySQLError as error:
        # That something is held is told all the same.
        return "the privilege PROCESS would let us see by whom" if number_of(error) in PRIVILEGE else None
    if not found:
        return None
    ((session, user, host, since),) = found
    return f"session {session} of user {user} from {host} has a transaction open since {since} UTC"
