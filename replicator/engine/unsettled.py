"""What is still open at a station: own changes without a verdict, rows asked for again, rows that wait for a parent.

Looked up only where a record breaks a key: seldom, so in pages and not with every chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from replicator.engine.node import Unit
from replicator.protocol.codec_plain import unpack
from replicator.protocol.questions import Questions, Where
from replicator.protocol.replaying import NoneHeld, Record
from replicator.protocol.working_set import WorkingSet
from replicator.store import journal, quarantine, rows
from replicator.types import HOST_PEER, Image, Key, Tie

PAGE = 1000


def rows_of(body: bytes) -> list[Where]:
    """The rows that one of our own requests is about."""
    plain = unpack(body)
    return list(zip(plain[::2], plain[1::2], strict=True))


@dataclass(slots=True)
class Held(NoneHeld):
    """Rows of which the host's version was set aside. Looked up only where a record breaks a key."""

    unit: Unit

    def row(self, where: Where) -> int | None:
        table, key = where
        return quarantine.held(self.unit.connection, HOST_PEER, table, [key]).get(key)

    def rows(self, table: int) -> Iterator[tuple[Key, Image | None, int]]:
        unit, after = self.unit, b""
        while page := quarantine.held_keys(unit.connection, HOST_PEER, table, after, PAGE):
            after = page[-1][0]
            present = {}
            if table in unit.tables:
                present = unit.database.read_images(unit.connection, unit.tables[table], [key for key, _ in page])
            yield from ((key, present.get(key), number) for key, number in page)


@dataclass(slots=True)
class Unsettled:
    """Unsettled rows (protocol.md 2: pending, or a refresh of it is in flight).

    It knows nothing of the replay that asks it: a circle of the two would keep a chunk's rows in memory, as a run does
    without the collector of reference cycles.
    """

    unit: Unit
    questions: Questions

    def rows(self, table: int, judged: int) -> Iterator[tuple[Key, Image]]:
        """Present rows of this table, as stored."""
        unit = self.unit
        asked = sorted(self.questions.open(table, judged))
        for start in range(0, len(asked), PAGE):
            yield from self._images(table, asked[start : start + PAGE])
        after = b""
        while keys := journal.pending_keys(unit.connection, judged, table, after, PAGE):
            after = keys[-1]
            yield from self._images(table, keys)

    def _images(self, table: int, keys: list[Key]) -> Iterable[tuple[Key, Image]]:
        return self.unit.database.read_images(self.unit.connection, self.unit.tables[table], keys).items()


def sought_parents(unit: Unit, working: WorkingSet, records: Iterable[Record]) -> set[Where]:
    """Of the hidden rows that these records are the host's word on: those that rows which were skipped refer to."""
    hidden = {
        (record.table, record.key)
        for record in records
        if record.verdict and record.image is not None and _is_hidden(working, record)
    }
    found: set[Where] = set()
    after = (0, b"")
    while hidden and (page := rows.skipped_images(unit.connection, after, PAGE)):
        after = page[-1][:2]
        for table, _, image in page:
            for link in working[table].parents if table in working.tables else ():
                key = link.key_of_parent(image)
                if key is not None and (link.parent.table.id, key) in hidden:
                    found.add((link.parent.table.id, key))
    return found


def _is_hidden(working: WorkingSet, record: Record) -> bool:
    version = working[record.table].versions.get(record.key)
    return version is not None and version.tie == Tie.HIDDEN
