"""A bank (TPC-B, in pgbench's tables) whose host replicates every two seconds while clients work; stations follow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from tests.integration.command_line import Place, enrol
from tests.servers.processes import wait_until

SECONDS = int(os.environ.get("REPLICATOR_PGBENCH", "5"))
"""How long clients work. 60 for a minute of each script."""
LONG = 30
"""Seconds from which on a slow machine is no excuse."""
CLIENTS = 4
TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_history", "pgbench_tellers")


def join(office: Place, *stations: Place) -> None:
    """Make nodes of them; all rows are everywhere. What stations write does not count."""
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", *TABLES, "--area", "Bank")
    enrol(office, *stations)
    for station in stations:
        office.done("rule", "set", station.name, "all", "--to-remote", "all", "--to-host", "none")
    for _ in range(2):
        for place in (office, *stations):
            place.run()


def follow(office: Place, stations: Sequence[Place], begin: Callable[[], subprocess.Popen[str]]) -> str:
    """`begin` starts the clients. Returns what they printed; by then all are equal."""
    environment = {**os.environ, "REPLICATOR_HOME": str(office.home)}
    runs = _runs_of(office)
    lasting = subprocess.Popen(
        [sys.executable, "-m", "replicator.cli.main", "host-run", "--every", "2s"], env=environment, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    came: list[set[int]] = [set() for _ in stations]
    try:
        wait_until(lambda: lasting.poll() is not None or _runs_of(office) > runs, "the host runs")
        load = begin()
        while load.poll() is None:
            for station, numbers in zip(stations, came, strict=True):
                station.run()
                assert_balanced(station)
                numbers.add(station.sql("SELECT count(*) FROM pgbench_history")[0][0])
        out, err = load.communicate()
        assert load.returncode == 0, err
    finally:
        lasting.send_signal(signal.SIGINT)
        _, told = lasting.communicate()
    assert told == "replicator: stopped; nothing is lost\n", "no run gave way, or failed"
    if SECONDS >= LONG:
        assert all(len(numbers) > SECONDS / 6 for numbers in came), "stations follow while clients work"
    for _ in range(3):
        for place in (office, *stations):
            place.run()
    assert_balanced(office)
    expected = contents(office)
    for station in stations:
        assert contents(station) == expected
    return out


def _runs_of(place: Place) -> int:
    """How many have ended, by the log."""
    log = place.home / "log" / "replicator.log"
    return log.read_text(encoding="utf-8").count(" run of ") if log.exists() else 0


def assert_balanced(place: Place) -> None:
    """All transactions are whole: accounts, tellers, branches and the history tell the same sum."""
    sums = place.sql(
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),"
        " (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)"
    )
    assert len(set(map(int, sums[0]))) == 1, (place.name, sums)


def contents(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    """All rows, without what fills them up."""
    history = place.sql("SELECT number, tid, bid, aid, delta, mtime FROM pgbench_history ORDER BY number")
    return {
        "pgbench_accounts": place.sql("SELECT aid, bid, abalance FROM pgbench_accounts ORDER BY aid"),
        "pgbench_history": [(*row[:-1], datetime.fromisoformat(str(row[-1]))) for row in history],
        "pgbench_tellers": place.sql("SELECT tid, bid, tbalance FROM pgbench_tellers ORDER BY tid"),
        "pgbench_branches": place.sql("SELECT bid, bbalance FROM pgbench_branches ORDER BY bid"),
    }


def history_of(place: Place) -> int:
    count: int = place.sql("SELECT count(*) FROM pgbench_history")[0][0]
    return count
