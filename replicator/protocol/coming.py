"""A row may refer to a parent that comes later in its group (protocol.md 5.7 step 4: keys hold for a group as a whole).

Where a parent's key changes, SQLite tells of its children's references first, then of the old parent's delete, then of
the new one. Judged one after the other the child would be refused, the old parent kept for its sake and the new one
renamed. So a child whose parent is sure to come is taken as if it stood already. Pure.
"""

from __future__ import annotations

from replicator.protocol.key_indexes import KeyIndex
from replicator.protocol.proposals import GroupContext, Proposal
from replicator.protocol.working_set import ParentLink, TableState, Version, WorkingSet
from replicator.protocol.yielding import yield_unique
from replicator.types import ChangeClass, Image, Key


def is_coming(link: ParentLink, child: Image, context: GroupContext) -> bool:
    """Is the parent of this row certain to be made by a later change of the group?

    The rules let it pass, nothing at the host speaks against it, and it has a place in each unique key.
    """
    parent, key = link.parent, link.key_of_parent(child)
    changes = [] if key is None else context.coming(parent.table.id, key)
    if key is None or not changes or ChangeClass.NEW not in context.allowed(changes[0].table):
        return False
    version = parent.versions.get(key)
    if key in parent.rows or (version is not None and not _knew(version, changes[0], context)):
        return False
    # Each of them: what deletes the row in between leaves the last one alone.
    return all(change.image is not None and _would_stand(link, key, change.image, child) for change in changes)


def _would_stand(link: ParentLink, key: Key, image: Image, child: Image) -> bool:
    parent = link.parent
    if link.index.of(image) != link.wanted(child):
        return False
    return _has_parents(parent, image) and all(_has_place(parent, index, key, image) for index in parent.unique)


def _knew(version: Version, change: Proposal, context: GroupContext) -> bool:
    """Did the station know that the host had no such row? If the group has come to the row already, nothing is sure."""
    return version.position <= change.base and version.position != context.position


def _has_parents(state: TableState, image: Image) -> bool:
    wanted = ((link, link.wanted(image)) for link in state.parents)
    return all(value is None or value in link.index.holders for link, value in wanted)


def _has_place(state: TableState, index: KeyIndex, key: Key, image: Image) -> bool:
    """Also if the present holder stays."""
    value = index.of(image)
    holder = None if value is None else index.holders.get(value)
    return holder in (None, key) or yield_unique(state, index, key, image) is not None


def is_kept(working_set: WorkingSet, context: GroupContext) -> bool:
    """At the group's end: are all parents there that rows of it were taken for the sake of?"""
    return all(key in working_set[table].rows for table, key in context.promised)
