"""Peak memory of a run: initial load, one huge transaction, a backlog; both directions, each run a process of its own.
And of what reads the whole journal of that backlog: its export, a replay, a check.

The measure is VmHWM, the largest resident size the kernel has seen of the process: interpreter, libraries, SQLite's
page cache and our own.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from bench import data
from bench.measuring import Figure, Size, megabytes
from bench.places import HOST, Places

LIMIT = 200
"""MiB."""
STATION = "koeln"
SMALL = 5
"""Changes in one transaction of a backlog, on average."""
BLOCK = 10_000


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    figures = []
    for name, case in (
        ("initial load", _initial_load),
        ("one transaction", _one_transaction),
        ("backlog of small transactions", _backlog),
    ):
        tell(f"memory: {name}, {size.memory_rows:,} rows")
        peaks = case(folder / name.replace(" ", "-"), size.memory_rows)
        figures += [Figure(f"memory, {name}: {what}", peak, None, LIMIT, "MiB") for what, peak in peaks]
    return figures


Peaks = list[tuple[str, float]]


def _initial_load(folder: Path, count: int) -> Peaks:
    places = Places(folder, data.CUSTOMERS, ["customers"], [STATION])
    places.write(HOST, lambda raw: _insert(raw, 1, count))
    _forget_captured(places)
    places.enrol(STATION)
    sending = peak_of_run(places.folder, HOST)
    applying = peak_of_run(places.folder, STATION)
    _require_rows(places, count, count)
    return [("host packs", sending), ("station applies", applying)]


def _one_transaction(folder: Path, count: int) -> Peaks:
    places = _started(folder)
    places.write(HOST, lambda raw: _insert(raw, 1, count))
    down = [("host sends", peak_of_run(folder, HOST)), ("station applies", peak_of_run(folder, STATION))]
    places.rest(HOST, STATION)
    places.write(STATION, lambda raw: _insert(raw, count + 1, count))
    up = [("station sends", peak_of_run(folder, STATION)), ("host judges", peak_of_run(folder, HOST))]
    _require_rows(places, 2 * count, 2 * count)
    return down + up


def _backlog(folder: Path, count: int) -> Peaks:
    places = _started(folder)
    places.write(HOST, lambda raw: _small_transactions(raw, 1, count))
    down = [("host sends", peak_of_run(folder, HOST)), ("station applies", peak_of_run(folder, STATION))]
    places.rest(HOST, STATION)
    read = [(f"journal {deed}", peak_of_run(folder, HOST, deed)) for deed in ("export", "replay", "check")]
    places.write(STATION, lambda raw: _small_transactions(raw, count + 1, count))
    up = [("station sends", peak_of_run(folder, STATION)), ("host judges", peak_of_run(folder, HOST))]
    _require_rows(places, 2 * (count // 2), 2 * (count // 2))
    return down + read + up


def _started(folder: Path) -> Places:
    """A host and a station that have exchanged their first mails."""
    places = Places(folder, data.CUSTOMERS, ["customers"], [STATION])
    places.enrol(STATION)
    places.rest(HOST, STATION)
    return places


def _insert(raw: sqlite3.Connection, first: int, count: int) -> None:
    rows = data.customers(first, first)
    for start in range(0, count, BLOCK):
        raw.executemany(data.INSERT_CUSTOMER, islice(rows, min(BLOCK, count - start)))


def _small_transactions(raw: sqlite3.Connection, first: int, count: int) -> None:
    """Half inserts, half updates of the row just inserted, a few to a transaction."""
    raw.execute("PRAGMA synchronous = OFF")  # a million commits: the application's durability is not what is measured
    half = count // 2
    rows = data.customers(first, first)
    for done, (row, update) in enumerate(zip(rows, data.customer_updates(first, first, half), strict=False)):
        raw.execute(data.INSERT_CUSTOMER, row)
        raw.execute(data.UPDATE_CUSTOMER, update)
        if not done % SMALL:
            raw.commit()


def _forget_captured(places: Places) -> None:
    """Rows that stand there before the first run: they are the initial load, not changes."""
    places.write(HOST, lambda raw: raw.execute("DELETE FROM replicator_outbox"))


def _require_rows(places: Places, at_host: int, at_station: int) -> None:
    for node, wanted in ((HOST, at_host), (STATION, at_station)):
        with sqlite3.connect(places.database(node)) as raw:
            (found,) = raw.execute("SELECT count(*) FROM customers").fetchone()
        raw.close()
        if found != wanted:
            raise RuntimeError(f"{node} has {found:,} customers where {wanted:,} belong")


# --- a run in a process of its own ------------------------------------------------------------------------------------


def peak_of_run(folder: Path, node: str, deed: str = "run") -> float:
    """Peak resident memory in MiB of one synchronisation, or another deed of `main`, in a fresh process."""
    command = [sys.executable, "-m", "bench.memory", str(folder / node), deed]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{deed} at {node} failed:\n{done.stderr}")
    return megabytes(int(done.stdout.split()[-1]))


def peak_of_this_process() -> int:
    """Bytes. The kernel's own figure; where there is none, that of getrusage, which a parent may have raised."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def main(home: str, deed: str) -> None:
    """The deed: run, or export, replay or check the journal."""
    from replicator.engine import session
    from replicator.operations import journal_export, replay_check
    from replicator.operations.journal_filters import Filter
    from replicator.operations.journal_replay import replay_into
    from replicator.operations.opening import open_node, open_view
    from replicator.runtime import Runtime
    from replicator.store.files import Files
    from replicator.store.home import Home

    runtime = Runtime()
    files = Files(runtime)
    place, beside = Home(Path(home), files), Path(home).parent
    if deed == "run":
        with open_node(place, runtime) as node:
            session.run(node)
    elif deed == "export":
        with open_view(place, runtime) as view:
            journal_export.write(files, beside / "journal.jsonl", journal_export.lines(view, Filter()))
    elif deed == "replay":
        replay_into(place, runtime, f"sqlite:///{beside / 'replayed.db'}")
    elif deed == "check":
        replay_check.check(place, runtime)
    else:
        raise ValueError(deed)
    print(peak_of_this_process())


if __name__ == "__main__":
    main(*sys.argv[1:])
