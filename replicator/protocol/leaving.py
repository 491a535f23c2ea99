"""A parent may go before its children in its group (protocol.md 5.7 step 4: keys hold for a group as a whole).

PostgreSQL tells of a parent's delete first, then of what it cascades to; with deferred keys an application may do so
itself. Judged one after the other the parent would be kept for the sake of rows that are about to go. So it goes if all
rows that refer to it are sure to be deleted, or to refer to another, later in the group. Pure.
"""

from __future__ import annotations

from replicator.protocol.based import based_on_current
from replicator.protocol.key_indexes import ChildCount
from replicator.protocol.proposals import GroupContext, Proposal
from replicator.protocol.working_set import TableState
from replicator.types import Image, Key

_DEPTH = 32
"""Children of children, where all of them go."""


def is_left(state: TableState, key: Key, old: Image, new: Image | None, context: GroupContext, depth: int = 0) -> bool:
    """Are all rows that would be orphans, if `new` took the place of `old`, sure to be none when the group ends?"""
    if depth > _DEPTH:
        return False
    orphaned = list(state.orphaned(key, old, new))
    if not all(_all_leave(count, value, children, context, depth) for count, value, children in orphaned):
        return False
    context.left.update((count, value) for count, value, _ in orphaned)
    return True


def _all_leave(count: ChildCount, value: object, children: int, context: GroupContext, depth: int) -> bool:
    child = count.child_state
    if child is None:
        return False
    leaving = 0
    for key, (place, change) in context.of_children(count).get(value, {}).items():
        row = child.rows.get(key)
        if place >= context.judged and row is not None and count.of_child(row) == value:
            leaving += _leaves(child, count, key, row, change, context, depth)
    return leaving >= children


def _leaves(
    child: TableState, count: ChildCount, key: Key, row: Image, last: Proposal, context: GroupContext, depth: int
) -> bool:
    """Will the group's last change of this row be taken, and part it from its parent?"""
    if last.image is not None and count.of_child(last.image) == count.of_child(row):
        return False
    if last.change not in context.allowed(last.table) or (last.table, key) in context.unfounded:
        return False
    if not based_on_current(row, child.versions.get(key), last, context):
        return False
    return last.image is not None or is_left(child, key, row, None, context, depth + 1)


def is_alone(context: GroupContext) -> bool:
    """At the group's end: does nothing refer to the parents that went before their children?"""
    return all(count.counts.get(value, 0) <= 0 or count.has_parent(value) for count, value in context.left)
