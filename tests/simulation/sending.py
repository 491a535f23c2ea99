"""What a station ought to have: the host's log read once more, as the protocol says that it goes out (protocol.md 7.9).

An account of its own, from records, recipients and rules, against which the rows that really came to stand are held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection

from replicator.protocol.codec import decode_segment
from replicator.protocol.messages import ControlRecord, SegmentEntry, SegmentKind, TableBlock
from replicator.store import catalogue
from replicator.store.catalogue import RecipientSets
from replicator.types import Kinds, Table
from tests.simulation.schema import SPECS, Content, Row, RowKey

if TYPE_CHECKING:
    from tests.simulation.world import World

Place = tuple[int, int]
COPIES = (
    "SELECT min(version_n), l.peer, copy_of FROM replicator_link l JOIN replicator_rule r ON r.peer = l.peer"
    " WHERE copy_of > 0 GROUP BY l.peer, copy_of ORDER BY 1"
)
"""Position of its first rules, number of the copy, number of its original."""


class Step(NamedTuple):
    """A record of the log. `stations`: who gets it; `origin`: whose own clean change it is."""

    place: Place
    table: str
    change: str
    key: RowKey
    row: Row | None
    stations: frozenset[int]
    verdict: bool
    origin: int
    control: ControlRecord | None = None


@dataclass
class Account:
    """Of one station. `has`: rows as they were last sent to it or accepted from it; `ever`: keys it ever had."""

    has: dict[tuple[str, RowKey], Row] = field(default_factory=dict)
    ever: set[tuple[str, RowKey]] = field(default_factory=set)
    down: dict[str, Kinds] = field(default_factory=dict)
    ruled: set[str] = field(default_factory=set)
    """Tables with a rule in any direction: a snapshot brings these."""
    unsure: set[tuple[str, RowKey]] = field(default_factory=set)
    """Of a copy: rows as its original has them, of which nothing came since under the copy's own name. And what a
    snapshot brought that may never have come."""
    passed_over: set[str] = field(default_factory=set)
    """Tables without a rule when a snapshot took the place of the log: what this had for them never came, and their
    rows stay as they were."""

    def note(self, table: str, key: RowKey, row: Row | None, *, comes: bool) -> None:
        if row is None or comes or Kinds.NEW in self.down.get(table, Kinds.NONE):
            self.unsure.discard((table, key))
        if row is None:
            self.has.pop((table, key), None)
        elif comes or (table, key) in self.has or Kinds.NEW in self.down.get(table, Kinds.NONE):
            self.has[table, key] = row
            self.ever.add((table, key))

    def content(self, table: str, rows: dict[RowKey, Row]) -> None:
        """A widened rule or a snapshot brings the table."""
        everything = Kinds.NEW in self.down.get(table, Kinds.NONE)
        self.passed_over.discard(table)
        new = {key: row for key, row in rows.items() if everything or (table, key) in self.has}
        self.has = {place: row for place, row in self.has.items() if place[0] != table}
        if everything:
            self.unsure = {place for place in self.unsure if place[0] != table}
        for key, row in new.items():
            self.has[table, key] = row
            self.ever.add((table, key))

    def snapshot(self, rows: Content, *, sure: bool = True) -> None:
        """Its link begins anew with everything in its rules. Not `sure`: whether it had one before is not known."""
        for table in self.ruled:
            self.content(table, rows[table])
        if not sure:
            self.unsure |= {place for place in self.has if Kinds.NEW not in self.down.get(place[0], Kinds.NONE)}
        self.passed_over |= rows.keys() - self.ruled


def accounts(world: World) -> dict[str, Account]:
    """By station."""
    with world.host.process.database.transaction(write=False) as connection:
        tables = catalogue.load_tables(connection)
        names = {number: table.name for number, table in tables.items()}
        archive = world.host.archive
        log = connection if archive is None else archive.connection
        steps = sorted(_steps(connection, log, tables), key=lambda step: step.place)
        peers = dict(connection.exec_driver_sql("SELECT id, name FROM replicator_peer").fetchall())
        copies = connection.exec_driver_sql(COPIES).fetchall()
    rows: Content = {name: dict(world.at_first[name]) for name in SPECS}
    found = {peer: Account() for peer in peers}
    waiting = {peer: places[0] for peer, places in world.snapshots.items() if peer not in world.began_with_rows}
    later = {peer: places[peer in waiting :] for peer, places in world.snapshots.items()}
    for peer, account in found.items():
        if world.promoted:
            # The log begins with the new host.
            rules = world.first_rules.get(peer, {})
            account.down = {table: rule.to_remote for table, rule in rules.items()}
            account.ruled = {table for table, rule in rules.items() if rule}
        elif peer not in waiting:
            account.down, account.ruled = dict.fromkeys(SPECS, Kinds.ALL), set(SPECS)
            for table, content in rows.items():
                account.content(table, content)
    for step in steps:
        while copies and copies[0][0] <= step.place[0]:
            # What its original has, a copy has.
            _, peer, original = copies.pop(0)
            found[peer].has, found[peer].ever = dict(found[original].has), set(found[original].ever)
            found[peer].unsure = set(found[peer].has)
        for peer in [peer for peer, n in waiting.items() if n < step.place[0]]:
            found[peer].snapshot(rows)
            del waiting[peer]
        for peer, places in later.items():
            while places and places[0] < step.place[0]:
                places.pop(0)
                found[peer].snapshot(rows, sure=peer not in world.unheard)
        if step.control is not None:
            _take_control(step, found, names, rows, waiting)
            continue
        if step.row is None:
            rows[step.table].pop(step.key, None)
        else:
            rows[step.table][step.key] = step.row
        for peer, account in found.items():
            # What a copy gives back before its snapshot stands in that, whatever the rules let down.
            judged = peer == step.origin or (step.verdict and peer in step.stations)
            if judged or (peer not in waiting and peer in step.stations):
                comes = step.verdict or step.change == "N" or peer == step.origin
                account.note(step.table, step.key, step.row, comes=comes)
    for peer in waiting:
        found[peer].snapshot(rows)
    for peer, places in later.items():
        if places:
            found[peer].snapshot(rows, sure=peer not in world.unheard)
    return {peers[peer]: account for peer, account in found.items()}


def _take_control(
    step: Step, found: dict[int, Account], names: dict[int, str], rows: Content, waiting: dict[int, int]
) -> None:
    assert step.control is not None
    if step.control.kind != "rule":
        return
    body = step.control.body
    for peer in step.stations:
        account = found[peer]
        wider = {names[table] for table in body["scope"]}
        for name, down, up in ((names[table], Kinds(down), up) for table, down, up in body["rules"]):
            if name in SPECS:
                # Where a load is to come anyway it has no content; it counts as sent, as that will have it.
                wider |= {name} if down & ~account.down.get(name, Kinds.NONE) else set()
                account.down[name] = down
                (account.ruled.add if down or up else account.ruled.discard)(name)
        for name in sorted(wider & SPECS.keys()) if peer not in waiting else ():
            account.content(name, rows[name])


def _steps(connection: Connection, log: Connection, tables: dict[int, Table]) -> Iterator[Step]:
    sets = RecipientSets.load(connection).stations
    for digest, size, raw_size, recipients, peer, origin, frame in log.exec_driver_sql(
        "SELECT digest, size, raw_size, recipients, peer, origin, frame FROM replicator_slice_segment"
        " WHERE frame IS NOT NULL ORDER BY slice, ordinal"
    ).fetchall():
        segment = decode_segment(frame, SegmentEntry(digest, size, raw_size, SegmentKind.LOG))
        stations = frozenset((peer,) if peer is not None else sets.get(recipients, ()))
        for block in (block for block in segment.blocks if tables[block.table].name in SPECS):
            yield from _block(block, tables[block.table], stations, origin)
        for record in segment.controls:
            place = (record.number, record.order)
            yield Step(place, "", "", (), None, stations, False, 0, record)


def _block(block: TableBlock, table: Table, stations: frozenset[int], origin: int) -> Iterator[Step]:
    images, keys = iter(block.rows), iter(block.keys)
    definition = table.definition
    for n, order, change in zip(block.numbers, block.orders, block.classes, strict=True):
        row: Row | None = None
        if change == "D":
            key = next(keys)
        else:
            image = next(images)
            row = dict(zip(definition.column_names, image, strict=True))
            key = tuple(image[place] for place in definition.key_indexes)
        yield Step((n, order), table.name, change, key, row, stations, block.verdict, origin)
