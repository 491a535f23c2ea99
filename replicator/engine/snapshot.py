"""The host starts a link anew with everything in its scope (protocol.md 5.8): initial load, restart, reload.

Rows and log position come from one database snapshot. It is pinned while the write lock of a short transaction keeps
writers out, and read at leisure after that transaction has ended, so that the application is not held up.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from replicator.engine import fitness, handing_on, streams
from replicator.engine.collect import collect
from replicator.engine.node import Node, Unit
from replicator.engine.number_ledgers import ledger_of
from replicator.engine.packing import pack_table
from replicator.engine.progress import Progress
from replicator.engine.publish import freeze
from replicator.engine.soundness import blaming_tables
from replicator.protocol.definitions import table_to_plain
from replicator.protocol.messages import SegmentEntry
from replicator.protocol.order import parents_first
from replicator.protocol.succession import successors_plain
from replicator.protocol.working_set import Version
from replicator.store import rows, slices, table_versions
from replicator.types import Epoch, Key, Position, Rule, Table


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one snapshot is of; void when something of it has changed before it is sealed."""

    peer: int
    name: str
    position: Position
    cut_slice: int
    inbound: Epoch
    applied_n: int
    version: Position
    tables: list[Table]
    rules: dict[int, Rule]
    total: int
    numbers: list[Any]
    """What the station has to know of number ranges, and the blocks that it holds."""
    backup: bool
    fresh: dict[int, dict[Key, Position]]
    """By table the versions that were given in the transaction which the snapshot is pinned in: it sees the rows, and
    not these. For a backup station only."""


def start_snapshots(node: Node, progress: Progress) -> int:
    """Seal a snapshot for every enabled link that waits for one. Returns how many."""
    with node.unit() as unit:
        waiting = [
            peer.id
            for peer in unit.peers.values()
            # What a station's database can't hold would stop its link at the very first batch.
            if peer.enabled and unit.link(peer.id).mode == "snapshot" and not fitness.unfit(unit, peer)
        ]
    started = 0
    for peer in waiting:
        with blaming_tables(node, "an initial load"):
            started += start_snapshot(node, peer, progress)
    return started


def start_snapshot(node: Node, peer: int, progress: Progress) -> bool:
    """One link's snapshot as batch 1 of a new outbound stream. False: something changed meanwhile."""
    with ExitStack() as stack:
        with node.unit() as unit:
            plan = _plan(unit, peer)
            if not plan.rules:
                return False  # nothing to send yet; the first rule comes with the snapshot
            reader = stack.enter_context(node.database.snapshot(unit.connection))
        content, gone = _pack(node, reader, plan, progress)
    with node.unit() as unit:
        return _seal(unit, plan, content, gone)


def _plan(unit: Unit, peer: int) -> _Plan:
    fresh: dict[int, dict[Key, Position]] = defaultdict(dict)

    def note(versions: list[Version]) -> None:
        for version in versions:
            fresh[version.table_id][version.key] = version.position

    collect(unit, note if unit.peers[peer].backup else None)
    unit.journal.finish()
    link, book = unit.link(peer), unit.books[peer]
    rules = {table: book.current(table) for table in book.tables()}
    tables = parents_first(unit.tables[table] for table in rules)
    return _Plan(
        peer=peer,
        name=unit.peers[peer].name,
        position=unit.state.position,
        cut_slice=slices.next_slice_id(unit.connection) - 1,
        inbound=link.link.inbound.epoch,
        applied_n=link.applied_n,
        version=link.rule,
        tables=tables,
        rules=rules,
        numbers=ledger_of(unit, peer),
        backup=unit.peers[peer].backup,
        fresh=fresh,
        total=sum(unit.database.count(unit.connection, table) for table in tables),
    )


def _pack(
    node: Node, reader: Connection, plan: _Plan, progress: Progress
) -> tuple[list[SegmentEntry], dict[int, list[Key]]]:
    """The content, and by table the rows that it takes away from a station with a narrow rule."""
    done = 0
    gone: dict[int, list[Key]] = {}

    def tell(count: int) -> None:
        nonlocal done
        done += count
        progress.prepared(plan.name, done, plan.total)

    content: list[SegmentEntry] = []
    for table in plan.tables:
        rule = plan.rules[table.id]
        content += pack_table(
            node,
            reader,
            plan.position[0],
            table,
            plan.peer,
            rule,
            tell,
            gone=gone.setdefault(table.id, []),
            with_versions=plan.backup,
            fresh=plan.fresh.get(table.id),
        )
    return content, gone


def _seal(unit: Unit, plan: _Plan, content: list[SegmentEntry], gone: dict[int, list[Key]]) -> bool:
    link = unit.link(plan.peer)
    if link.mode != "snapshot" or link.rule != plan.version or link.link.inbound.epoch != plan.inbound:
        return False
    if link.applied_n != plan.applied_n:
        return False
    for table, keys in gone.items():
        rows.remove_link_rows(unit.connection, plan.peer, table, keys)
    body = {
        "version": list(plan.version),
        "rules": [[table, int(rule.to_remote), int(rule.to_host)] for table, rule in sorted(plan.rules.items())],
        "tables": [table_to_plain(table) for table in plan.tables],
        "epoch": list(plan.inbound),
        "judged": plan.applied_n,
        "numbers": plan.numbers,
        "content": len(content),
    }
    forms = table_versions.between(unit.connection, plan.tables)
    if forms:
        body["forms"] = [table_to_plain(form) for form in forms]
    successors = handing_on.named(unit.peers)
    if successors:
        body["successors"] = successors_plain(successors)
    first = streams.record(unit.node, plan.position, "snap", body)
    streams.begin_stream(unit, link, streams.following(unit, link))
    link.mode, link.cut_slice = "", plan.cut_slice
    freeze(unit, link, [(entry, False) for entry in (first, *content)], plan.position, opener="snap")
    handing_on.told_by_snapshot(unit, plan.peer, successors, plan.position)
    return True
