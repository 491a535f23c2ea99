"""Content is packed so that the station that gets it can hold it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from replicator.engine.packing import pack_table
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec import decode_segment
from replicator.types import ColumnDefinition, ColumnType, Image, Kinds, Rule, Table, TableDefinition, TypeKind

COLUMNS = 1000


def test_wide_rows_of_nulls_make_segments_that_a_receiver_takes() -> None:
    """They weigh nothing, so by their bytes alone all of them would go into one segment."""
    rows = BOUNDS.cells * 3 // COLUMNS
    frames: dict[bytes, bytes] = {}

    def keep(digest: bytes, frame: bytes) -> int:
        frames[digest] = frame
        return len(frame)

    images: list[Image] = [(number, *[None] * (COLUMNS - 1)) for number in range(rows)]
    node: Any = SimpleNamespace(
        database=SimpleNamespace(scan=lambda *_: iter([images])),
        settings=SimpleNamespace(slice_bytes=900_000),
        spool=SimpleNamespace(add_segment=keep),
    )
    connection: Any = None
    rule = Rule(to_remote=Kinds.ALL)
    entries = list(pack_table(node, connection, 1, _table(), 1, rule, lambda _: None, gone=[]))
    found = [row for entry in entries for row in decode_segment(frames[entry.digest], entry).blocks[0].rows]
    assert found == images


def _table() -> Table:
    columns = tuple(ColumnDefinition(f"c{place}", ColumnType(TypeKind.INTEGER)) for place in range(COLUMNS))
    return Table(1, "wide", TableDefinition("wide", columns, ("c0",)))
