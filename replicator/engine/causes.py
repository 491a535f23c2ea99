"""What a station's change waits for at the host: another one of that station that was set aside (protocol.md 5.14).

A change of a row follows those of that row that were set aside before it, in their order; a child follows its parent,
and whatever a key would refuse follows the row that stands in its way only because its change was set aside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from replicator.engine.node import Unit
from replicator.errors import Dependent
from replicator.protocol.keys import key_packer
from replicator.protocol.proposals import Conflict, ConflictKind, Proposal
from replicator.protocol.working_set import TableState, WorkingSet
from replicator.store import quarantine
from replicator.types import Image, Key

PAGE = 1000
_BY_KEYS = (
    ConflictKind.PARENT_MISSING,
    ConflictKind.PARENT_KEPT,
    ConflictKind.UNIQUE_REFUSED,
    ConflictKind.UNIQUE_RENAMED,
)
"""What becomes of a change for the sake of other rows."""


def waits_for(number: int) -> str:
    """Why a change is set aside with another one, for people."""
    return f"it waits for change {number} in quarantine"


@dataclass(slots=True)
class Causes:
    """Changes of one station that were set aside. Asked for each change only where there are any."""

    unit: Unit
    peer: int
    any: bool = field(init=False)
    before: int = quarantine.LAST
    """Number of what is judged anew: it waits for what was set aside before it only."""

    def __post_init__(self) -> None:
        self.any = not quarantine.is_empty(self.unit.connection, self.peer)

    def require_none(self, working: WorkingSet, changes: Iterable[Proposal], conflicts: Iterable[Conflict]) -> None:
        """Raises Dependent."""
        if not self.any:
            return
        for table, some in groupby(sorted(changes, key=attrgetter("table")), key=attrgetter("table")):
            self._refuse(self._held(table, {change.key for change in some}))
        for conflict in conflicts:
            if conflict.kind in _BY_KEYS:
                self._refuse(self._behind(working, conflict))

    def _refuse(self, cause: int | None) -> None:
        if cause is not None:
            raise Dependent(waits_for(cause), cause)

    def _held(self, table: int, keys: Iterable[Key]) -> int | None:
        found = quarantine.held(self.unit.connection, self.peer, table, list(keys), self.before)
        return max(found.values(), default=None)

    def _behind(self, working: WorkingSet, conflict: Conflict) -> int | None:
        state = working[conflict.table]
        if conflict.kind is ConflictKind.PARENT_MISSING:
            return None if conflict.station_image is None else self._parent(state, conflict.station_image)
        if conflict.host_image is None:
            return None
        if conflict.kind is ConflictKind.PARENT_KEPT:
            return self._child(state, conflict.host_image)
        return self._held(conflict.table, [key_packer(state.table.definition)(conflict.host_image)])

    def _parent(self, state: TableState, child: Image) -> int | None:
        for link in state.parents:
            wanted = link.wanted(child)
            if wanted is None or wanted in link.index.holders:
                continue
            key, table = link.key_of_parent(child), link.parent.table.id
            if key is not None:
                found = self._held(table, [key])
            else:
                # By what columns it is referred to is not told by a key: any of them may be it.
                page = quarantine.held_keys(self.unit.connection, self.peer, table, b"", 1, self.before)
                found = page[0][1] if page else None
            if found is not None:
                return found
        return None

    def _child(self, state: TableState, parent: Image) -> int | None:
        """A child that stands only because its delete, or its move to another parent, was set aside."""
        unit = self.unit
        for count in state.children:
            child, value = count.child_state, count.of_parent(parent)
            after = b""
            while child is not None and value is not None:
                page = quarantine.held_keys(unit.connection, self.peer, child.table.id, after, PAGE, self.before)
                if not page:
                    break
                after = page[-1][0]
                held = dict(page)
                present = unit.database.read_images(unit.connection, child.table, list(held))
                for key, image in present.items():
                    if count.of_child(image) == value:
                        return held[key]
        return None
