"""What it costs to look for something in a long journal: each filter of `journal list`, the way of a row, an export.

The journal is put there by SQL, as it stands at a busy host: transactions of ten changes, of the host and of three
stations, a thousand slices. In each slice one row is changed that is changed all the time, and one of a table that has
hardly any; of each station's changes some are returned.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from bench import data
from bench.measuring import Figure, Size, cpu
from bench.places import HOST, Places
from replicator.operations import journal_export
from replicator.operations.journal_filters import Filter, Spot
from replicator.operations.journal_pages import list_journal, show_group
from replicator.operations.opening import View, open_view
from replicator.operations.tracing import trace
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.codec_detail import Detail, encode_details
from replicator.protocol.keys import pack_key
from replicator.protocol.messages import Segment, TableBlock
from replicator.protocol.verdicts import Verdict
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.store.slice_index import signature

STATIONS = ("koeln", "bonn", "ulm")
A_SLICE = 9_000
TOGETHER = 10
"""Changes of a transaction."""
RETURNED = 20
"""Of a station's slice, at its end."""
BEGAN = 1_700_000_000_000_000
A_CHANGE = 1_000_000
"""Microseconds from one change to the next."""
HOT = 77
"""Key of the row that is changed all the time."""
LIMIT = 1.0
"""Seconds of CPU."""
RARE = "CREATE TABLE rare (id INTEGER PRIMARY KEY, word TEXT);"


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    count, where = size.journal_entries, folder / "journal"
    places = Places(where, data.CUSTOMERS + RARE, ["customers", "rare"], STATIONS)
    tell(f"journal: {count:,} changes are put there")
    places.write(HOST, lambda raw: _Filling(raw).fill(count))
    figures = []
    home = Home(places.home(HOST), Files(Runtime()))
    for name, work in _works(count):

        def look(work: Callable[[View], object] = work) -> None:
            with open_view(home, Runtime()) as view:
                work(view)

        tell(f"journal: {name}")
        figures.append(Figure(f"journal of {count:,}, {name}", min(cpu(look) for _ in range(3)), None, LIMIT, "s"))
    exported = min(count, 100_000)
    seconds = cpu(lambda: _export(home, exported))
    figures.append(Figure("journal, exporting a change", seconds / exported * 1e6, None, None, "µs"))
    shutil.rmtree(where)
    return figures


def _works(count: int) -> list[tuple[str, Callable[[View], object]]]:
    groups = count // TOGETHER
    middle, span = groups // 2, 3600
    moment = BEGAN + count // 2 * A_CHANGE

    def listing(chosen: Filter, *, newest: bool = True) -> Callable[[View], object]:
        return lambda view: list_journal(view, chosen, newest=newest)

    return [
        ("newest page", listing(Filter())),
        ("page in the middle", listing(Filter(before=Spot(middle)))),
        ("oldest page", listing(Filter(), newest=False)),
        ("by table", listing(Filter(table="customers"))),
        ("by a table of which each slice has one", listing(Filter(table="rare"))),
        ("by a row that was changed once", listing(Filter(table="customers", key=(str(A_SLICE * 5 + 17),)))),
        ("by a row that each slice has", listing(Filter(table="customers", key=(str(HOT),)))),
        ("by a row that nobody changed", listing(Filter(table="customers", key=("-5",)))),
        ("by station", listing(Filter(station="bonn"))),
        ("by time", listing(Filter(since=moment, until=moment + span * A_CHANGE))),
        ("by position", listing(Filter(position=Spot(middle)))),
        ("by a station's number", listing(Filter(station="bonn", transaction=str(middle)))),
        ("by verdict", listing(Filter(verdict="returned"))),
        (
            "by verdict, of a station, a page in the middle",
            listing(Filter(verdict="returned", station="ulm", before=Spot(middle))),
        ),
        ("by verdict, that there is none of", listing(Filter(verdict="altered"))),
        ("by table and verdict that no change has both of", listing(Filter(table="rare", verdict="returned"))),
        ("by the 32 digits of a transaction, as far as it looks", listing(Filter(transaction="ff" * 16))),
        ("show a transaction", lambda view: show_group(view, middle)),
        ("trace of a row that each slice has", lambda view: trace(view, "customers", [str(HOT)])),
    ]  # fmt: skip


def _export(home: Home, count: int) -> None:
    with open_view(home, Runtime()) as view:
        for _ in islice(journal_export.lines(view, Filter()), count):
            pass


class _Filling:
    """Puts slices into the host's database as collecting and judging would."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        tables = dict(raw.execute("SELECT name, id FROM replicator_table"))
        self._customers, self._rare = tables["customers"], tables["rare"]
        self._rows = list(data.take(data.customers(0, 1), A_SLICE))
        raw.execute("DELETE FROM replicator_journal")
        raw.execute("DELETE FROM replicator_slice")
        raw.execute("DELETE FROM replicator_slice_segment")
        raw.execute("DELETE FROM replicator_slice_table")
        raw.execute("DELETE FROM replicator_slice_origin")

    def fill(self, count: int) -> None:
        for number in range(count // A_SLICE or 1):
            self._slice(number + 1, number * A_SLICE, number % (len(STATIONS) + 1))
        groups = (count // A_SLICE or 1) * (A_SLICE // TOGETHER)
        self._raw.execute("UPDATE replicator_node SET last_n = ?", (groups,))
        self._raw.execute("ANALYZE")

    def _slice(self, number: int, first: int, origin: int) -> None:
        changes = A_SLICE - RETURNED - 1 if origin else A_SLICE - 1
        numbers = [1 + (first + place) // TOGETHER for place in range(A_SLICE)]
        orders = [place % TOGETHER for place in range(A_SLICE)]
        times = [BEGAN + (first + place) * A_CHANGE for place in range(A_SLICE)]
        rows = [(first + place, *row[1:]) for place, row in enumerate(self._rows)]
        rows[0] = (HOT, *rows[0][1:])
        self._groups(numbers, origin, times)
        size = self._segment(
            number,
            0,
            origin,
            None,
            self._block(self._customers, rows, numbers, orders, slice(changes)),
            times[:changes],
        )
        last = slice(A_SLICE - 1, A_SLICE)
        rare = self._block(self._rare, [(number, "word")] * A_SLICE, numbers, orders, last)
        size += self._segment(number, 1, origin, None, rare, times[last])
        if origin:
            back = slice(changes, A_SLICE - 1)
            block = self._block(self._customers, rows, numbers, orders, back, verdict=True)
            size += self._segment(number, 2, 0, origin, block, times[back])
        keys = {self._customers: [row[0] for row in rows[: A_SLICE - 1]], self._rare: [number]}
        self._raw.executemany(
            "INSERT INTO replicator_slice_table (table_id, slice, row_keys) VALUES (?, ?, ?)",
            [(table, number, signature(pack_key((key,)) for key in found)) for table, found in keys.items()],
        )
        verdicts = Verdict.ACCEPTED.bit | Verdict.RETURNED.bit if origin else 0
        self._raw.execute(
            "INSERT INTO replicator_slice_origin (origin, slice, first_n, last_n, verdicts) VALUES (?, ?, ?, ?, ?)",
            (origin, number, numbers[0], numbers[-1], verdicts),
        )
        self._raw.execute(
            "INSERT INTO replicator_slice (id, host_epoch, first_n, last_n, whole, size, first_at, last_at)"
            " VALUES (?, 1, ?, ?, 1, ?, ?, ?)",
            (number, numbers[0], numbers[-1], size, times[0], times[-1]),
        )

    def _groups(self, numbers: list[int], origin: int, times: list[int]) -> None:
        self._raw.executemany(
            "INSERT INTO replicator_journal (n, host_epoch, uid, origin, origin_epoch, origin_n, merged, at, entries)"
            " VALUES (?, 1, ?, ?, 1, ?, 0, ?, ?)",
            (
                (numbers[place], numbers[place].to_bytes(16), origin, numbers[place], times[place], TOGETHER)
                for place in range(0, A_SLICE, TOGETHER)
            ),
        )

    @staticmethod
    def _block(
        table: int, rows: list[data.Row], numbers: list[int], orders: list[int], which: slice, *, verdict: bool = False
    ) -> TableBlock:
        """Changes of the last column; new rows of a table would be as good."""
        some = rows[which]
        return TableBlock(
            table,
            numbers=numbers[which],
            orders=orders[which],
            classes="C" * len(some),
            rows=some,
            verdict=verdict,
        )

    def _segment(
        self, number: int, ordinal: int, origin: int, peer: int | None, block: TableBlock, times: list[int]
    ) -> int:
        digest, frame = encode_segment(Segment(1, origin, blocks=[block]))
        changed = 0 if peer else 2
        count = len(block.classes)
        detail = encode_details([Detail(times, [changed] * count, [() if peer else ("before",)] * count)])
        self._raw.execute(
            "INSERT INTO replicator_slice_segment (slice, ordinal, recipients, peer, origin, kind, digest, size,"
            " raw_size, row_count, frame, detail) VALUES (?, ?, NULL, ?, ?, 'log', ?, ?, ?, ?, ?, ?)",
            (number, ordinal, peer, origin, digest, len(frame), raw_size(frame), count, frame, detail),
        )
        return len(frame) + len(detail)
