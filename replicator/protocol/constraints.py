"""Making a verdict obey the host's own keys without losing a row silently (protocol.md 5.7 step 4, `fit`)."""

from __future__ import annotations

from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.keys import pack_key, unpack_key
from replicator.protocol.proposals import Conflict, ConflictKind, GroupContext, LogRecord, Outcome
from replicator.protocol.working_set import KeyIndex, ParentLink, TableState, Version
from replicator.types import Image, Key, TypeKind

MAX_DEPTH = 32
"""Parents of parents that one child may bring back; a chain longer than that refuses the child."""


def enforce_constraints(
    state: TableState, key: Key, result: Image | None, context: GroupContext, outcome: Outcome, depth: int = 0
) -> Image | None:
    """The row that can really stand: `result`, a changed one, or the present row where it is refused."""
    current = state.rows.get(key)
    if current is not None and state.children and _loses_children(state, current, result):
        outcome.conflicts.append(Conflict(state.table.id, key, ConflictKind.PARENT_KEPT, current, result, current))
        return current
    if result is None:
        return None
    for link in state.parents:
        if not _parent_stands(state, link, result, context, outcome, depth):
            outcome.conflicts.append(
                Conflict(state.table.id, key, ConflictKind.PARENT_MISSING, current, result, current)
            )
            return current
    for index in state.unique:
        fitted = _fit_unique(state, index, key, result, outcome)
        if fitted is None:
            return current
        result = fitted
    return result


def _loses_children(state: TableState, current: Image, result: Image | None) -> bool:
    """Would rows that refer to this one be left without it?"""
    for count in state.children:
        value = count.of_parent(current)
        if value is None or (result is not None and count.of_parent(result) == value):
            continue
        children = count.counts.get(value, 0)
        if count.child.id == state.table.id and count.of_child(current) == value:
            children -= 1  # a row that refers to itself does not hold itself
        if children > 0:
            return True
    return False


def _parent_stands(
    state: TableState, link: ParentLink, child: Image, context: GroupContext, outcome: Outcome, depth: int
) -> bool:
    """Is the parent there? One that was deleted comes back from its tombstone: child beats parent's delete."""
    values = tuple(child[index] for index in link.indexes)
    wanted = link.index.comparable(values)
    if wanted is None or wanted in link.index.holders:
        return True
    if link.parent is state and link.index.of(child) == wanted:
        return True  # refers to itself
    parent = link.parent
    if link.foreign_key.parent_columns != parent.table.definition.primary_key or depth >= MAX_DEPTH:
        return False
    key = pack_key(values)
    version = parent.versions.get(key)
    if version is None or not version.deleted or version.image is None:
        return False
    tombstone = unpack_rows([version.image])[0]
    image = enforce_constraints(parent, key, tombstone, context, outcome, depth + 1)
    if image is None:
        return False
    outcome.conflicts.append(Conflict(parent.table.id, key, ConflictKind.PARENT_RESTORED, None, image, image))
    restore(parent, key, image, context, outcome)
    return True


def restore(state: TableState, key: Key, image: Image, context: GroupContext, outcome: Outcome) -> None:
    """The host puts a row back by itself: a new version of its own, for all whose rule wants new rows."""
    epoch, n = context.position
    state.put(key, image)
    state.set_version(Version(state.table.id, key, epoch, n, clean=0, at=context.received_at))
    full = (1 << len(image)) - 1
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


def yield_unique(state: TableState, index: KeyIndex, key: Key, image: Image) -> Image | None:
    """`image` with another value in this unique key, or None where none can be made."""
    columns = state.table.definition.columns
    key_columns = set(state.table.definition.key_indexes)
    for place in index.indexes:
        if columns[place].nullable and place not in key_columns:
            return (*image[:place], None, *image[place + 1 :])
    for place in index.indexes:
        value = image[place]
        if place in key_columns or columns[place].type.kind is not TypeKind.TEXT or not isinstance(value, str):
            continue
        suffix = "~" + "-".join(str(part) for part in unpack_key(key))
        for attempt in ("", "~2", "~3"):
            ending = suffix + attempt
            length = columns[place].type.length
            text = value + ending if length is None else value[: max(0, length - len(ending))] + ending
            renamed = (*image[:place], text, *image[place + 1 :])
            if (length is None or len(text) <= length) and index.holders.get(index.of(renamed)) in (None, key):
                return renamed
    return None
