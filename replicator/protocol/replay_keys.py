"""Keys stay valid at a station, variant B (protocol.md 7.7). Pure; used by `replaying` at the end of a chunk.

What would break a key is refused, kept and asked for again behind the pending changes, so that the answer comes after
their verdict. An answer that can't stand either is the last word once nothing that it waits for is open any more: then
the station goes without, on record. Else it would ask for ever, for instance for the delete of a parent to which a row
refers that the rules keep at this station.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import Dependent
from replicator.protocol.key_indexes import ChildCount, KeyIndex
from replicator.protocol.proposals import Conflict, ConflictKind
from replicator.protocol.questions import Where
from replicator.protocol.working_set import ParentLink, TableState, Version
from replicator.protocol.yielding import yield_unique
from replicator.types import Image, Key, Tie

if TYPE_CHECKING:
    from replicator.protocol.replaying import Planned, Replay

Constrained = list[tuple[TableState, "dict[Key, Planned]"]]


@dataclass(slots=True)
class _Refusal:
    """A plan that would break a key, and what may still change so that it can stand."""

    state: TableState
    planned: Planned
    kind: ConflictKind
    """What it is on record as, if it has to be left out for good."""
    asks: tuple[Where, ...] = ()
    """Rows to ask for before this one."""
    waits_for: tuple[Where, ...] = ()
    children: tuple[tuple[ChildCount, Hashable], ...] = ()
    """Rows that refer to what would go."""
    parents: tuple[TableState, ...] = ()
    """Tables of a missing parent whose key is not known."""

    @property
    def where(self) -> Where:
        return self.state.table.id, self.planned.key


class KeyKeeper:
    """One chunk's plans for tables that have keys to keep."""

    def __init__(self, replay: Replay, constrained: Constrained) -> None:
        self._replay = replay
        self._constrained = constrained
        self._refusals: list[_Refusal] = []
        self._stored: dict[tuple[int, tuple[str, ...]], dict[Hashable, Key]] = {
            (state.table.id, index.columns): dict(index.holders) for state, _ in constrained for index in state.unique
        }
        """Who holds which unique value in the database, by table and columns, before any of this is written."""

    def keep(self) -> None:
        """Refuse what can't stand, move aside who stands in the way, ask again or give up."""
        for state, plans in self._constrained:
            for planned in plans.values():
                state.put(planned.key, planned.image)
        changed = True
        while changed:
            changed = False
            for state, plans in self._constrained:
                for planned in plans.values():
                    if not planned.refused and not self._stands(state, plans, planned):
                        changed = True
        if self._refusals:
            self._ask_or_give_up()

    def _stands(self, state: TableState, plans: dict[Key, Planned], planned: Planned) -> bool:
        """Does this plan leave all keys valid? If not it is refused here."""
        key, image = planned.key, planned.image
        if planned.original is not None and state.children and state.orphans(key, planned.original, image):
            children = _children(state, planned.original, image)
            return self._refuse(_Refusal(state, planned, ConflictKind.PARENT_KEPT, children=children))
        if image is None:
            return True
        for link in state.parents:
            value = link.wanted(image)
            if value is not None and value not in link.index.holders:
                return self._refuse(_without_parent(state, planned, link, image))
        return all(self._unique_stands(state, plans, planned, index) for index in state.unique)

    def _refuse(self, refusal: _Refusal) -> bool:
        state, planned = refusal.state, refusal.planned
        planned.refused = True
        self._refusals.append(refusal)
        state.put(planned.key, planned.original)
        for index in state.unique:
            # A holder that this plan had taken a value from in memory has it again.
            value = None if planned.image is None else index.of(planned.image)
            holder = None if value is None else self._stored[state.table.id, index.columns].get(value)
            if holder is not None and holder in state.rows and index.of(state.rows[holder]) == value:
                index.holders.setdefault(value, holder)
        _claim_less(state, planned)
        return False

    # --- unique keys --------------------------------------------------------------------------------------------------

    def _unique_stands(self, state: TableState, plans: dict[Key, Planned], planned: Planned, index: KeyIndex) -> bool:
        """Is the unique value free, or can its holder be moved? A pending holder is never renamed."""
        table, key = state.table.id, planned.key
        row = state.rows.get(key)  # not the plan's where it was moved aside already
        wanted = None if row is None else index.of(row)
        if wanted is None:
            return True
        for holder in {self._stored[table, index.columns].get(wanted): None, index.holders.get(wanted): None}:
            if holder is None or holder == key:
                continue
            held = state.rows.get(holder)
            if held is None or index.of(held) != wanted:
                continue  # gets another value, or goes, in the same chunk: two-phase put
            other = plans.get(holder)
            if other is None or other.refused:
                if self._replay.is_pending(table, holder):
                    waits_for = ((table, holder),)
                    return self._refuse(_Refusal(state, planned, ConflictKind.UNIQUE_REFUSED, waits_for=waits_for))
                return self._move_aside(state, planned, index, holder)
            # The host has no such pair: the older one got another value there, which the rules withhold.
            older, newer = (planned, other) if planned.position < other.position else (other, planned)
            return self._move_aside(state, newer, index, older.key)
        return True

    def _move_aside(self, state: TableState, planned: Planned, index: KeyIndex, holder: Key) -> bool:
        """A settled holder that a later record will set right yields; one that stays is put on record."""
        table, held = state.table.id, state.rows[holder]
        yielded = yield_unique(state, index, holder, held)
        if state.children and state.orphans(holder, held, yielded):
            return self._refuse(
                _Refusal(
                    state,
                    planned,
                    ConflictKind.UNIQUE_REFUSED,
                    waits_for=((table, holder),),
                    children=_children(state, held, yielded),
                )
            )
        other = self._replay.plans[table].get(holder)
        version = state.versions.get(holder) if other is None or other.refused else other.version
        tie = Tie.NONE if version is None else Tie(version.tie)
        state.put(holder, yielded)
        value = index.of(state.rows[planned.key])
        if value is not None:
            index.holders[value] = planned.key  # what the holder had is the newcomer's now
        comes_right = tie is Tie.SHARED and self._replay.ask((table, holder))
        if not comes_right or (version is not None and version.image is not None):
            conflict = Conflict(table, holder, ConflictKind.MOVED_ASIDE, planned.image, held, yielded)
            self._replay.conflicts.append(conflict)
        return True

    # --- what was refused ---------------------------------------------------------------------------------------------

    def _ask_or_give_up(self) -> None:
        """Ask for all that was not asked for yet, and for what waits for something that is open."""
        replay = self._replay
        for refusal in self._refusals:
            self._require_free(refusal)
        left = []
        for refusal in self._refusals:
            if refusal.state.table.id in replay.unanswerable:
                self._give_up(refusal)  # also what would wait for another row: nothing brings it again
            elif replay.questions.is_answered(refusal.where, replay.judged):
                left.append(refusal)
            else:
                self._ask(refusal)
        while waiting := [refusal for refusal in left if self._is_open(refusal)]:
            for refusal in waiting:
                self._ask(refusal)
            left = [refusal for refusal in left if refusal not in waiting]
        for refusal in left:
            self._give_up(refusal)

    def _require_free(self, refusal: _Refusal) -> None:
        """What waits for a row whose version was set aside goes with it (protocol.md 5.14). Raises Dependent."""
        held = self._replay.held
        causes: list[int | None] = [held.row(where) for where in refusal.waits_for]
        causes += [number for state in refusal.parents for _, _, number in held.rows(state.table.id)]
        for count, value in refusal.children:
            for key, stored, number in held.rows(count.child.id):
                child = self._replay.working_set.tables[count.child.id]
                image = child.rows.get(key) if key in child.rows or key in child.dirty_rows else stored
                if image is not None and count.of_child(image) == value:
                    causes.append(number)
        for cause in causes:
            if cause is not None:
                raise Dependent(f"it waits for change {cause} in quarantine", cause)

    def _ask(self, refusal: _Refusal) -> None:
        planned = refusal.planned
        self._replay.skipped[refusal.where] = (planned.position, planned.image)
        self._replay.refreshes.pop(refusal.where, None)  # behind its parent, also where it was asked for already
        for where in (*refusal.asks, refusal.where):
            self._replay.ask(where)

    def _is_open(self, refusal: _Refusal) -> bool:
        """May anything still happen to what this plan waits for?"""
        replay = self._replay
        if any(map(replay.is_unsettled, refusal.waits_for)):
            return True
        if any(True for state in refusal.parents for _ in replay.unsettled_rows(state.table.id, replay.judged)):
            return True
        for count, value in refusal.children:
            child = replay.working_set.tables.get(count.child.id)
            if child is None:
                continue  # not replicated here: no answer changes it
            for key, stored in replay.unsettled_rows(count.child.id, replay.judged):
                image = child.rows.get(key) if key in child.rows or key in child.dirty_rows else stored
                if image is not None and count.of_child(image) == value:
                    return True
        return False

    def _give_up(self, refusal: _Refusal) -> None:
        """The station's row stays as it is. A row that the host deleted is the station's own from now on."""
        state, planned = refusal.state, refusal.planned
        stays = planned.original
        if planned.image is None:
            state.set_version(planned.version._replace(tie=Tie.DETACHED.value))
        self._replay.conflicts.append(Conflict(state.table.id, planned.key, refusal.kind, planned.image, stays, stays))


def _children(state: TableState, old: Image, new: Image | None) -> tuple[tuple[ChildCount, Hashable], ...]:
    """What `TableState.orphans` counted: foreign keys, and the value that would no longer be there."""
    found = []
    for count in state.children:
        value = count.of_parent(old)
        if value is not None and (new is None or count.of_parent(new) != value):
            found.append((count, value))
    return tuple(found)


def _without_parent(state: TableState, planned: Planned, link: ParentLink, child: Image) -> _Refusal:
    key = link.key_of_parent(child)
    if key is None:
        return _Refusal(state, planned, ConflictKind.PARENT_MISSING, parents=(link.parent,))
    parent = (link.parent.table.id, key)
    return _Refusal(state, planned, ConflictKind.PARENT_MISSING, asks=(parent,), waits_for=(parent,))


def _claim_less(state: TableState, planned: Planned) -> None:
    """A group whose first records of this row came to stand in an earlier chunk, and whose others do not: the row is
    not what the host has at that position, and no change may be taken for one that was based on it."""
    version: Version | None = state.versions.get(planned.key)
    epoch, n = planned.first
    if version is not None and n and version.position >= planned.first:
        state.set_version(version._replace(epoch=epoch, n=n - 1))
