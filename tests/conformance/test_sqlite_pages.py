"""What is read at a time is bounded by what rows weigh, not by their number alone."""

from __future__ import annotations

import sqlite3

from replicator.databases.sqlite.statements import fetch_page
from replicator.databases.weighing import PAGE_BYTES, weight

BLOB = 200_000


def test_a_page_of_heavy_rows_is_cut_short() -> None:
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)")
    raw.executemany("INSERT INTO t VALUES (?, randomblob(?))", [(n, BLOB if n >= 100 else 1) for n in range(300)])
    page, whole = fetch_page(raw, "SELECT * FROM t ORDER BY id")
    assert not whole
    assert 100 < len(page) < 150
    assert weight(page) < 2 * PAGE_BYTES + 16 * BLOB
    light, whole = fetch_page(raw, "SELECT * FROM t WHERE id < 100 ORDER BY id")
    assert (len(light), whole) == (100, True)


def test_heavy_and_light_rows_in_turn_are_both_met() -> None:
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)")
    raw.executemany("INSERT INTO t VALUES (?, randomblob(?))", [(n, BLOB if n % 2 else 1) for n in range(400)])
    page, whole = fetch_page(raw, "SELECT * FROM t ORDER BY id")
    assert not whole
    assert weight(page) < 4 * PAGE_BYTES
