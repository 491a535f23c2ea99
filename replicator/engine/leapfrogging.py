"""Keys that count, while rows of other places are written (protocol.md 5.6).

Where nobody else writes meanwhile, the counter is set in the transaction that brings higher keys: there is no moment
in which an application would draw outside its block. Elsewhere the trigger refuses what is outside, until the run has
set the counter.
"""

from __future__ import annotations

from replicator.engine import key_counting, number_ledgers, number_requests
from replicator.engine.node import Unit
from replicator.types import Table


class Leapfrogging:
    """One for each time that rows of other places are written."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._exact = not unit.database.capabilities.others_write_meanwhile
        self._written: set[int] = set()

    def before(self, table: Table) -> None:
        """Nothing has been written to the table yet."""
        if self._exact and table.definition.autoincrement:
            for known in key_counting.own_keys(self._unit):
                if known.table == table.id:
                    key_counting.note_drawn(self._unit, known)
                    self._written.add(known.id)

    def after(self) -> None:
        """All is written, and the triggers stand again."""
        if not self._exact:
            return
        unit = self._unit
        for known in key_counting.own_keys(unit):
            if known.id in self._written:
                tails = key_counting.passed_by(unit, known)
                if tails and unit.is_host:
                    number_ledgers.retire_own(unit, known.id, tails)
                elif tails:
                    number_requests.say_passed_by(unit, known, tails)
                if unit.is_host:
                    number_ledgers.refill_own_keys(unit, known.id)
            key_counting.count_on_within(unit, known)
