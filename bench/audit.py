"""An audit of a million numbers against a bare SELECT of them, and the memory that it takes, in a process of its own.

The rows come as they do in life: drawn by the application from blocks, in many transactions, captured and collected, a
few of them deleted again. What is measured is the whole command with a file at its end.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measuring import Figure, Size, cpu, figure_of, megabytes
from bench.memory import peak_of_this_process
from bench.places import HOST, Places

LIMIT, MEMORY = 10, 200
"""Times a SELECT of the numbers; MiB."""
INVOICES = "CREATE TABLE invoices (id INTEGER PRIMARY KEY, number INTEGER UNIQUE, customer INTEGER, total NUMERIC)"
BLOCK = 50_000
FORMS = ("csv", "json", "html")


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    count = size.audited_numbers
    tell(f"audit: {count:,} numbers are drawn and collected")
    places = Places(folder / "audit", INVOICES, ["invoices"], [])
    places.number(HOST, "invoices", "number", count)
    for start in range(0, count, BLOCK):
        last = min(start + BLOCK, count)
        places.write(HOST, lambda raw, start=start, last=last: _draw(raw, start, last))  # type: ignore[misc]
        places.run(HOST)
    places.write(HOST, lambda raw: raw.execute("DELETE FROM invoices WHERE id % 1000 = 0"))
    places.run(HOST)
    home, out = places.folder / HOST, folder / "audit" / "out"
    figures = []
    for form in FORMS:
        tell(f"audit: {form}")
        pairs, peaks = [], []
        for _ in range(size.repetitions):
            baseline = cpu(lambda: _select(places.database(HOST)))
            seconds, peak = _audit(home, form, out.with_suffix(f".{form}"))
            pairs.append((seconds, baseline))
            peaks.append(peak)
        figures.append(figure_of(f"audit of {count:,} numbers, {form}, CPU", pairs, LIMIT, "s"))
        figures.append(Figure(f"audit, {form}: memory", max(peaks), None, MEMORY, "MiB"))
    return figures


def _draw(raw: sqlite3.Connection, start: int, last: int) -> None:
    raw.executemany(
        "INSERT INTO invoices (id, customer, total) VALUES (?, ?, ?)",
        ((number + 1, number % 977, number % 10_007 / 100) for number in range(start, last)),
    )


def _select(database: Path) -> None:
    raw = sqlite3.connect(database)
    cursor = raw.execute("SELECT number, id FROM invoices")
    while cursor.fetchmany(5_000):
        pass
    raw.close()


def _audit(home: Path, form: str, out: Path) -> tuple[float, float]:
    """(CPU seconds of the audit itself, peak memory of its process in MiB)."""
    command = [sys.executable, "-m", "bench.audit", str(home), form, str(out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"an audit failed:\n{done.stderr}")
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), megabytes(int(peak))


def main(home: str, form: str, out: str) -> None:
    from replicator.cli.audit_forms import FORMS as PIECES
    from replicator.operations.numbers_audit import audit
    from replicator.operations.opening import open_node
    from replicator.runtime import Runtime
    from replicator.store.files import Files
    from replicator.store.home import Home

    runtime = Runtime()
    files = Files(runtime)

    def work() -> None:
        with open_node(Home(Path(home), files), runtime) as node, audit(node, "invoices") as found:
            files.write(Path(out), (piece.encode() for piece in PIECES[form](found)))
            if found.has_faults:
                raise RuntimeError("the audit has faults")

    seconds = cpu(work)
    print(seconds, peak_of_this_process())


if __name__ == "__main__":
    main(*sys.argv[1:])
