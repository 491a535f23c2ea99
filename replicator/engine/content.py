"""A station takes a snapshot or a widened rule: tables are made, rules set, content replaces its scope.

protocol.md 5.8 step 4 and 7.9. Content replaces only the tables in its scope and respects pending rows: what is here
and not in the content counts as deleted by verdict (children first), what is in it as changed by rule (parents first),
both by the tables of 7.9. Then, where a rule was widened upward, private and hidden rows and local edits go up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from replicator.engine import shadowing
from replicator.engine.backfill import send_upward
from replicator.engine.collect import collect
from replicator.engine.inbound import InboundBatch
from replicator.engine.node import Unit
from replicator.engine.number_requests import apply_ledger
from replicator.engine.unrolling import Step, rows_here
from replicator.errors import PeerFault, UnfitTable
from replicator.protocol.control_bodies import rewind_body, rule_body, schema_body, snapshot_body
from replicator.protocol.keys import key_packer
from replicator.protocol.messages import SegmentEntry, SegmentKind, TableBlock
from replicator.protocol.order import may_come_late, parents_first
from replicator.protocol.replaying import Record
from replicator.store import catalogue, journal, quarantine, rows, scope_keys, table_versions, timelines
from replicator.store.state import LinkState
from replicator.types import HOST_PEER, NO_RULE, NOWHERE, Image, Key, Kinds, Position, Rule, Table

if TYPE_CHECKING:
    from replicator.engine.replay import Replaying

PAGE = 4000


@dataclass(slots=True)
class Content:
    """The content segments of a batch, taken in order by the records that they belong to."""

    batch: InboundBatch
    _left: list[SegmentEntry] = field(init=False)

    def __post_init__(self) -> None:
        self._left = [entry for entry, _ in self.batch.entries(SegmentKind.CONTENT)]

    @property
    def host_epoch(self) -> int:
        return self.batch.manifest.high[0]

    def take(self, count: int) -> list[SegmentEntry]:
        if not 0 <= count <= len(self._left):
            raise PeerFault("a batch has less content than its records announce")
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def images(self, unit: Unit, entries: list[SegmentEntry], table: Table) -> Iterator[list[Image]]:
        """The rows of one table in these segments, as it is here, a block at a time."""
        return (rows_here(unit, table, {}, block) for block in self.blocks(entries, table))

    def blocks(self, entries: list[SegmentEntry], table: Table) -> Iterator[TableBlock]:
        for entry in entries:
            for block in self.batch.segment(entry).blocks:
                if block.table == table.id:
                    yield block


@dataclass(frozen=True, slots=True)
class _Load:
    """The content is all that the station is to have, and stands for the log before it."""

    heard: int | None
    """Own changes behind this number, and judged by now, get their verdict by it; None: there are none."""
    anew: bool
    """The station has heard of the host before."""


def apply_snapshot(replaying: Replaying, content: Content, position: Position, body: Any) -> None:
    """The first record of a new epoch of the host's stream: everything in scope at one position."""
    unit = replaying.unit
    link = unit.link(HOST_PEER)
    told = snapshot_body(body)
    version, rules = told.version, told.rule.rules
    timelines.clear(unit.connection, HOST_PEER)  # what a host that was set back had lost, it has by now
    shadowing.begin_anew(unit, told.successors)
    # Own changes from here on get their verdict by the content.
    before = replaying.judged if journal.has_pending(unit.connection, replaying.judged) else None
    if told.epoch == link.link.out.epoch:
        replaying.judged = max(replaying.judged, told.judged)
    old = {table: unit.current_rule(HOST_PEER, table) for table in unit.tables}
    _make_tables(replaying, told.rule.tables)
    for form in told.forms:
        table_versions.note(unit.connection, form, unit.now)
    for table in {*old, *rules}:
        catalogue.set_only_rule(unit.connection, HOST_PEER, table, version, rules.get(table, NO_RULE))
    apply_ledger(unit, told.numbers)
    _change(
        replaying,
        content,
        position,
        version,
        old,
        rules,
        sorted(rules),
        told.rule.content,
        _Load(before, anew=link.seen != NOWHERE),
    )


def apply_schema(unit: Unit, body: Any) -> None:
    """Tables were changed at the host. What that means here is seen to behind the batch (`held_tables`)."""
    for table in schema_body(body):
        if table.id in unit.tables:
            table_versions.note(unit.connection, table, unit.now)
            table_versions.want(unit.connection, table.id, table.version)
    unit.forget_catalogue()


def apply_rewind(link: LinkState, body: Any) -> None:
    """The first record of a new epoch of the host's stream: it goes on with the log from where this station stands."""
    told = rewind_body(body)
    if told.position != link.seen:
        raise PeerFault("the host begins anew from another position than the one that this station has")
    link.number = told.number


def apply_rule(replaying: Replaying, content: Content, position: Position, body: Any) -> None:
    """A rule changes from here on; its version is the record's position."""
    unit = replaying.unit
    told = rule_body(body)
    old = {table: unit.current_rule(HOST_PEER, table) for table in unit.tables}
    _make_tables(replaying, told.tables)
    for table, rule in told.rules.items():
        catalogue.set_only_rule(unit.connection, HOST_PEER, table, position, rule)
    _change(replaying, content, position, position, old, told.rules, told.scope, told.content)


def _change(
    replaying: Replaying,
    content: Content,
    position: Position,
    version: Position,
    old: dict[int, Rule],
    rules: dict[int, Rule],
    scope: list[int],
    count: int,
    load: _Load | None = None,
) -> None:
    """Set the version, take the content, then send upward what the new rules let pass."""
    unit = replaying.unit
    collect(unit)  # what this batch has asked for up to here belongs to the rule before
    unit.link(HOST_PEER).rule = version
    unit.forget_catalogue()
    replaying.working = None
    replaying.look_for_pending()
    entries = content.take(count)
    wanted = [unit.tables[number] for number in scope if number in unit.tables]
    for table in wanted:
        unit.note_whole(table.id)
    if wanted:
        _replace_scope(replaying, content, position, wanted, entries, load)
    widened = {
        table: rule.to_host & ~old.get(table, NO_RULE).to_host for table, rule in rules.items() if table in unit.tables
    }
    send_upward(unit, {table: kinds for table, kinds in widened.items() if kinds})
    # Under this rule, not under the next: a batch may hold two of them (protocol.md 7.9).
    collect(unit)
    replaying.look_for_pending()


def _make_tables(replaying: Replaying, tables: list[Table]) -> None:
    """Tables that are missing are made from the host's definitions; those that are there must fit them."""
    unit = replaying.unit
    known, database, connection = unit.tables, unit.database, unit.connection
    existing = set(database.table_names(connection))
    _check_tables(known, tables)
    _give_up_former(unit, tables)
    for told in parents_first(tables):
        old, table = known.get(told.id), told
        if old is not None and old.version != told.version:
            table_versions.note(connection, told, unit.now)
            table_versions.want(connection, told.id, told.version)
            table = replace(old, area=told.area, policy=told.policy)
        if table.name in existing and (table is not told or told.id in replaying.unwritable):
            # Held against what stands here behind the batch (`held_tables`): definitions need a transaction of theirs.
            catalogue.save_table(connection, table, unit.now)
            continue
        if table.name in existing:
            differences = database.differences(connection, table.definition)
            if differences:
                raise UnfitTable(
                    f"table {table.name} here is not like the host's: {'; '.join(differences)}; "
                    f"change it, or rename it, and run again"
                )
        else:
            database.create_table(connection, table.definition)
        if old != table:
            catalogue.save_table(connection, table, unit.now)
        if old is None and table.version != NOWHERE:
            table_versions.note(connection, table, unit.now, unit.state.last_n + 1)
        if old is None or old.definition != table.definition:
            database.install_capture(connection, table)
            replaying.silence.captured_anew(table)
    unit.forget_catalogue()


def _give_up_former(unit: Unit, tables: list[Table]) -> None:
    """A table that was taken out at the host and added again has another number: what is known of it here begins anew,
    as with a table that stood here before it was replicated."""
    numbers = {table.name: table.id for table in tables}
    for former in unit.tables.values():
        if numbers.get(former.name, former.id) != former.id:
            unit.database.remove_capture(unit.connection, former)
            catalogue.delete_table(unit.connection, former.id)
    unit.forget_catalogue()


def _check_tables(known: dict[int, Table], tables: list[Table]) -> None:
    """Raises PeerFault where tables don't fit each other, or those that are known under their numbers."""
    definitions = {table.name: table.definition for table in (*known.values(), *tables)}
    for table in tables:
        if table.id in known and known[table.id].name != table.name:
            raise PeerFault(f"table {table.name} comes under the number of {known[table.id].name}")
        for key in table.definition.foreign_keys:
            parent = definitions.get(key.parent)
            if parent is not None and not set(key.parent_columns) <= set(parent.column_names):
                raise PeerFault(f"a foreign key of table {table.name} names columns that {key.parent} does not have")


def _replace_scope(
    replaying: Replaying,
    content: Content,
    position: Position,
    tables: list[Table],
    entries: list[SegmentEntry],
    load: _Load | None,
) -> None:
    """Make ours what the host has now, as far as rules and pending changes let us."""
    unit, ordered = replaying.unit, parents_first(tables)
    late = may_come_late(ordered)
    # What this content itself brings into quarantine stays there: of a backup station it is older than the record.
    aside = replaying.aside
    for table in reversed(ordered):
        if late or aside or not _is_new(unit, table):
            _note_content(replaying, content, entries, table)
    for table in reversed(ordered):
        if not _is_new(unit, table):
            _remove_missing(replaying, position, table)
    for table in ordered:
        pack_key = key_packer(table.definition)
        for block in content.blocks(entries, table):
            images = rows_here(unit, table, {}, block)
            # A backup station is told which version each row is; to others it is as of this record.
            versions = block.bases or [position] * len(images)
            for start in range(0, len(images), PAGE):
                found = [
                    Record(version, table.id, "C", pack_key(image), image, False)
                    for version, image in zip(versions[start : start + PAGE], images[start : start + PAGE], strict=True)
                ]
                _replay(replaying, _as_verdicts(unit, table.id, found, load), late=late)
            replaying.count(len(images))
    if aside:
        for table in tables:
            _leave_quarantine(unit, position, table)
    scope_keys.clear(unit.connection)


def _as_verdicts(unit: Unit, table: int, records: list[Record], load: _Load | None) -> list[Record]:
    """Rows of a load that count as verdicts: they are stored whatever the rules let down.

    Where the host has judged a change of a row of which this station has not heard, the row is the verdict that the log
    would have brought: one whose delete was refused comes back. Where new rows do not go down, a load holds just those
    that the station was sent. Some of these may have been under way when the host's stream was given up, and nothing
    else will bring them. One that the user has deleted here stays so (`ties`), and pending ones are passed over. To a
    station that has never heard of the host nothing was sent.
    """
    if load is None:
        return records
    if load.anew and Kinds.NEW not in unit.flags_down[table]:
        return [record._replace(verdict=True) for record in records]
    if load.heard is None:
        return records
    own = journal.pending(unit.connection, load.heard, table, [record.key for record in records])
    return [record._replace(verdict=True) if record.key in own else record for record in records]


def _leave_quarantine(unit: Unit, position: Position, table: Table) -> None:
    """protocol.md 5.14: what was set aside before has come with the content, or it is gone at the host."""
    number = 0
    while held := quarantine.page(unit.connection, peer=HOST_PEER, table=table.id, after=number, limit=PAGE):
        number = held[-1].id
        keys = [entry.key for entry in held]
        there = scope_keys.there(unit.database, unit.connection, scope_keys.CONTENT, table.id, keys)
        gone = [entry.id for entry in held if entry.group < position and entry.key not in there]
        quarantine.drop(unit.connection, gone)


def _is_new(unit: Unit, table: Table) -> bool:
    """Nothing is here and nothing is known of the table: the usual first load."""
    return not rows.versions_of_table(unit.connection, table.id, b"", 1) and not unit.database.count(
        unit.connection, table
    )


def _note_content(replaying: Replaying, content: Content, entries: list[SegmentEntry], table: Table) -> None:
    unit, pack_key = replaying.unit, key_packer(table.definition)
    for images in content.images(unit, entries, table):
        scope_keys.add(unit.database, unit.connection, scope_keys.CONTENT, table.id, map(pack_key, images))


def _remove_missing(replaying: Replaying, position: Position, table: Table) -> None:
    """What is known here and not in the content counts as deleted, by verdict.

    Of a row without a version nothing is known, and so it stays: if it goes up as new, the host is to see that its
    station knew of no delete there. It may be one that a restored database has sent before (seed 758).
    """
    unit, connection = replaying.unit, replaying.unit.connection
    # Where the rule withholds new rows, that a row is missing tells nothing of one that was never shared.
    all_told = Kinds.NEW in unit.flags_down[table.id]
    after = b""
    while versions := rows.versions_of_table(connection, table.id, after, PAGE):
        after = versions[-1].key
        keys = [version.key for version in versions if version.tie or all_told]
        there = scope_keys.there(unit.database, connection, scope_keys.CONTENT, table.id, keys)
        _delete(replaying, position, table, [key for key in keys if key not in there])


def _delete(replaying: Replaying, position: Position, table: Table, keys: list[Key]) -> None:
    _replay(replaying, [Record(position, table.id, "D", key, None, True) for key in keys], late=False)


def _replay(replaying: Replaying, records: list[Record], *, late: bool) -> None:
    replaying.piece(list[Step](records), late=late)
