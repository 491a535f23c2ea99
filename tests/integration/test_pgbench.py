"""PostgreSQL's own benchmark, unmodified, at a host that replicates every two seconds, with stations that follow.

Its history has no primary key, which gets one. REPLICATOR_PGBENCH=60 for a minute of each script.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import Place
from tests.integration.server_places import PostgresqlPlace
from tests.servers.processes import wait_until

SECONDS = int(os.environ.get("REPLICATOR_PGBENCH", "5"))
TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_history", "pgbench_tellers")

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


def runs_of(place: Place) -> int:
    """How many have ended, by the log."""
    log = place.home / "log" / "replicator.log"
    return log.read_text(encoding="utf-8").count(" run of ") if log.exists() else 0


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


@pytest.fixture
def places(new_place: Callable[[str, str], Place], tmp_path: Path) -> list[Any]:
    """The host on PostgreSQL, a station on SQLite and one on MariaDB; all of pgbench's rows are there."""
    office = new_place("postgresql", "office")
    assert isinstance(office, PostgresqlPlace)
    finished(pgbench(office, "--initialize", "--quiet", "--foreign-keys", "--scale=1"))
    office.sql("ALTER TABLE pgbench_history ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", *TABLES, "--area", "Bank")
    stations = [new_place("sqlite", "koeln"), new_place("mariadb", "bonn")]
    for station in stations:
        invitation = tmp_path / f"{station.name}.invitation"
        office.done("station", "add", station.name, "--address", f"{station.name}@example.com", "--out", invitation)
        office.done("rule", "set", station.name, "all", "--to-remote", "all")
        station.done("remote-init", invitation, *station.options)
    for _ in range(2):
        for place in (office, *stations):
            place.run()
    return [office, *stations]


@pytest.mark.parametrize("script", ["TPC-B", "savepoints"])
def test_stations_follow_the_benchmark(places: list[Any], script: str, tmp_path: Path) -> None:
    office, *stations = places
    (tmp_path / "script").write_text(SAVEPOINTS)
    chosen = ["--file", str(tmp_path / "script")] if script == "savepoints" else ["--builtin=tpcb-like"]
    environment = {**os.environ, "REPLICATOR_HOME": str(office.home)}
    runs = runs_of(office)
    lasting = subprocess.Popen(
        [sys.executable, "-m", "replicator.cli.main", "host-run", "--every", "2s"], env=environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_until(lambda: lasting.poll() is not None or runs_of(office) > runs, "the host runs")
        load = pgbench(office, "--client=4", "--jobs=2", f"--time={SECONDS}", "--no-vacuum", *chosen)
        while load.poll() is None:
            for station in stations:
                station.run()
                assert_balanced(station)
        print(finished(load))
    finally:
        lasting.send_signal(signal.SIGINT)
        _, told = lasting.communicate()
    assert told == "replicator: stopped; nothing is lost\n"
    for _ in range(3):
        for place in places:
            place.run()
    assert_balanced(office)
    expected = contents(office)
    assert len(expected["pgbench_history"]) > SECONDS
    for station in stations:
        assert contents(station) == expected


def assert_balanced(place: Place) -> None:
    """All transactions are whole: accounts, tellers, branches and the history tell the same sum."""
    sums = place.sql(
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),"
        " (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)"
    )
    assert len(set(map(int, sums[0]))) == 1, (place.name, sums)


def contents(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    accounts = place.sql("SELECT aid, bid, abalance FROM pgbench_accounts ORDER BY aid")
    history = place.sql("SELECT number, tid, bid, aid, delta, mtime FROM pgbench_history ORDER BY number")
    return {
        "pgbench_accounts": accounts,
        "pgbench_history": [(*row[:-1], datetime.fromisoformat(str(row[-1]))) for row in history],
        "pgbench_tellers": place.sql("SELECT tid, bid, tbalance FROM pgbench_tellers ORDER BY tid"),
        "pgbench_branches": place.sql("SELECT bid, bbalance FROM pgbench_branches ORDER BY bid"),
    }
