"""Comparing a station's rows with the host's: asking for it, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replicator.engine import compared, comparing
from replicator.engine.collect import request
from replicator.engine.findings import DIFFERENCES
from replicator.engine.node import Node, Unit
from replicator.errors import WrongUse
from replicator.operations.opening import View, require_host
from replicator.operations.table_fitness import ALL
from replicator.protocol.codec_plain import pack
from replicator.protocol.keys import unpack_key
from replicator.store import catalogue, compared_rows, comparisons, notices, state
from replicator.store.compared_rows import Finding, FoundRow
from replicator.store.comparisons import Comparison, State
from replicator.types import HOST_PEER, Role, Table, Value

PAGE = 1000
WORDS = {Finding.CHANGED: "differs", Finding.MISSING: "missing at the station", Finding.EXTRA: "only at the station"}


@dataclass(frozen=True, slots=True)
class Begun:
    number: int
    station: str
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableResult:
    table: str
    changed: int
    missing: int
    extra: int
    without: tuple[str, ...]
    """Columns that are not compared, as the two databases write their values each in a way of its own."""


@dataclass(frozen=True, slots=True)
class ComparisonLine:
    number: int
    station: str
    state: str
    """`store.comparisons.State`."""
    asked_at: int
    ended_at: int | None
    repair: bool
    tables: tuple[TableResult, ...]
    reason: str | None
    """Why there is no result."""

    @property
    def differences(self) -> int:
        return sum(table.changed + table.missing + table.extra for table in self.tables)

    @property
    def is_open(self) -> bool:
        return self.state in comparisons.OPEN


@dataclass(frozen=True, slots=True)
class Difference:
    table: str
    key: tuple[Value, ...]
    finding: str
    repaired: bool
    """The host's row was sent."""


@dataclass(frozen=True, slots=True)
class ComparisonDetail:
    line: ComparisonLine
    rows: tuple[Difference, ...]


def compare(node: Node, names: Sequence[str], *, repair: bool = False) -> Begun:
    """Ask for a comparison: at the host with the station named first, at a station with the host; of the tables and
    areas that follow, or of all. The next runs of both carry it out. Raises UnknownName and WrongUse."""
    with node.unit() as unit:
        if node.role is Role.HOST:
            if not names:
                raise WrongUse("name the station: replicator compare STATION [TABLE …]")
            peer = state.find_peer(unit.connection, names[0])
            wanted = _meant(unit.tables, names[1:])
            number, tables = comparing.begin(unit, peer.id, wanted, repair=repair)
            return Begun(number, peer.name, tuple(table.name for table in tables))
        wanted = _meant(unit.tables, names)
        told = [number for number in unit.tables if comparing.can_be_compared(unit.current_rule(HOST_PEER, number))]
        wanted = told if wanted is None else wanted
        if not wanted:
            raise WrongUse("the host tells this station changes of no table, so there is nothing to compare")
        for number in wanted:
            if number not in told:
                name = unit.tables[number].name
                raise WrongUse(f"the host tells this station no changes of {name}, so its rows may differ")
        number = comparisons.add(unit.connection, HOST_PEER, wanted, at=unit.now, repair=repair)
        compared.watch(unit, number)
        request(unit, "compare", pack([number, wanted, int(repair)]))
        return Begun(number, node.name, tuple(unit.tables[table].name for table in wanted))


def _meant(tables: dict[int, Table], words: Sequence[str]) -> list[int] | None:
    """Tables by name or area; None: all."""
    if not words or ALL in words:
        return None
    meant: dict[int, None] = {}
    for word in words:
        found = [table.id for table in tables.values() if table.name == word]
        found = found or [table.id for table in tables.values() if table.area == word]
        if not found:
            raise WrongUse(f"there is no replicated table or area named {word}; see: replicator table list")
        meant.update(dict.fromkeys(found))
    return list(meant)


def repair(node: Node, number: int) -> int:
    """Have the host's rows sent for all that a comparison has found. Gives how many. Raises UnknownName, WrongUse."""
    require_host(node, "rows are sent")
    with node.unit() as unit:
        found = comparisons.load(unit.connection, number)
        if found.state == State.VOID:
            raise WrongUse(f"comparison {number} has no result: {found.reason}")
        comparisons.set_repair(unit.connection, number)
        if found.state != State.DONE:
            return 0  # it will do so by itself
        count = _unrepaired(unit, number)
        if count:
            comparisons.set_state(unit.connection, number, State.REPAIRING)
        notices.settle(unit.connection, (DIFFERENCES,), f"{unit.peers[found.peer].name} {number}")
        return count


def _unrepaired(unit: Unit, number: int) -> int:
    return sum(
        1
        for table in comparisons.compared_tables(unit.connection, number)
        for row in _rows(unit, number, table.table)
        if not row.repaired
    )


def _rows(at: Unit | View, number: int, table: int) -> Iterator[FoundRow]:
    after = b""
    while page := compared_rows.found_rows(at.connection, number, table, after, PAGE):
        after = page[-1].key
        yield from page


def end(node: Node, number: int) -> None:
    """Give a comparison up, or say that what it found needs nothing more. Raises UnknownName."""
    with node.unit() as unit:
        found = comparisons.load(unit.connection, number)
        if found.state in comparisons.OPEN:
            comparisons.end(unit.connection, number, unit.now, void="it was given up")
        name = unit.peers[found.peer].name if found.peer in unit.peers else ""
        notices.settle(unit.connection, (DIFFERENCES,), f"{name} {number}")


def list_comparisons(view: View, limit: int = 50) -> list[ComparisonLine]:
    """The newest `limit`, oldest first."""
    tables = catalogue.load_tables(view.connection)
    return [_line(view, found, tables) for found in comparisons.recent(view.connection, limit)]


def show_comparison(view: View, number: int, limit: int = 1000) -> ComparisonDetail:
    """With the first `limit` rows that differ. Raises UnknownName."""
    tables = catalogue.load_tables(view.connection)
    line = _line(view, comparisons.load(view.connection, number), tables)
    rows: list[Difference] = []
    for table in comparisons.compared_tables(view.connection, number):
        for row in _rows(view, number, table.table):
            if len(rows) >= limit:
                break
            name = _name(tables, row.table)
            rows.append(Difference(name, unpack_key(row.key), WORDS[Finding(row.finding)], row.repaired))
    return ComparisonDetail(line, tuple(rows))


def _line(view: View, found: Comparison, tables: dict[int, Table]) -> ComparisonLine:
    results = []
    for table in comparisons.compared_tables(view.connection, found.id):
        definition = tables[table.table].definition if table.table in tables else None
        without = () if definition is None else [definition.column_names[place] for place in table.without]
        name = _name(tables, table.table)
        results.append(TableResult(name, table.changed, table.missing, table.extra, tuple(without)))
    return ComparisonLine(
        found.id,
        view.node.name if found.peer == HOST_PEER else view.name_of(found.peer),
        found.state,
        found.asked_at,
        found.ended_at,
        found.repair,
        tuple(results),
        found.reason,
    )


def _name(tables: dict[int, Table], number: int) -> str:
    table = tables.get(number)
    return table.name if table else f"table {number} (removed)"
