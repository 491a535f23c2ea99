"""Rows of a backup station's own database that are not the host's, when it becomes the host.

What was changed here stayed here; from now on it is the host's, as a change of the new timeline. What the former host
had sent and this database could not hold is put on record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from replicator.engine.collect import Grouping
from replicator.engine.node import Unit
from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.edits import read_edit
from replicator.protocol.images import full_mask
from replicator.protocol.keys import key_packer
from replicator.protocol.order import parents_first
from replicator.protocol.proposals import Conflict, ConflictKind
from replicator.protocol.working_set import MADE, Version
from replicator.store import conflicts, journal, quarantine, rows
from replicator.store.conflicts import Found
from replicator.types import HOST_PEER, NOWHERE, Image, Key, Position, Table, Tie

PAGE = 2000


@dataclass(slots=True)
class LocalRows:
    """How many rows became the host's as they were changed here."""

    new: int = 0
    changed: int = 0
    deleted: int = 0
    versions: list[Version] = field(default_factory=list)
    undone: list[Found] = field(default_factory=list)
    """Rows that the former host had deleted: they go to all once more."""

    @property
    def count(self) -> int:
        return self.new + self.changed + self.deleted


def record_refused(unit: Unit) -> int:
    """Put on record what the host had sent and is not applied here. Returns how many rows."""
    count = 0
    for table in unit.tables.values():
        for found in _refused(unit, table):
            here = unit.database.read_images(unit.connection, table, [key for key, _, _ in found])
            told = [(at, None, _not_applied(table.id, key, image, here.get(key))) for key, at, image in found]
            conflicts.record(unit.connection, HOST_PEER, unit.now, told, unit.tables)
            count += len(found)
    return count


def _not_applied(table: int, key: Key, image: Image | None, here: Image | None) -> Conflict:
    """A delete that rows of this place forbade is undone from now on; of another row its values are lost."""
    if image is None and here is not None:
        return Conflict(table, key, ConflictKind.PARENT_RESTORED, None, here, here)
    return Conflict(table, key, ConflictKind.DROPPED, image, here, here)


def _refused(unit: Unit, table: Table) -> Iterator[list[tuple[Key, Position, Image | None]]]:
    after = b""
    while skipped := rows.skipped_of_table(unit.connection, table.id, after, PAGE):
        after = skipped[-1][0]
        yield skipped
    number = 0
    while held := quarantine.page(unit.connection, peer=HOST_PEER, table=table.id, after=number, limit=PAGE):
        number = held[-1].id
        yield [(each.key, each.group, None if each.image is None else unpack_rows([each.image])[0]) for each in held]


def keep_pending(unit: Unit) -> None:
    """Changes that were sent against all rules, and that the former host has not judged, stayed here like any other:
    the rows count as written here alone."""
    judged = unit.link(HOST_PEER).judged_n
    for table in unit.tables.values():
        after = b""
        while keys := journal.pending_keys(unit.connection, judged, table.id, after, PAGE):
            after = keys[-1]
            versions = rows.load_versions(unit.database, unit.connection, table.id, keys)
            private = [version._replace(tie=Tie.NONE.value, image=None) for version in versions.values()]
            rows.save_versions(unit.database, unit.connection, private)


def take_over(unit: Unit) -> LocalRows:
    """Rows that were written here become changes of the host's, in one group. Nobody is sent it: all links begin anew
    with the rows as they stand. Afterwards all versions are a host's."""
    done, grouping = LocalRows(), Grouping(unit)
    for table in parents_first(unit.tables.values()):
        full = full_mask(len(table.definition.columns))
        pack_key = key_packer(table.definition)
        for images in unit.database.scan(unit.connection, table):
            found = {pack_key(image): image for image in images}
            versions = rows.load_versions(unit.database, unit.connection, table.id, list(found))
            for key, image in found.items():
                _standing(unit, table, key, image, versions.get(key), full, grouping, done)
            _save(unit, done)
        _hidden(unit, table, grouping, done)
    _save(unit, done)
    unit.journal.finish()
    rows.drop_unversioned(unit.connection)
    rows.untie(unit.connection)
    return done


def _standing(
    unit: Unit,
    table: Table,
    key: Key,
    image: Image,
    version: Version | None,
    full: int,
    grouping: Grouping,
    done: LocalRows,
) -> None:
    """A row that is here: the host's as it was, or changed here, or the host had none."""
    base = NOWHERE if version is None else version.position
    if version is not None and version.tie == Tie.SHARED:
        if version.image is None:
            return
        mask, before = read_edit(version.image)
        done.changed += 1
        n = grouping.number()
        unit.journal.add(table.id, "C", key, image, mask, before, unit.now, base)
        made = ""
    elif version is not None and version.tie == Tie.HIDDEN:
        done.changed += 1
        n = grouping.number()
        unit.journal.add(table.id, "C", key, image, full, None, unit.now, base)
        made = ""
    else:
        done.new += 1
        n = grouping.number()
        unit.journal.add(table.id, "N", key, image, full, None, unit.now, base)
        made = MADE
        if version is not None and version.tie == Tie.DETACHED:
            conflict = Conflict(table.id, key, ConflictKind.PARENT_RESTORED, None, image, image)
            done.undone.append((base, None, conflict))
    done.versions.append(Version(table.id, key, unit.state.host_epoch, n, at=unit.now, tie=made))


def _hidden(unit: Unit, table: Table, grouping: Grouping, done: LocalRows) -> None:
    """Rows that were deleted here while the host had them."""
    after = b""
    while found := rows.exceptional_versions(unit.connection, table.id, after, PAGE):
        after = found[-1].key
        hidden = [version for version in found if version.tie == Tie.HIDDEN]
        here = unit.database.read_images(unit.connection, table, [version.key for version in hidden])
        for version in hidden:
            if version.key in here:
                continue
            done.deleted += 1
            n = grouping.number()
            unit.journal.add(table.id, "D", version.key, None, 0, None, unit.now, version.position)
            done.versions.append(Version(table.id, version.key, unit.state.host_epoch, n, deleted=1, at=unit.now))
    _save(unit, done)


def _save(unit: Unit, done: LocalRows) -> None:
    rows.save_versions(unit.database, unit.connection, done.versions)
    conflicts.record(unit.connection, HOST_PEER, unit.now, done.undone, unit.tables)
    done.versions, done.undone = [], []
