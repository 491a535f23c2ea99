"""A bank's clients on MariaDB, in a process of their own: TPC-B's transaction, or one with savepoints that runs long.

    python -m tests.chaos.tellers PORT DATABASE SECONDS CLIENTS TPC-B|savepoints

Prints how many transactions were committed, rolled back on purpose, and refused by the server (deadlocks).
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from typing import Any

import pymysql

ACCOUNTS, TELLERS = 10_000, 10
DEADLOCK = 1213

TABLES = (
    "CREATE TABLE pgbench_branches (bid integer PRIMARY KEY, bbalance integer, filler char(88))",
    "CREATE TABLE pgbench_tellers (tid integer PRIMARY KEY, bid integer REFERENCES pgbench_branches (bid),"
    " tbalance integer, filler char(84))",
    "CREATE TABLE pgbench_accounts (aid integer PRIMARY KEY, bid integer REFERENCES pgbench_branches (bid),"
    " abalance integer, filler char(84))",
    "CREATE TABLE pgbench_history (number bigint PRIMARY KEY AUTO_INCREMENT, tid integer REFERENCES pgbench_tellers"
    " (tid), bid integer, aid integer, delta integer, mtime datetime(6), filler char(22))",
    "INSERT INTO pgbench_branches VALUES (1, 0, NULL)",
    f"INSERT INTO pgbench_tellers SELECT seq, 1, 0, NULL FROM seq_1_to_{TELLERS}",
    f"INSERT INTO pgbench_accounts SELECT seq, 1, 0, '' FROM seq_1_to_{ACCOUNTS}",
)

_ACCOUNT = "UPDATE pgbench_accounts SET abalance = abalance + {delta} WHERE aid = {aid}"
_TELLER = "UPDATE pgbench_tellers SET tbalance = tbalance + {delta} WHERE tid = {tid}"
_BRANCH = "UPDATE pgbench_branches SET bbalance = bbalance + {delta} WHERE bid = 1"
_HISTORY = (
    "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ({tid}, 1, {aid}, {delta}, CURRENT_TIMESTAMP(6))"
)
SCRIPTS = {
    "TPC-B": [_ACCOUNT, "SELECT abalance FROM pgbench_accounts WHERE aid = {aid}", _TELLER, _BRANCH, _HISTORY],
    "savepoints": [
        _ACCOUNT,
        "SAVEPOINT one",
        "UPDATE pgbench_tellers SET tbalance = tbalance + 999999 WHERE tid = {tid}",
        "INSERT INTO pgbench_history (tid, bid, aid, delta) VALUES ({tid}, 1, {aid}, 999999)",
        "ROLLBACK TO SAVEPOINT one",
        "DO SLEEP(0.02)",
        "SAVEPOINT two",
        _TELLER,
        "RELEASE SAVEPOINT two",
        _HISTORY,
        _BRANCH,
    ],
}
UNDONE = {"TPC-B": 0.0, "savepoints": 1 / 6}
"""Share of transactions that the client rolls back at the end."""


def client(connection: pymysql.Connection[Any], script: str, until: float, done: Counter[str]) -> None:
    dice = random.Random()
    with closing(connection), connection.cursor() as cursor:
        while time.monotonic() < until:
            values = {
                "aid": dice.randint(1, ACCOUNTS),
                "tid": dice.randint(1, TELLERS),
                "delta": dice.randint(-5000, 5000),
            }
            try:
                connection.begin()
                for statement in SCRIPTS[script]:
                    cursor.execute(statement.format(**values))
            except pymysql.err.OperationalError as error:
                if error.args[0] != DEADLOCK:
                    raise
                connection.rollback()
                done["refused"] += 1
                continue
            if dice.random() < UNDONE[script]:
                connection.rollback()
                done["undone"] += 1
            else:
                connection.commit()
                done["committed"] += 1


def main(port: str, database: str, seconds: str, clients: str, script: str) -> int:
    done = [Counter[str]() for _ in range(int(clients))]
    until = time.monotonic() + float(seconds)

    def connection() -> pymysql.Connection[Any]:
        return pymysql.connect(
            host="127.0.0.1", port=int(port), user="application", password="application", database=database
        )

    failed: list[BaseException] = []

    def work(counts: Counter[str]) -> None:
        try:
            client(connection(), script, until, counts)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(counts,)) for counts in done]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    whole = sum(done, Counter())
    print(*(whole[what] for what in ("committed", "undone", "refused")))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
