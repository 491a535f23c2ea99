"""The host holds its rows against those that a station has named, and sends those that differ (protocol.md 7.3).

The station's rows are those of a position of the log. What the host has changed since then says nothing and is left
out: the row's version tells. So no two moments have to be the same, and nothing is locked while rows are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack

from sqlalchemy import Connection

from replicator.databases.digests import SIZE, Digester
from replicator.engine.collect import collect, open_group
from replicator.engine.comparing import finish, review
from replicator.engine.node import Node, Unit
from replicator.engine.packing import present_rows
from replicator.engine.recipients import Recipients
from replicator.protocol.comparing import listed_buckets
from replicator.protocol.order import parents_first
from replicator.store import compared_rows, comparisons, quarantine, rows
from replicator.store.compared_rows import Finding
from replicator.store.comparisons import ComparedTable, Comparison, State
from replicator.types import NOWHERE, Key, Kinds, Rule, Table

PAGE = 2000
DIFFERENCES = "differences"
"""Kind of the notice about a comparison that found some."""


def look_at_answers(node: Node) -> None:
    """Come to a result of every comparison that is answered; send rows where that was asked for."""
    with node.database.transaction(write=False) as connection:
        if not comparisons.in_state(connection, State.ANSWERED, State.REPAIRING):
            return
    with node.unit() as unit:
        review(unit)
        answered = comparisons.in_state(unit.connection, State.ANSWERED)
    for comparison in answered:
        _look(node, comparison)
    with node.unit() as unit:
        repairing = comparisons.in_state(unit.connection, State.REPAIRING)
    for comparison in repairing:
        while _repair_page(node, comparison):
            pass


# --- what differs -----------------------------------------------------------------------------------------------------


def _look(node: Node, comparison: Comparison) -> None:
    with ExitStack() as stack:
        with node.unit() as unit:
            collect(unit)
            unit.journal.finish()
            tables = [
                (unit.tables[compared.table], compared)
                for compared in comparisons.compared_tables(unit.connection, comparison.id)
                if compared.table in unit.tables
            ]
            for table, _ in tables:
                compared_rows.forget_findings(unit.connection, comparison.id, table.id)
            reader = stack.enter_context(node.database.snapshot(unit.connection))
        for table, compared in tables:
            if compared.listed:
                _Look(node, reader, comparison, table, compared).all()
    with node.unit() as unit:
        _conclude(unit, comparison)


class _Look:
    """One table of one comparison."""

    def __init__(
        self, node: Node, reader: Connection, comparison: Comparison, table: Table, compared: ComparedTable
    ) -> None:
        self._node, self._reader, self._table = node, reader, table
        self._comparison, self._compared = comparison, compared
        self._listed = listed_buckets(compared.listed or b"")
        self._digester = Digester(table.definition, len(compared.sums or b"") // SIZE or 1, compared.without)
        self._kinds = Kinds(compared.to_remote)

    def all(self) -> None:
        self._named()
        if Kinds.NEW in self._kinds:
            # Else a row that it lacks may never have been sent: content that it has nothing of is passed over (8.2).
            self._unnamed()

    def _named(self) -> None:
        """Rows that the station has: are they ours?"""
        after, database = b"", self._node.database
        while page := self._page(after):
            after = page[-1][0]
            theirs = {key: digest for key, digest in page if digest}
            images = database.read_images(self._reader, self._table, theirs.keys())
            mine = {row.key: row.short for row in self._digester.rows(list(images.values()))}
            self._note(Finding.CHANGED, [key for key, digest in mine.items() if digest != theirs.get(key)])
            if Kinds.DELETED in self._kinds:  # else it is not told what was deleted
                self._note(Finding.EXTRA, [key for key in theirs if key not in mine])

    def _page(self, after: Key) -> list[tuple[Key, bytes]]:
        with self._node.database.transaction(write=False) as connection:
            return compared_rows.named_rows(connection, self._comparison.id, self._table.id, after, PAGE)

    def _unnamed(self) -> None:
        """Rows of ours that it should have."""
        rule, peer = Rule(to_remote=self._kinds), self._comparison.peer
        for images in present_rows(self._node.database, self._reader, self._table, peer, rule):
            keys = [row.key for row in self._digester.rows(images) if row.bucket in self._listed]
            if keys:
                with self._node.database.transaction(write=False) as connection:
                    named = compared_rows.named(
                        self._node.database, connection, self._comparison.id, self._table.id, keys
                    )
                self._note(Finding.MISSING, [key for key in keys if key not in named])

    def _note(self, finding: Finding, keys: Collection[Key]) -> None:
        if not keys:
            return
        number, table = self._comparison.id, self._table.id
        with self._node.unit() as unit:
            versions = rows.load_versions(unit.database, unit.connection, table, keys)
            # What was set aside of this station's here is on record already, and comes right with that.
            held = quarantine.held(unit.connection, self._comparison.peer, table, keys)
            # What has changed behind the position at which the station looked is on its way, or was its own change.
            told = [
                key
                for key in keys
                if key not in held and ((version := versions.get(key)) is None or version.position <= self._compared.at)
            ]
            if finding is Finding.MISSING:
                unnamed = [(key, b"") for key in told]
                compared_rows.add_rows(unit.database, unit.connection, number, table, unnamed, finding.value)
            else:
                compared_rows.note(unit.connection, number, table, finding, told)


def _conclude(unit: Unit, comparison: Comparison) -> None:
    total = 0
    for compared in comparisons.compared_tables(unit.connection, comparison.id):
        found = compared_rows.count_findings(unit.connection, comparison.id, compared.table)
        counts = [found.get(finding.value, 0) for finding in (Finding.CHANGED, Finding.MISSING, Finding.EXTRA)]
        comparisons.set_counts(unit.connection, comparison.id, compared.table, *counts)
        total += sum(counts)
    if total and comparisons.load(unit.connection, comparison.id).repair:
        comparisons.set_state(unit.connection, comparison.id, State.REPAIRING)
        return
    finish(unit, comparison)
    if total:
        name = unit.peers[comparison.peer].name
        unit.notice(
            DIFFERENCES,
            f"{name} {comparison.id}",
            f"{total} rows of {name} differ: replicator comparison show {comparison.id}, and comparison repair",
            waiting=True,
        )


# --- repair -----------------------------------------------------------------------------------------------------------


def _repair_page(node: Node, comparison: Comparison) -> bool:
    """Send the next rows as verdicts, in one group; what the station has too much goes first, children before parents.
    False: all are sent."""
    with node.unit() as unit:
        if comparison.peer not in unit.peers or unit.link(comparison.peer).mode:
            finish(unit, comparison)  # what its link begins anew with has all rows
            return False
        found = next(_to_repair(unit, comparison), None)
        if found is None:
            finish(unit, comparison)
            return False
        table, keys = found
        collect(unit)
        send_rows(unit, comparison.peer, table, keys)
        compared_rows.set_repaired(unit.connection, comparison.id, table.id, keys)
        return True


def _to_repair(unit: Unit, comparison: Comparison) -> Iterator[tuple[Table, list[Key]]]:
    compared = comparisons.compared_tables(unit.connection, comparison.id)
    ordered = parents_first(unit.tables[each.table] for each in compared if each.table in unit.tables)
    for tables, findings in (
        (ordered[::-1], (Finding.EXTRA,)),
        (ordered, (Finding.CHANGED, Finding.MISSING)),
    ):
        for table in tables:
            page = compared_rows.found_rows(
                unit.connection, comparison.id, table.id, b"", PAGE, findings, only_open=True
            )
            if page:
                yield table, [row.key for row in page]


def send_rows(unit: Unit, peer: int, table: Table, keys: Collection[Key]) -> None:
    """The host's present rows of these keys go to one station as verdicts; it keeps on record what they replace."""
    open_group(unit, control="repair")
    unit.journal.add_control(peer, "repair", [table.id, list(keys)])
    images = unit.database.read_images(unit.connection, table, keys)
    recipients = Recipients(unit)
    for key in keys:
        image = images.get(key)
        change = "D" if image is None else "C"
        unit.journal.add(table.id, change, key, image, 0, None, unit.now, NOWHERE, None, 0, peer)
        recipients.note_at(peer, table.id, key, image is not None)
    recipients.flush()
