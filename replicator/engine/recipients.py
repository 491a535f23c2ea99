"""Who gets a record, and what stations with a narrow rule have (protocol.md 5.1 step 5, 5.7 step 8).

`link_row` is kept only for stations whose rule leaves out new rows of a table: where new rows go down, a station has
all of them, and a row a station would cost the bulk path its speed.
"""

from __future__ import annotations

from replicator.engine.node import Unit
from replicator.protocol.rules import wanting
from replicator.store import rows
from replicator.types import ChangeClass, Key, Kinds

MADE_AND_DELETED = "ND"
"""Instead of a class: a delete of a row that the same group had made. Who was sent the one is sent the other."""

_KINDS = {**{change.value: change.kind for change in ChangeClass}, MADE_AND_DELETED: Kinds.NEW | Kinds.DELETED}


class Recipients:
    """Recipients of one unit's records, by table and class; rules don't change while it is in use."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._numbers: dict[tuple[int, str, int], int | None] = {}
        self._narrow: dict[int, tuple[int, ...]] = {}
        self._noted: dict[tuple[int, int], dict[Key, bool]] = {}

    def of(self, table: int, change: str, without: int = 0) -> int | None:
        """Number of the set of stations whose rule wants this class, one station left out; None: nobody."""
        asked = (table, change, without)
        if asked not in self._numbers:
            unit = self._unit
            stations = tuple(peer for peer in wanting(unit.books, table, _KINDS[change]) if peer != without)
            self._numbers[asked] = unit.recipient_sets.intern(unit.connection, stations)
        return self._numbers[asked]

    def narrow(self, table: int) -> tuple[int, ...]:
        """Stations that have, or had, a rule for this table, and get no new rows of it now."""
        if table not in self._narrow:
            books = ((peer, book) for peer, book in self._unit.books.items() if table in book.versions)
            self._narrow[table] = tuple(peer for peer, book in books if Kinds.NEW not in book.current(table).to_remote)
        return self._narrow[table]

    def note(self, table: int, change: str, key: Key) -> None:
        """A record goes to all who want it: a deleted row is no longer what a narrow station has."""
        if change != "D":
            return
        for peer in self.narrow(table):
            if Kinds.DELETED in self._unit.current_rule(peer, table).to_remote:
                self._noted.setdefault((peer, table), {})[key] = False

    def note_at(self, peer: int, table: int, key: Key, present: bool) -> None:
        """This station has (or has no longer) this row: it sent it, or gets it as a verdict."""
        if peer in self.narrow(table):
            self._noted.setdefault((peer, table), {})[key] = present

    def flush(self) -> None:
        """Write what was noted, in sets."""
        unit = self._unit
        for (peer, table), noted in self._noted.items():
            rows.remove_link_rows(unit.connection, peer, table, [key for key, present in noted.items() if not present])
            rows.add_link_rows(
                unit.database, unit.connection, peer, table, [key for key, there in noted.items() if there]
            )
        self._noted = {}
