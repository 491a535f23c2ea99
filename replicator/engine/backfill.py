"""A rule was widened upward: what was kept at the station goes to the host now (protocol.md 7.9).

New rows: private rows and hidden keys with a local row, as new; not detached ones. Changed rows: local edits, with the
mask and the old values that were kept. Deleted rows: hidden keys without a local row.
"""

from __future__ import annotations

from collections.abc import Iterator

from replicator.engine.collect import Grouping
from replicator.engine.node import Unit
from replicator.protocol.edits import read_edit
from replicator.protocol.images import full_mask
from replicator.protocol.keys import key_packer
from replicator.protocol.order import parents_first
from replicator.protocol.working_set import Version
from replicator.store import rows
from replicator.types import NOWHERE, Kinds, Table, Tie

PAGE = 2000


def send_upward(unit: Unit, widened: dict[int, Kinds]) -> None:
    """Journal what these newly allowed kinds let pass, as one group, under the rule now in force."""
    if not widened:
        return
    grouping = Grouping(unit)
    ordered = parents_first(unit.tables[table] for table in widened)
    for table in ordered:
        kinds = widened[table.id]
        if Kinds.NEW in kinds:
            _send_new(unit, table, grouping)
        if Kinds.CHANGED in kinds:
            _send_edited(unit, table, grouping)
    for table in reversed(ordered):
        if Kinds.DELETED in widened[table.id]:
            _send_deleted(unit, table, grouping)


def _send_new(unit: Unit, table: Table, grouping: Grouping) -> None:
    full, pack_key = full_mask(len(table.definition.columns)), key_packer(table.definition)
    for images in unit.database.scan(unit.connection, table):
        found = {pack_key(image): image for image in images}
        versions = rows.load_versions(unit.database, unit.connection, table.id, list(found))
        moved = []
        for key, image in found.items():
            version = versions.get(key)
            tie = "" if version is None else version.tie
            if tie not in (Tie.NONE, Tie.HIDDEN):
                continue
            base = NOWHERE if version is None else version.position
            grouping.number()
            unit.journal.add(table.id, "N", key, image, full, None, unit.now, base)
            moved.append(Version(table.id, key, *base, tie=Tie.SHARED.value))
        rows.save_versions(unit.database, unit.connection, moved)


def _pages(unit: Unit, table: Table) -> Iterator[list[Version]]:
    after = b""
    while versions := rows.versions_of_table(unit.connection, table.id, after, PAGE):
        after = versions[-1].key
        yield versions


def _send_edited(unit: Unit, table: Table, grouping: Grouping) -> None:
    for versions in _pages(unit, table):
        edited = [version for version in versions if version.tie == Tie.SHARED and version.image is not None]
        images = unit.database.read_images(unit.connection, table, [version.key for version in edited])
        moved = []
        for version in edited:
            image = images.get(version.key)
            if image is None or version.image is None:
                continue
            mask, before = read_edit(version.image)
            grouping.number()
            unit.journal.add(table.id, "C", version.key, image, mask, before, unit.now, version.position)
            moved.append(version._replace(image=None))
        rows.save_versions(unit.database, unit.connection, moved)


def _send_deleted(unit: Unit, table: Table, grouping: Grouping) -> None:
    for versions in _pages(unit, table):
        hidden = [version for version in versions if version.tie == Tie.HIDDEN]
        here = unit.database.read_images(unit.connection, table, [version.key for version in hidden])
        moved = []
        for version in hidden:
            if version.key not in here:
                grouping.number()
                unit.journal.add(table.id, "D", version.key, None, 0, None, unit.now, version.position)
                moved.append(version._replace(tie=Tie.NONE.value, deleted=1))
        rows.save_versions(unit.database, unit.connection, moved)
