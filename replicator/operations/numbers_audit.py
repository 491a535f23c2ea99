"""The audit of number ranges: what became of every number that was ever granted (protocol.md 8.4).

At the host, whose word counts. What its application has written is collected first; then all is read as it stood at
that moment, in order of the numbers, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from replicator.engine.collect import collect, collect_gently
from replicator.engine.node import Node, Unit
from replicator.errors import UnknownName
from replicator.operations.numbers_admin import ranges_of
from replicator.operations.opening import require_host
from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.keys import unpack_key
from replicator.protocol.number_audit import Accounting
from replicator.protocol.number_fates import Entry, Run, Waiting
from replicator.protocol.number_record import Record
from replicator.protocol.numbers import Form, NumberRange
from replicator.store import number_uses, numbers, quarantine
from replicator.store.numbers import StoredRange
from replicator.types import HOST_PEER, Table


@dataclass(frozen=True, slots=True)
class Heard:
    """Up to when a station was heard: what it has drawn since, the host counts as held by it."""

    name: str
    at: int | None
    """Microseconds since 1970 UTC; None: never."""


@dataclass(slots=True)
class RangeAudit:
    range: NumberRange
    table: str
    has_table: bool
    """Else the table is not replicated any more, and the record alone tells."""
    accounting: Accounting
    """Its sums and faults are known once all pieces have been read."""
    pieces: Iterator[Entry | Run]
    """Once, and before those of the next range."""
    heard: list[Heard] = field(default_factory=list)
    """Stations that have, or had, a part in the range."""


@dataclass(slots=True)
class Audit:
    host: str
    at: int
    """Microseconds since 1970 UTC."""
    ranges: list[RangeAudit]
    names: dict[int, str]

    def name_of(self, peer: int) -> str:
        return self.names.get(peer, f"station {peer}")

    @property
    def has_faults(self) -> bool:
        """Once all pieces have been read."""
        return any(each.accounting.faults or not each.accounting.adds_up for each in self.ranges)


@contextmanager
def audit(node: Node, table: str, column: str | None = None, form: Form | None = None) -> Iterator[Audit]:
    """Of the table's ranges: all, or those of a column, or with a text. Raises WrongUse at a station, UnknownName."""
    require_host(node, "numbers are audited")
    collect_gently(node)
    with ExitStack() as stack:
        with node.unit() as unit:
            ranges = [each for each in ranges_of(unit, table, column) if form is None or each.range.form == form]
            if not ranges:
                raise UnknownName(f"there is no number range of {table} with the text {form}")
            collect(unit)
            unit.number_uses.flush()
            tables = {number: known for number, known in unit.tables.items() if _stands(unit, known)}
            waiting = {each.range.id: _waiting(unit, each.range) for each in ranges}
            names = {0: unit.state.name, **_removed(unit), **{peer.id: peer.name for peer in unit.peers.values()}}
            heard = {each.range.id: _heard(unit, each.range.id) for each in ranges}
            at = unit.now
            # Nobody else writes our own tables meanwhile, as the node is ours: they need no snapshot.
            reader = stack.enter_context(node.database.snapshot(unit.connection))
        own = stack.enter_context(node.database.transaction(write=False))
        found = Audit(node.name, at, [], names)
        for each in ranges:
            known = tables.get(each.range.table)
            made = _range_audit(node, each, known, (own, reader), found, waiting[each.range.id])
            found.ranges.append(replace(made, heard=heard[each.range.id]))
        yield found


def _range_audit(
    node: Node,
    stored: StoredRange,
    table: Table | None,
    connections: tuple[Connection, Connection],
    found: Audit,
    waiting: dict[int, Waiting],
) -> RangeAudit:
    own, reader = connections
    known = stored.range
    accounting = Accounting(known.start, number_uses.range_end(own, known.id))
    pieces = accounting.pieces(
        number_uses.spans(own, known.id),
        Record(number_uses.happenings(own, known.id), found.name_of),
        None if table is None else node.database.numbered_rows(reader, table, known),
        waiting,
        lambda key: tuple(unpack_key(key)),
    )
    return RangeAudit(known, stored.table_name, table is not None, accounting, pieces)


def _stands(unit: Unit, table: Table) -> bool:
    return unit.database.has_table(unit.connection, table.name)


def _removed(unit: Unit) -> dict[int, str]:
    return {peer: f"{name} (removed)" for peer, name in number_uses.names(unit.connection).items()}


def _heard(unit: Unit, number: int) -> list[Heard]:
    shares = numbers.load_shares(unit.connection)
    return [Heard(peer.name, peer.heard_at) for peer in unit.peers.values() if (peer.id, number) in shares]


def _waiting(unit: Unit, known: NumberRange) -> dict[int, Waiting]:
    """Numbers of rows that the host's database refuses, and that wait for a person."""
    found: dict[int, Waiting] = {}
    table, after = unit.tables.get(known.table), 0
    if table is None or known.column not in table.definition.column_names:
        return found
    place = table.definition.index_of(known.column)
    while page := quarantine.page(unit.connection, table=table.id, after=after, limit=500):
        after = page[-1].id
        for each in page:
            if each.image is None or each.peer == HOST_PEER:
                continue
            image = unpack_rows([each.image])[0]
            number = known.form.number(image[place]) if place < len(image) else None
            if number is not None:
                found[number] = Waiting(each.peer, tuple(unpack_key(each.key)), each.since)
    return found
