"""What the replicator itself has on record at a node, read by plain SQL for the checker."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.edits import read_edit
from replicator.protocol.keys import unpack_key
from replicator.protocol.proposals import ConflictKind
from replicator.store import catalogue, journal, journal_reading
from replicator.types import Kinds, Rule
from tests.simulation.schema import SPECS, Row, RowKey, tokens

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

LEFT_OUT = (ConflictKind.PARENT_KEPT, ConflictKind.PARENT_MISSING, ConflictKind.UNIQUE_REFUSED)
MADE_AGAIN = (ConflictKind.PARENT_RESTORED, ConflictKind.CHANGED_DELETED)
"""Kinds by which a row that was deleted at the host may stand again."""
NAMES = "SELECT id, name FROM replicator_table"


def table_names(raw: sqlite3.Connection) -> dict[int, str]:
    return dict(raw.execute(NAMES).fetchall())


def image_row(table: str, image: bytes | None) -> Row | None:
    if image is None:
        return None
    return dict(zip(SPECS[table].columns, unpack_rows([image])[0], strict=True))


@dataclass
class OnRecord:
    """What the conflicts of all nodes speak of: values that got lost, and deletes that were undone."""

    values: set[tuple[str, RowKey, str]] = field(default_factory=set)
    undone: set[tuple[str, RowKey]] = field(default_factory=set)
    left_out: set[tuple[str, RowKey]] = field(default_factory=set)
    """Of a station: the host's word on these rows can't stand there, so that they stay as they were."""
    moved_aside: set[tuple[str, RowKey]] = field(default_factory=set)

    def read(self, node: SimulatedNode) -> None:
        raw = node.application.raw
        names = table_names(raw)
        rows = raw.execute(
            "SELECT table_id, row_key, kind, host_image, station_image, result_image FROM replicator_conflict"
        ).fetchall()
        for number, packed, kind, host_image, station_image, result_image in rows:
            table, key = names[number], tuple(unpack_key(packed))
            if table not in SPECS:
                continue
            host, station, result = (
                tokens(table, image_row(table, image)) for image in (host_image, station_image, result_image)
            )
            self.values |= {(table, key, value) for value in (host | station) - result}
            undone = None in (station_image, host_image if kind == ConflictKind.GIVEN_BACK else b"")
            undone = undone or kind in MADE_AGAIN
            if result_image is not None and undone:
                self.undone.add((table, key))
            if not node.is_host and kind in LEFT_OUT:
                self.left_out.add((table, key))
            if kind == ConflictKind.MOVED_ASIDE:
                self.moved_aside.add((table, key))
        if node.is_host:
            self._read_quarantine(raw, names)

    def _read_quarantine(self, raw: sqlite3.Connection, names: dict[int, str]) -> None:
        """What the host has set aside of its stations' changes is as good as on record."""
        for number, packed, image in raw.execute(
            "SELECT table_id, row_key, image FROM replicator_quarantine"
        ).fetchall():
            table, key = names[number], tuple(unpack_key(packed))
            if table not in SPECS:
                continue
            self.values |= {(table, key, value) for value in tokens(table, image_row(table, image))}
            if image is None:
                self.undone.add((table, key))


@dataclass(frozen=True)
class Known:
    """What a station knows of a row."""

    tie: str
    deleted: bool
    edited: tuple[str, ...]
    """Columns with a local edit that the rules did not send up."""


def versions(node: SimulatedNode) -> dict[tuple[str, RowKey], Known]:
    raw = node.application.raw
    names = table_names(raw)
    found = {}
    for number, packed, tie, deleted, image in raw.execute(
        "SELECT table_id, row_key, tie, deleted, image FROM replicator_row_version"
    ).fetchall():
        table = names[number]
        if table not in SPECS:
            continue
        edited: tuple[str, ...] = ()
        if image is not None and not deleted and not node.is_host:
            mask = read_edit(image)[0]
            edited = tuple(column for place, column in enumerate(SPECS[table].columns) if mask >> place & 1)
        found[table, tuple(unpack_key(packed))] = Known(tie, bool(deleted), edited)
    return found


def rules_of(world: World, station: str | None) -> dict[str, Rule]:
    """At the host: the present rules for a station. `station` None is not allowed there."""
    raw = world.host.application.raw
    names = table_names(raw)
    rules: dict[str, Rule] = {name: Rule() for name in names.values()}
    for number, down, up in raw.execute(
        "SELECT table_id, to_remote, to_host FROM replicator_rule r JOIN replicator_peer p ON p.id = r.peer"
        " WHERE p.name = ? ORDER BY r.version_epoch, r.version_n",
        (station,),
    ).fetchall():
        rules[names[number]] = Rule(Kinds(down), Kinds(up))
    return rules


def own_rules(node: SimulatedNode) -> dict[str, Rule]:
    """At a station: the rules it goes by."""
    raw = node.application.raw
    names = table_names(raw)
    rules = {name: Rule() for name in names.values()}
    for number, down, up in raw.execute("SELECT table_id, to_remote, to_host FROM replicator_rule").fetchall():
        rules[names[number]] = Rule(Kinds(down), Kinds(up))
    return rules


@dataclass(frozen=True)
class Sent:
    """A change as a station's journal holds it."""

    table: str
    key: RowKey
    kind: str
    new: dict[str, object]
    """Values of the changed columns."""
    rule: tuple[int, int]
    """Version of the rules under which it was classed."""
    group: int


def journal_of(node: SimulatedNode) -> list[Sent]:
    """All changes that a station's rules let pass, in order."""
    found = []
    with node.process.database.transaction(write=False) as connection:
        tables = catalogue.load_tables(connection)
        definitions = {number: table.definition for number, table in tables.items()}
        kept = connection if node.archive is None else node.archive.connection
        groups = journal.groups(kept, 0, 1 << 60)
        for slice_id in journal_reading.slices_after(kept, 0):
            for change in journal_reading.changes_of_slice(kept, slice_id, definitions):
                if not change.table or tables[change.table].name not in SPECS:
                    continue
                name = tables[change.table].name
                new = {
                    column: change.image[place]
                    for place, column in enumerate(SPECS[name].columns)
                    if change.image is not None and (change.change == "N" or change.mask >> place & 1)
                }
                group = groups[change.n]
                rule = (group.rule_epoch, group.rule_n)
                found.append(Sent(name, change.key_values, change.change, new, rule, change.n))
    return found
