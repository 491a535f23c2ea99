"""What capture costs the application: its own writes with our triggers against the same writes without them, CPU."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench import data
from bench.measuring import Figure, Size, cpu, figure_of
from bench.places import HOST, Places

INSERT, UPDATE, SINGLE = "bulk insert", "bulk update of two columns", "one-row transactions"
LIMITS = {INSERT: 2.5, UPDATE: 3.5, SINGLE: 2.1}

Pairs = list[tuple[float, float]]
"""(with capture, without), CPU seconds, one of each repetition."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the two tables, and how it is written."""

    table: str
    insert: str
    update: str
    rows: list[data.Row]
    updates: list[data.Row]


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    count = size.capture_rows
    kinds = (
        _Kind(
            "customers",
            data.INSERT_CUSTOMER,
            data.UPDATE_CUSTOMER,
            data.take(data.customers(1), count),
            data.customer_updates(2, 1, count),
        ),
        _Kind(
            "order_items",
            data.INSERT_ITEM,
            data.UPDATE_ITEM,
            data.take(data.order_items(1), count),
            data.item_updates(2, 1, count),
        ),
    )
    where = folder / "capture"
    places = Places(where, data.CUSTOMERS + data.ITEMS, [kind.table for kind in kinds])
    plain = where / "plain.db"
    with closing(sqlite3.connect(plain)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.executescript(data.CUSTOMERS + data.ITEMS)
    times: dict[tuple[str, str], Pairs] = {(kind.table, what): [] for kind in kinds for what in LIMITS}
    for repetition in range(size.repetitions):
        tell(f"capture: repetition {repetition + 1} of {size.repetitions}")
        for kind in kinds:
            without = _write(plain, kind, size)
            ours = _write(places.database(HOST), kind, size)
            for what in LIMITS:
                times[kind.table, what].append((ours[what], without[what]))
    shutil.rmtree(where)
    writes = {INSERT: size.capture_rows, UPDATE: size.capture_rows, SINGLE: size.capture_transactions}
    return figures("capture", times, LIMITS, writes)


def figures(
    name: str, times: Mapping[tuple[str, str], Pairs], limits: Mapping[str, float | None], writes: Mapping[str, int]
) -> list[Figure]:
    """From the times by (table, what was written). Both tables together are held to the limits; each is shown by
    itself, since a narrow row shows the trigger's own cost."""
    found = []
    for what, limit in limits.items():
        each = {table: pairs for (table, written), pairs in times.items() if written == what}
        both = [
            (sum(ours), sum(bare))
            for ours, bare in (zip(*some, strict=True) for some in zip(*each.values(), strict=True))
        ]
        scale = 1e6 / writes[what]
        found.append(figure_of(f"{name}, {what}", both, limit, "µs", scale / len(each)))
        found += [figure_of(f"   {table} alone", pairs, None, "µs", scale) for table, pairs in each.items()]
    return found


def _write(path: Path, kind: _Kind, size: Size) -> dict[str, float]:
    """CPU seconds of each kind of write, into an emptied table."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        # How often a disk is waited for says nothing about triggers, and system time of a sync varies most.
        raw.execute("PRAGMA synchronous = OFF")
        _empty(raw, kind.table)
        found = {
            INSERT: cpu(lambda: _bulk(raw, kind.insert, kind.rows)),
            UPDATE: cpu(lambda: _bulk(raw, kind.update, kind.updates)),
        }
        _empty(raw, kind.table)
        half = size.capture_transactions // 2
        found[SINGLE] = cpu(lambda: _one_by_one(raw, kind, half))
    return found


def _bulk(raw: sqlite3.Connection, statement: str, rows: Iterable[data.Row]) -> None:
    raw.execute("BEGIN")
    raw.executemany(statement, rows)
    raw.execute("COMMIT")


def _one_by_one(raw: sqlite3.Connection, kind: _Kind, half: int) -> None:
    """A transaction for each statement: half inserts, half updates."""
    for row in kind.rows[:half]:
        raw.execute(kind.insert, row)
    for update in kind.updates[:half]:
        raw.execute(kind.update, update)


def _empty(raw: sqlite3.Connection, table: str) -> None:
    raw.execute(f"DELETE FROM {table}")
    if raw.execute("SELECT 1 FROM sqlite_schema WHERE name = 'replicator_outbox'").fetchone():
        raw.execute("DELETE FROM replicator_outbox")
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
