"""PostgreSQL's own benchmark, as it comes: how much of its throughput is left with capture, and while a host-run works.

TPC-B on pgbench's own tables, whose history gets a key column; 4 clients. Measured in short turns, as a computer has
its moods: without our triggers and with them; without, and with them and `host-run --every 2s` for one station. All of
it, clients, server and runs, shares the computer's processors. What was captured is collected in between, and the
station takes it in.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, cast

from bench.measuring import Figure, Size, figure_of
from bench.places import HOST, Places
from bench.sites import POSTGRESQL, missing, started
from tests.servers.postgresql import binaries
from tests.servers.processes import wait_until

if TYPE_CHECKING:
    from bench.postgresql_site import PostgresqlSite

CAPTURE, RUN = "with capture", "with a host-run every 2 s"
LIMITS = {CAPTURE: 0.72, RUN: 0.6}
TURNS = {CAPTURE: 4, RUN: 2}
"""In a repetition. Several runs of the host fit into one."""
STATION = "koeln"
TABLES = ["pgbench_accounts", "pgbench_branches", "pgbench_history", "pgbench_tellers"]
CLIENTS = 4


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figures where the server is missing: then it says so."""
    if (reason := missing(POSTGRESQL)) is not None:
        tell(f"pgbench: left out, {reason}")
        return []
    pairs: dict[str, list[tuple[float, float]]] = {what: [] for what in LIMITS}
    with started(POSTGRESQL) as new_site:
        bare, ours = (_initialised(cast("PostgresqlSite", new_site()), size) for _ in range(2))
        tell("pgbench: the first load of the station")
        places = Places(folder / "pgbench", "", TABLES, [STATION], {HOST: ours})
        places.enrol(STATION)
        places.rest(HOST, STATION)
        for repetition in range(size.repetitions):
            tell(f"pgbench: repetition {repetition + 1} of {size.repetitions}")
            for what, most in TURNS.items():
                turns = min(most, size.pgbench_seconds)
                with_it, without = [], []
                for _ in range(turns):
                    without.append(_throughput(bare, size.pgbench_seconds // turns))
                    with _host_run(places.home(HOST)) if what == RUN else nullcontext():
                        with_it.append(_throughput(ours, size.pgbench_seconds // turns))
                pairs[what].append((mean(with_it), mean(without)))
                places.rest(HOST, STATION)
    shutil.rmtree(folder / "pgbench")
    return [
        figure_of(f"pgbench {what}: transactions a second", pairs[what], limit, "/s", is_least=True)
        for what, limit in LIMITS.items()
    ]


def _initialised(site: PostgresqlSite, size: Size) -> PostgresqlSite:
    _pgbench(site, "--initialize", "--quiet", f"--scale={size.pgbench_scale}")
    site.execute("ALTER TABLE pgbench_history ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    return site


def _throughput(site: PostgresqlSite, seconds: int) -> float:
    """Transactions a second, connecting not counted."""
    site.administrator.execute("VACUUM ANALYZE")
    site.rest()
    told = _pgbench(site, f"--client={CLIENTS}", "--jobs=2", f"--time={seconds}", "--no-vacuum")
    found = re.search(r"^tps = ([0-9.]+)", told, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pgbench tells no throughput:\n{told}")
    return float(found[1])


def _pgbench(site: PostgresqlSite, *arguments: str) -> str:
    where = ["-h", "127.0.0.1", "-p", str(site.server.port), "-U", "application", site.database]
    environment = {**os.environ, "PGPASSWORD": "application"}
    command = [f"{binaries()}/pgbench", *arguments, *where]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pgbench failed:\n{done.stderr}")
    return done.stdout


@contextmanager
def _host_run(home: Path) -> Iterator[None]:
    """Within: it works, and has had its first run."""
    log = home / "log" / "replicator.log"
    before = log.read_text(encoding="utf-8").count(" run of ") if log.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "replicator.cli.main", "host-run", "--every", "2s"],
        env={**os.environ, "REPLICATOR_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(
            lambda: log.exists() and log.read_text(encoding="utf-8").count(" run of ") > before, "the host has run"
        )
        yield
        ended = process.poll()
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    if ended is not None:
        raise RuntimeError(f"the host's run ended by itself:\n{told}")
