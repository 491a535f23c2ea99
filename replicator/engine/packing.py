"""Content for a station: the present rows of tables, packed as segments, in flat memory (protocol.md 5.8, 7.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.databases.weighing import PAGE_BYTES, weight
from replicator.engine.node import Node
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec import encode_segment, raw_size
from replicator.protocol.keys import key_packer
from replicator.protocol.messages import Segment, SegmentEntry, SegmentKind, TableBlock
from replicator.store import rows
from replicator.types import NOWHERE, Image, Key, Kinds, Position, Rule, Table

PAGE = 2000
SMALLEST = 16

Tell = Callable[[int], None]


def pack_table(
    node: Node,
    reader: Connection,
    host_epoch: int,
    table: Table,
    peer: int,
    rule: Rule,
    tell: Tell,
    *,
    gone: list[Key],
    with_versions: bool = False,
    fresh: Mapping[Key, Position] | None = None,
) -> Iterator[SegmentEntry]:
    """Segments of what this station is to have of the table, stored durably. `reader` sees one position's rows.

    `gone` takes keys of rows that the station has by what is noted here, and that stand here no more: it deletes what
    the content lacks. `with_versions`: each row comes with its version, as a backup station needs it. `fresh`: versions
    that the reader doesn't see, though it sees their rows.
    """
    packer = Packer(node.settings.slice_bytes, host_epoch, table, node.spool.add_segment)
    pack_key = key_packer(table.definition)
    for images in present_rows(node.database, reader, table, peer, rule, gone):
        versions = None
        if with_versions:
            keys = [pack_key(image) for image in images]
            found = rows.load_versions(node.database, reader, table.id, keys)
            positions = {**{key: version.position for key, version in found.items()}, **(fresh or {})}
            versions = [positions.get(key, NOWHERE) for key in keys]
        yield from packer.add(images, versions)
        tell(len(images))
    yield from packer.finish()


def measure_table(
    database: Database, reader: Connection, table: Table, peer: int, rule: Rule, slice_bytes: int
) -> Iterator[SegmentEntry]:
    """The same, and nothing is stored: to learn how large it would be. Whoever has seen enough stops reading."""
    packer = Packer(slice_bytes, 1, table, lambda _digest, frame: len(frame))
    for images in present_rows(database, reader, table, peer, rule):
        yield from packer.add(images)
    yield from packer.finish()


def present_rows(
    database: Database, reader: Connection, table: Table, peer: int, rule: Rule, gone: list[Key] | None = None
) -> Iterator[list[Image]]:
    """All rows where new rows go down; else only what the station has: nothing is handed out that a rule withholds."""
    if Kinds.NEW in rule.to_remote:
        yield from database.scan(reader, table)
        return
    after = b""
    while keys := rows.link_rows(reader, peer, table.id, after, PAGE):
        after = keys[-1]
        images = database.read_images(reader, table, keys)
        if gone is not None and len(images) < len(keys):
            gone += [key for key in keys if key not in images]
        yield [images[key] for key in keys if key in images]


class Packer:
    """Packs rows into segments of about the aimed-at size, learning how many rows make one."""

    def __init__(self, slice_bytes: int, host_epoch: int, table: Table, keep: Callable[[bytes, bytes], int]) -> None:
        """`keep` stores a segment (digest, frame) and gives the size of what is kept."""
        self._slice_bytes, self._host_epoch, self._table, self._keep = slice_bytes, host_epoch, table, keep
        self._waiting: list[Image] = []
        self._versions: list[Position] = []
        self._weight = 0
        # Columns of NULLs weigh nothing, and yet a receiver holds every value in memory.
        self._most = max(1, min(20_000, BOUNDS.cells // 2 // len(table.definition.columns)))
        self._rows = min(2000, self._most)

    def add(self, images: list[Image], versions: list[Position] | None = None) -> Iterator[SegmentEntry]:
        self._waiting += images
        self._versions += versions or ()
        self._weight += weight(images)
        while len(self._waiting) >= self._rows or (self._waiting and self._weight >= PAGE_BYTES):
            yield from self._pack(self._rows)

    def finish(self) -> Iterator[SegmentEntry]:
        while self._waiting:
            yield from self._pack(self._rows)

    def _pack(self, count: int) -> Iterator[SegmentEntry]:
        target = self._slice_bytes
        while True:
            images = self._waiting[:count]
            bases = self._versions[:count] if self._versions else None
            block = TableBlock(
                self._table.id, classes="C" * len(images), rows=images, bases=bases, version=self._table.version
            )
            digest, frame = encode_segment(Segment(self._host_epoch, blocks=[block]))
            raw = raw_size(frame)
            fitting = max(SMALLEST, int(len(images) * target / max(raw, 1)))
            if raw <= 2 * target or len(images) <= SMALLEST:
                break
            count = fitting
        self._rows = min(fitting, self._most)
        del self._waiting[: len(images)], self._versions[: len(images)]
        self._weight -= weight(images)
        size = self._keep(digest, frame)
        yield SegmentEntry(digest, size, raw, SegmentKind.CONTENT, len(images))
