"""PostgreSQL's own benchmark, unmodified, at a host that replicates every two seconds, with stations that follow.

Its history has no primary key, which gets one. REPLICATOR_PGBENCH=60 for a minute of each script.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.banks import CLIENTS, SECONDS, follow, history_of, join
from tests.integration.command_line import Place
from tests.integration.server_places import PostgresqlPlace

SAVEPOINTS = """
\\set aid random(1, 100000)
\\set tid random(1, 10)
\\set delta random(-5000, 5000)
\\set ending random(1, 6)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SAVEPOINT one;
UPDATE pgbench_tellers SET tbalance = tbalance + 999999 WHERE tid = :tid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, 1, :aid, 999999, CURRENT_TIMESTAMP);
ROLLBACK TO SAVEPOINT one;
\\sleep 20 ms
SAVEPOINT two;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
RELEASE SAVEPOINT two;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, 1, :aid, :delta, CURRENT_TIMESTAMP);
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = 1;
\\if :ending = 1
ROLLBACK;
\\else
COMMIT;
\\endif
"""


def pgbench(place: PostgresqlPlace, *arguments: str) -> subprocess.Popen[str]:
    (program,) = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))[-1:]
    where = ["-h", "127.0.0.1", "-p", str(place.server.port), "-U", "application", place.database]
    environment = {**os.environ, "PGPASSWORD": "application"}
    return subprocess.Popen(
        [str(program), *arguments, *where], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


@pytest.fixture
def places(new_place: Callable[[str, str], Place]) -> list[Any]:
    """The host on PostgreSQL, a station on SQLite and one on MariaDB; all of pgbench's rows are there."""
    office = new_place("postgresql", "office")
    assert isinstance(office, PostgresqlPlace)
    finished(pgbench(office, "--initialize", "--quiet", "--foreign-keys", "--scale=1"))
    office.sql("ALTER TABLE pgbench_history ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    stations = [new_place("sqlite", "koeln"), new_place("mariadb", "bonn")]
    join(office, *stations)
    return [office, *stations]


@pytest.mark.parametrize("script", ["TPC-B", "savepoints"])
def test_stations_follow_the_benchmark(places: list[Any], script: str, tmp_path: Path) -> None:
    office, *stations = places
    (tmp_path / "script").write_text(SAVEPOINTS)
    chosen = ["--file", str(tmp_path / "script")] if script == "savepoints" else ["--builtin=tpcb-like"]
    options = [f"--client={CLIENTS}", "--jobs=2", f"--time={SECONDS}", "--no-vacuum", *chosen]
    told = follow(office, stations, lambda: pgbench(office, *options))
    print(told)
    (processed,) = re.findall(r"(?m)^number of transactions actually processed: (\d+)$", told)
    undone = int(processed) - history_of(office)
    assert undone > SECONDS if script == "savepoints" else undone == 0
