"""What the host keeps beside rows that stations give back after a restore (protocol.md 5.12 step 5)."""

from __future__ import annotations

from replicator.engine.node import Unit
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.proposals import ConflictKind, Outcome, Proposal
from replicator.protocol.salvaging import Salvage
from replicator.protocol.timelines import Timelines
from replicator.store import conflicts, rows, timelines
from replicator.store.timelines import Salvaged
from replicator.types import Key, Position


class TakingBack:
    """A piece of what a station gives back: which lost versions its rows stand for, before and afterwards."""

    def __init__(self, unit: Unit, lost: Timelines, given: list[Proposal]) -> None:
        self._unit = unit
        self.salvage = Salvage(lost, self._origins(given))

    def _origins(self, given: list[Proposal]) -> dict[tuple[int, Key], Position]:
        """Of which lost version rows were given back before, where they still stand as they were."""
        database, connection = self._unit.database, self._unit.connection
        found: dict[tuple[int, Key], Position] = {}
        for table in {row.table for row in given}:
            keys = [row.key for row in given if row.table == table]
            marks = timelines.load_salvaged(database, connection, table, keys)
            versions = rows.load_versions(database, connection, table, marks) if marks else {}
            for key, mark in marks.items():
                version = versions.get(key)
                if version is not None and version.position == mark.at:
                    found[table, key] = mark.origin
        return found

    def keep(self, position: Position) -> None:
        """Put down which versions the rows were that stand since this position."""
        taken = self.salvage.taken
        for table in {table for table, _ in taken}:
            marks = {key: Salvaged(position, lost) for (of, key), lost in taken.items() if of == table}
            timelines.keep_salvaged(self._unit.database, self._unit.connection, table, marks)

    def forget_told(self, outcome: Outcome) -> None:
        """What another station has given back in vain is on record once."""
        kind = ConflictKind.GIVEN_BACK
        vain = [each for each in outcome.conflicts if each.kind is kind and each.result is each.host_image]
        told: set[int] = set()
        for table in {each.table for each in vain}:
            here = [each for each in vain if each.table == table]
            known = conflicts.station_images(self._unit.connection, kind, table, [each.key for each in here])
            for each in here:
                image = None if each.station_image is None else pack_row(each.station_image)
                if (each.key, image) in known:
                    told.add(id(each))
        if told:
            outcome.conflicts[:] = [each for each in outcome.conflicts if id(each) not in told]
