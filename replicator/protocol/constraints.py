"""Making a verdict obey the host's own keys without losing a row silently (protocol.md 5.7 step 4, `fit`)."""

from __future__ import annotations

from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.coming import is_coming
from replicator.protocol.key_indexes import KeyIndex
from replicator.protocol.leaving import is_left
from replicator.protocol.proposals import Conflict, ConflictKind, GroupContext, LogRecord, Outcome
from replicator.protocol.working_set import MADE, ParentLink, TableState, Version
from replicator.protocol.yielding import yield_unique
from replicator.types import Image, Key

MAX_DEPTH = 32
"""Parents of parents that one child may bring back; a chain longer than that refuses the child."""

Restoring = tuple[tuple[int, Key], ...]
"""(table, key) of the rows that are just being brought back, the outermost first."""


def enforce_constraints(
    state: TableState,
    key: Key,
    result: Image | None,
    context: GroupContext,
    outcome: Outcome,
    restoring: Restoring = (),
) -> Image | None:
    """The row that can really stand: `result`, a changed one, or the present row where it is refused."""
    current = state.rows.get(key)
    if current is not None and state.children and not is_left(state, key, current, result, context):
        outcome.conflicts.append(Conflict(state.table.id, key, ConflictKind.PARENT_KEPT, current, result, current))
        return current
    if result is None:
        return None
    if state.parents and not _parents_stand(state, current, result, context, outcome, restoring):
        if not restoring:  # of a parent that stays deleted nothing gets lost
            outcome.conflicts.append(
                Conflict(state.table.id, key, ConflictKind.PARENT_MISSING, current, result, current)
            )
        return current
    for index in state.unique:
        if current is not None and index.pick(current) == index.pick(result):
            continue
        fitted = _fit_unique(state, index, key, result, outcome)
        if fitted is None:
            return None if _is_filled_in(state, index, key, current, context) else current
        result = fitted
    return result


def _is_filled_in(state: TableState, index: KeyIndex, key: Key, current: Image | None, context: GroupContext) -> bool:
    """The group has just made the row and now fills its number in, as SQLite does: refused, none of it stands."""
    version = state.versions.get(key)
    if current is None or version is None or not state.numbered.intersection(index.indexes):
        return False
    made = version.made and version.position == context.position and version.writer == context.origin
    return made and is_left(state, key, current, None, context)


def _parents_stand(
    state: TableState,
    current: Image | None,
    child: Image,
    context: GroupContext,
    outcome: Outcome,
    restoring: Restoring,
) -> bool:
    """Are all parents there? One that was deleted comes back from its tombstone: child beats parent's delete."""
    absent = [link for link in state.parents if not _is_there(state, link, current, child)]
    if not absent:
        return True
    if not restoring:
        absent = [link for link in absent if not _is_promised(link, child, context)]
    # None is brought back for a child that is refused for the sake of another.
    deleted = [(link, _tombstone(link, child, restoring)) for link in absent]
    if any(found is None for _, found in deleted):
        return False
    for link, found in deleted:
        if found is None or _is_there(state, link, current, child):
            continue  # two foreign keys may name the same parent
        parent, (back, tombstone) = link.parent, found
        image = enforce_constraints(parent, back, tombstone, context, outcome, (*restoring, (parent.table.id, back)))
        if image is None:
            return False
        outcome.conflicts.append(Conflict(parent.table.id, back, ConflictKind.PARENT_RESTORED, None, image, image))
        restore(parent, back, image, context, outcome)
    return True


def _is_promised(link: ParentLink, child: Image, context: GroupContext) -> bool:
    """The parent comes later in the group; at its end it must be there."""
    parent = link.key_of_parent(child)
    if parent is None or not is_coming(link, child, context):
        return False
    context.promised.add((link.parent.table.id, parent))
    return True


def _is_there(state: TableState, link: ParentLink, current: Image | None, child: Image) -> bool:
    if current is not None and all(current[index] == child[index] for index in link.indexes):
        return True  # the parent of the row that stands
    wanted = link.wanted(child)
    if wanted is None or wanted in link.index.holders:
        return True
    return link.parent is state and link.index.of(child) == wanted  # refers to itself


def _tombstone(link: ParentLink, child: Image, restoring: Restoring) -> tuple[Key, Image] | None:
    """Key and last image of a deleted parent; None where nothing is known of it, or it is on its way back already."""
    key = link.key_of_parent(child)
    if key is None or (link.parent.table.id, key) in restoring or len(restoring) >= MAX_DEPTH:
        return None
    version = link.parent.versions.get(key)
    if version is None or not version.deleted or version.image is None:
        return None
    return key, unpack_rows([version.image])[0]


def restore(state: TableState, key: Key, image: Image, context: GroupContext, outcome: Outcome) -> None:
    """The host puts a row back by itself: a new version of its own, for all whose rule wants new rows."""
    epoch, n = context.position
    state.put(key, image)
    state.set_version(Version(state.table.id, key, epoch, n, clean=0, at=context.received_at, tie=MADE))
    full = (1 << len(image)) - 1
    context.answered.add((state.table.id, key))
    outcome.records.append(
        LogRecord(state.table.id, "N", key, image, full, context.received_at, shared=True, clean=False, verdict=False)
    )


def _fit_unique(state: TableState, index: KeyIndex, key: Key, result: Image, outcome: Outcome) -> Image | None:
    """The newcomer gets another value: nullable column NULL, text a suffix, else it is refused (None)."""
    wanted = index.of(result)
    holder = None if wanted is None else index.holders.get(wanted)
    if holder is None or holder == key:
        return result
    held = state.rows.get(holder)
    renamed = yield_unique(state, index, key, result)
    if renamed is None:
        outcome.conflicts.append(
            Conflict(state.table.id, key, ConflictKind.UNIQUE_REFUSED, held, result, state.rows.get(key))
        )
        return None
    outcome.conflicts.append(Conflict(state.table.id, key, ConflictKind.UNIQUE_RENAMED, held, result, renamed))
    return renamed
