"""The host notes which numbers came to be used and which went, in the transaction that brings it about.

Two ways lead into its log, and both pass by here: what its own application did (collect), and what it judged. Notes are
taken in memory, a tuple a number, and written in sets (protocol.md 8.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.protocol.images import columns_of
from replicator.protocol.number_uses import CHANGED, Use, UseKind
from replicator.protocol.numbers import NumberRange
from replicator.protocol.proposals import Conflict
from replicator.store import number_uses, numbers
from replicator.types import Image, Key, Value

if TYPE_CHECKING:
    from replicator.engine.node import Unit

MOST = 5_000
"""Notes in memory."""


@dataclass(slots=True)
class NumberUses:
    """Of one unit; written when it ends."""

    unit: Unit
    tables: dict[int, list[tuple[int, NumberRange]]] = field(default_factory=dict)
    """By table: (place of the column, range). Whoever has many changes asks here first."""
    _noted: dict[int, list[Use]] = field(default_factory=dict)
    _count: int = 0

    @classmethod
    def of(cls, unit: Unit) -> NumberUses:
        found = cls(unit)
        if unit.is_host:
            for stored in numbers.load_ranges(unit.connection).values():
                table = unit.tables.get(stored.range.table)
                if table is not None and stored.range.column in table.definition.column_names:
                    place = table.definition.index_of(stored.range.column)
                    found.tables.setdefault(table.id, []).append((place, stored.range))
        return found

    def changed(
        self,
        table: int,
        key: Key,
        image: Image | None,
        mask: int,
        before: tuple[Value, ...] | None,
        node: int,
        at: int,
        *,
        restored: bool = False,
    ) -> None:
        """A row of a numbered table stands otherwise now; as `Journal.add` is told it. `node`: whose change it is."""
        came = UseKind.RESTORED if restored else UseKind.USED
        for place, known in self.tables[table]:
            old = None if before is None else _old(before, mask, place, whole=image is None)
            new = None if image is None or not mask >> place & 1 else image[place]
            left = None if old is None else known.form.number(old)
            arrived = None if new is None else known.form.number(new)
            if left == arrived:
                continue
            if left is not None and left >= known.start:
                self._note(known.id, Use(UseKind.VOIDED, left, key, node, at, "" if image is None else CHANGED))
            if arrived is not None and arrived >= known.start:
                self._note(known.id, Use(came, arrived, key, node, at))

    def refused(self, peer: int, conflicts: Iterable[Conflict]) -> None:
        """Numbers of rows that a station wrote and that did not come to stand as it wrote them."""
        for conflict in conflicts:
            for place, known in self.tables.get(conflict.table, ()):
                image, stands = conflict.station_image, conflict.result
                if image is None or (conflict.mask and not conflict.mask >> place & 1):
                    continue
                number = known.form.number(image[place])
                if number is None or number < known.start:
                    continue
                if stands is None or known.form.number(stands[place]) != number:
                    at = conflict.station_at or 0
                    self._note(known.id, Use(UseKind.REFUSED, number, conflict.key, peer, at, str(conflict.kind)))

    def _note(self, number: int, use: Use) -> None:
        self._noted.setdefault(number, []).append(use)
        self._count += 1
        if self._count >= MOST:
            self.flush()

    def flush(self) -> None:
        for number, uses in self._noted.items():
            number_uses.add(self.unit.connection, number, uses, self.unit.now)
        self._noted, self._count = {}, 0


def _old(before: tuple[Value, ...], mask: int, place: int, *, whole: bool) -> Value:
    """What stood in the column; None: nothing, or it was not changed."""
    if whole:
        return before[place]
    if not mask >> place & 1:
        return None
    return before[columns_of(mask).index(place)]
