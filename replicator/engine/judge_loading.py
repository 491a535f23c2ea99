"""What the host has to know to judge a station's changes, read in sets into the working set (protocol.md 5.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from replicator.engine import working
from replicator.engine.node import Unit
from replicator.engine.proposing import Numbered
from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.control_bodies import refresh_body
from replicator.protocol.images import lay_over
from replicator.protocol.messages import GroupHead
from replicator.protocol.proposals import Proposal
from replicator.protocol.working_set import TableState, WorkingSet
from replicator.types import Image, Key


def load(unit: Unit, loaded: WorkingSet, changes: list[Numbered], heads: list[GroupHead]) -> None:
    """All that deciding on these changes may need, in sets."""
    keys: dict[int, dict[Key, None]] = {}
    for _, change in changes:
        keys.setdefault(change.table, {})[change.key] = None
    for head in heads:
        if head.control is not None and head.control[0] == "refresh":
            for table, key in refresh_body(head.control[1], unit.tables):
                keys.setdefault(table, {})[key] = None
    for table, wanted in keys.items():
        if table in loaded.tables:
            working.load_versions(unit, loaded, {table: wanted})
            working.load_rows(unit, loaded, table, wanted)
    for table in keys:
        state = loaded.tables.get(table)
        if state is not None and (state.unique or state.parents or state.children):
            _load_keys(unit, loaded, state, [change for _, change in changes if change.table == table])


def _load_keys(unit: Unit, loaded: WorkingSet, state: TableState, changes: list[Proposal]) -> None:
    images = list(_candidates(state, changes))
    for index in state.unique:
        holders = working.load_holders(unit, state, index, images)
        working.load_rows(unit, loaded, state.table.id, holders)
        working.load_places(unit, state, index, working.rivals(state, index, images))
    _load_parents(unit, loaded, state, images, depth=0)
    if state.children:
        parents = [state.rows[change.key] for change in changes if change.key in state.rows]
        working.load_children(unit, state, parents)


def _load_parents(unit: Unit, loaded: WorkingSet, state: TableState, images: list[Image], depth: int) -> None:
    """Parents, and where one is gone its tombstone, with what bringing it back would need."""
    working.load_parents(unit, state, images)
    if depth > 8:
        return
    for table, keys in working.missing_parents(state, images).items():
        parent = loaded[table]
        working.load_versions(unit, loaded, {table: keys})
        tombstones = [
            unpack_rows([version.image])[0]
            for key in keys
            if (version := parent.versions.get(key)) is not None and version.deleted and version.image is not None
        ]
        if tombstones:
            for index in parent.unique:
                holders = working.load_holders(unit, parent, index, tombstones)
                working.load_rows(unit, loaded, table, holders)
                working.load_places(unit, parent, index, working.rivals(parent, index, tombstones))
            _load_parents(unit, loaded, parent, tombstones, depth + 1)


def _candidates(state: TableState, changes: Iterable[Proposal]) -> Iterator[Image]:
    """Rows that may come to stand: as the station sent them, and laid over what stands here."""
    for change in changes:
        if change.image is None:
            continue
        yield change.image
        current = state.rows.get(change.key)
        if current is not None and change.change == "C":
            laid = lay_over(current, change.image, change.mask)
            if laid is not change.image:
                yield laid
