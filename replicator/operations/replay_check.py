"""Is the outcome of the journal what stands in the live database? Both are read as of one moment; writers go on.

Each table's rows are summed by buckets, as a comparison with a station does; only rows of buckets that differ are
looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import Connection

from replicator.databases import digests
from replicator.databases.digests import Digester
from replicator.engine.node import Node
from replicator.engine.pinning import pin
from replicator.engine.rebuilding import gather, rows_of
from replicator.errors import UnknownName, WrongUse
from replicator.operations.journal_replay import Progress, Silent
from replicator.operations.opening import open_unlocked, require_host
from replicator.protocol.keys import unpack_key
from replicator.runtime import Runtime
from replicator.store import bases, sql
from replicator.store.bases import Base
from replicator.store.home import Home
from replicator.store.net_changes import NetChanges
from replicator.types import Image, Key, Position, Table, Value

NAMED = 1000
"""Rows of a table that are named at most."""
IN_MEMORY = 200_000
"""Rows, about, whose digests are held at a time to find those that differ."""


@dataclass(slots=True)
class Difference:
    """A row that is not the same: 'changed', 'missing' (the journal has it, the database not) or 'extra'."""

    key: tuple[Value, ...]
    what: str


@dataclass(slots=True)
class CheckedTable:
    name: str
    rows: int = 0
    """In the live database."""
    changed: int = 0
    missing: int = 0
    extra: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first ones."""


@dataclass(frozen=True, slots=True)
class Checked:
    position: Position
    tables: list[CheckedTable]
    remarks: list[str]
    """What could not be checked, a sentence each."""

    @property
    def differs(self) -> bool:
        return any(table.differences for table in self.tables)


def check(home: Home, runtime: Runtime, names: Sequence[str] = (), progress: Progress | None = None) -> Checked:
    """Hold what the journal leads to against the tables (all, if none is named) as they are now.

    The node's lock is held for a moment only. Raises WrongUse (a station, no bases), UnknownName, AlreadyRunning,
    DatabaseTrouble, StorageTrouble.
    """
    show = progress or Silent()
    with open_unlocked(home, runtime) as node, ExitStack() as stack:
        require_host(node, "the journal is replayed")
        with home.lock():
            pinned = pin(node, stack, lambda unit: (unit.state.position, list(unit.tables.values())))
            reading = stack.enter_context(node.database.transaction(write=False))
        position, tables = pinned.found
        _require_known(tables, names)
        chosen, remarks = _with_bases(reading, [table for table in tables if not names or table.name in names])
        # What is in the snapshot or not, nobody can tell, for the blink of an eye in between.
        unsure = stack.enter_context(NetChanges())
        recent = [base._replace(n=pinned.n) for _, base in chosen]
        gather(reading, unsure, recent, pinned.settled_n)
        net = stack.enter_context(NetChanges())
        first = min((base.n for _, base in chosen), default=0)
        gather(
            reading,
            net,
            [base for _, base in chosen],
            pinned.n,
            lambda n: show.read(n - first, pinned.n - first),
        )
        found = [_Comparing(node, reading, pinned.reader, table, base, net, unsure).result() for table, base in chosen]
        return Checked(position, found, remarks)


def _require_known(tables: Iterable[Table], names: Sequence[str]) -> None:
    there = {table.name for table in tables}
    for name in names:
        if name not in there:
            raise UnknownName(f"table {name} is not replicated; see: replicator table list")


def _with_bases(connection: Connection, tables: list[Table]) -> tuple[list[tuple[Table, Base]], list[str]]:
    known = bases.current(connection)
    chosen, remarks = [], []
    for table in tables:
        base = known.get(table.id)
        if base is None or not base.complete:
            remarks.append(f"Table {table.name} is not checked: it has no base yet; the next run makes one.")
        else:
            chosen.append((table, base))
    if tables and not chosen:
        raise WrongUse(
            "no table has a base, from which the journal could be replayed; the next run makes them, unless "
            "journal_base in replicator.toml is false"
        )
    return chosen, remarks


@dataclass(slots=True)
class _Comparing:
    """One table: what the journal leads to, and what is there."""

    node: Node
    journal: Connection
    live: Connection
    table: Table
    base: Base
    net: NetChanges
    unsure: NetChanges

    def result(self) -> CheckedTable:
        found = CheckedTable(self.table.name, self.node.database.count(self.live, self.table))
        count = digests.bucket_count(found.rows)
        digester = Digester(self.table.definition, count)
        there = digests.encode_sums(_sums(digester, count, self._live()))
        differing = sorted(digests.differing(_sums(digester, count, self._built()), there))
        at_once = max(1, IN_MEMORY * count // max(found.rows, self.base.rows, 1))
        for start in range(0, len(differing), at_once):
            self._look(digester, set(differing[start : start + at_once]), found)
        return found

    def _live(self) -> Iterator[list[Image]]:
        return self.node.database.scan(self.live, self.table)

    def _built(self) -> Iterator[list[Image]]:
        return rows_of(self.journal, self.base, self.net)

    def _look(self, digester: Digester, buckets: set[int], found: CheckedTable) -> None:
        here, built = (
            {row.key: row.digest for page in pages for row in digester.rows(page) if row.bucket in buckets}
            for pages in (self._live(), self._built())
        )
        differing = [key for key in sorted({*here, *built}) if here.get(key) != built.get(key)]
        self.unsure.begin()
        for some in sql.in_chunks(differing):
            left = self.unsure.take(self.base.id, some)
            for key in some:
                if key not in left:
                    _note(found, key, key in here, key in built)


def _sums(digester: Digester, count: int, pages: Iterable[list[Image]]) -> list[int]:
    sums = [0] * count
    for page in pages:
        digester.add(sums, page)
    return sums


def _note(found: CheckedTable, key: Key, is_there: bool, is_built: bool) -> None:
    what = "changed" if is_there and is_built else "extra" if is_there else "missing"
    if what == "changed":
        found.changed += 1
    elif what == "extra":
        found.extra += 1
    else:
        found.missing += 1
    if len(found.differences) < NAMED:
        found.differences.append(Difference(unpack_key(key), what))
