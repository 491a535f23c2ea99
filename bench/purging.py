"""How long it takes to purge a journal of many small groups, and how long an application waits meanwhile.

The journal is put there by SQL, as it stands after months: slices of a thousand groups of a change each, at the host
uids of as many groups of a station, and a tenth as many deleted rows.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bench import data, waiting
from bench.measuring import Figure, Size
from bench.places import HOST, Places
from replicator.engine import purging
from replicator.operations.opening import open_node
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.keys import pack_key
from replicator.protocol.messages import Segment, TableBlock
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home

STATION = "koeln"
A_SLICE = 1_000
"""Groups, of one change each."""
BEYOND = 2**60


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    count, where = size.purged_groups, folder / "purging"
    places = Places(where, data.CUSTOMERS + waiting.CLICKS, ["customers", "clicks"], [STATION])
    places.enrol(STATION)
    places.rest(STATION, HOST)
    idle = min(_seconds(places, 1) for _ in range(5))
    figures = [Figure("purging, a run with nothing to purge", idle * 1e3, None, None, "ms")]
    for node in (HOST, STATION):
        tell(f"purging: {count:,} groups at {'the host' if node == HOST else 'a station'}")
        places.write(node, lambda raw, node=node: _fill(raw, count, at_host=node == HOST))
        with waiting.clicking(places.database(node)) as waits:
            seconds = _seconds_at(places, node, None)
        _require_purged(places.database(node))
        name = f"purging, {count:,} groups at {'the host' if node == HOST else 'a station'}"
        figures.append(Figure(name, seconds, None, None, "s"))
        figures.append(Figure(f"{name}: longest write", max(waits) * 1e3, None, waiting.LIMIT, "ms"))
    shutil.rmtree(where)
    return figures


def _seconds(places: Places, steps: int) -> float:
    return _seconds_at(places, HOST, steps)


def _seconds_at(places: Places, node: str, steps: int | None) -> float:
    """With a clock that is ahead, so that all that is acknowledged is old enough."""
    runtime = Runtime(now=lambda: time.time_ns() // 1000 + 200 * 86_400_000_000)
    with open_node(Home(places.home(node), Files(runtime)), runtime) as opened:
        began = time.perf_counter()
        if steps is None:
            purging.purge(opened)
        else:
            purging.purge_a_little(opened)
        return time.perf_counter() - began


def _fill(raw: sqlite3.Connection, count: int, *, at_host: bool) -> None:
    (last,) = raw.execute("SELECT last_n FROM replicator_node").fetchone()
    (table,) = raw.execute("SELECT id FROM replicator_table WHERE name = 'customers'").fetchone()
    (slice_id,) = raw.execute("SELECT coalesce(max(id), 0) FROM replicator_slice").fetchone()
    raw.executemany(
        "INSERT INTO replicator_journal (n, host_epoch, uid, origin, merged, at, entries) VALUES (?, 1, ?, 0, 0, 0, 1)",
        ((last + n, n.to_bytes(16)) for n in range(1, count + 1)),
    )
    rows = list(data.take(data.customers(0, 1), A_SLICE))
    for first, number in zip(range(last + 1, last + count + 1, A_SLICE), range(slice_id + 1, BEYOND), strict=False):
        _slice(raw, number, first, table, rows, at_host=at_host)
    newest = slice_id + -(-count // A_SLICE)
    raw.execute("UPDATE replicator_node SET last_n = ?", (last + count,))
    raw.execute(
        "UPDATE replicator_link SET cut_slice = ?, out_high_n = ?, judged_n = ?", (newest, last + count, last + count)
    )
    # As of four months ago: all of it was acknowledged, judged, and in a backup.
    raw.execute("DELETE FROM replicator_mark")
    raw.execute(
        "INSERT INTO replicator_mark (at, last_n, acknowledged_n, settled_epoch, settled_n) VALUES (1, ?, ?, 1, ?)",
        (BEYOND, BEYOND, BEYOND),
    )
    if at_host:
        uids = ((n.to_bytes(16), n) for n in range(1, count + 1))
        raw.executemany("INSERT INTO replicator_seen_group VALUES (1, ?, 1, ?)", uids)
        raw.execute("INSERT INTO replicator_horizon (peer, heard_born_epoch, heard_forgotten_epoch) VALUES (1, 9, 9)")
        keys = [(b"\xcf" + n.to_bytes(8), last + n) for n in range(1, count // 10 + 1)]
        raw.executemany(f"INSERT INTO replicator_tombstone VALUES (1, ?2, {table}, ?1)", keys)
        raw.executemany(
            "INSERT INTO replicator_row_version (row_key, n, table_id, epoch, deleted, writer, writer_epoch, clean, at,"
            f" tie) VALUES (?, ?, {table}, 1, 1, 0, 0, 1, 0, '')",
            keys,
        )
    else:
        raw.execute(
            "INSERT OR REPLACE INTO replicator_horizon (peer, heard_epoch_epoch, heard_epoch_n, heard_n)"
            " SELECT 0, out_epoch_epoch, out_epoch_n, ? FROM replicator_link",
            (BEYOND,),
        )


def _slice(
    raw: sqlite3.Connection, number: int, first: int, table: int, rows: list[data.Row], *, at_host: bool
) -> None:
    numbers = list(range(first, first + len(rows)))
    fresh = [(n, *row[1:]) for n, row in zip(numbers, rows, strict=True)]
    block = TableBlock(table, numbers=numbers, orders=[0] * len(rows), classes="N" * len(rows), rows=fresh)
    digest, frame = encode_segment(Segment(1, blocks=[block]))
    raw.execute(
        "INSERT INTO replicator_slice (id, host_epoch, first_n, last_n, whole, size) VALUES (?, 1, ?, ?, 1, ?)",
        (number, first, first + len(rows) - 1, len(frame)),
    )
    raw.execute(
        "INSERT INTO replicator_slice_segment (slice, ordinal, origin, kind, digest, size, raw_size, row_count, frame)"
        " VALUES (?, 0, 0, 'log', ?, ?, ?, ?, ?)",
        (number, digest, len(frame), raw_size(frame), len(rows), frame),
    )
    if not at_host:
        raw.executemany("INSERT INTO replicator_journal_key VALUES (?, ?, ?)", _keys(table, numbers))


def _keys(table: int, numbers: list[int]) -> Iterator[tuple[int, bytes, int]]:
    return ((table, pack_key((n,)), n) for n in numbers)


def _require_purged(database: Path) -> None:
    with closing(sqlite3.connect(database)) as raw:
        left = [
            raw.execute(f"SELECT count(*) FROM replicator_{table}").fetchone()[0]
            for table in ("slice", "journal", "journal_key", "tombstone")
        ]
        if left[0] > 1 or left[1] > A_SLICE + 10 or left[2] > A_SLICE + 10 or left[3]:
            raise AssertionError(f"not all was purged: {left}")
