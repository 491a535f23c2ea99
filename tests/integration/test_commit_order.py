"""Thousands of transactions that draw outbox ids early, commit late and build on each other (protocol.md 7.1).

REPLICATOR_COMMITS=20000 for more of them than by default.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from replicator.databases.base import Change
from replicator.operations.opening import open_view
from replicator.protocol.keys import pack_key, unpack_key
from replicator.runtime import Runtime
from replicator.store import catalogue, journal_reading
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.types import Image, Key, Operation
from tests.chaos.late_commits import COUNTERS, ROWS, TABLES, Driver
from tests.integration.command_line import Place, enrol, exchange

TRANSACTIONS = int(os.environ.get("REPLICATOR_COMMITS", "2000"))
NAMES = ("deeds", "counters", "parents", "children")

Changes = list[Change]


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def places(kind: str, new_place: Callable[[str, str], Place]) -> list[Place]:
    """The host, a station on the same kind of server, one on SQLite."""
    office, *stations = new_place(kind, "office"), new_place(kind, "bonn"), new_place("sqlite", "koeln")
    for statement in (*TABLES, *ROWS):
        office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", *NAMES, "--area", "Firm")
    enrol(office, *stations)
    exchange(office, *stations, rounds=2)
    return [office, *stations]


@pytest.fixture
def collects(kind: str, places: object, monkeypatch: pytest.MonkeyPatch) -> list[Changes]:
    """What each collect of the host reads, as it reads it."""
    if kind == "postgresql":
        from replicator.databases.postgresql.database import PostgresqlDatabase as Database
    else:
        from replicator.databases.mariadb.database import MariadbDatabase as Database
    found: list[Changes] = []
    original: Any = Database.read_outbox

    def read(self: Any, *arguments: Any) -> Iterator[Changes]:
        found.append([])
        for chunk in original(self, *arguments):
            found[-1] += chunk
            yield chunk

    monkeypatch.setattr(Database, "read_outbox", read)
    return found


def test_nothing_is_lost_and_the_order_of_last_ids_is_right(
    kind: str, places: list[Place], collects: list[Changes]
) -> None:
    office, *stations = places
    driver = Driver(office.application_url, 1, TRANSACTIONS)
    with ThreadPoolExecutor() as pool:
        work = pool.submit(driver.work)
        while not work.done():
            for place in places:
                place.run()
                assert_balanced(place)
        work.result()
    exchange(*places, rounds=2)
    for place in places:
        assert_balanced(place)
    expected = {name: contents(office, name) for name in NAMES}
    assert {number for number, _ in expected["deeds"]} == driver.committed.keys()
    for station in stations:
        assert {name: contents(station, name) for name in NAMES} == expected
    assert not driver.gave_up["deeds"] + driver.gave_up["counters"], "nobody waits for the replicator"
    assert driver.gave_up.total() < (TRANSACTIONS / 3 if kind == "mariadb" else 1)
    assert office.done("status").code == 0
    assert_journalled(office, driver, whole=kind == "postgresql")
    read = sorted(change.id for changes in collects for change in changes)
    assert len(read) == len(set(read)) == sum(written.total() for written in driver.committed.values())
    assert_needed(office, collects, driver)


def contents(place: Place, table: str) -> list[tuple[Any, ...]]:
    return place.sql(f"SELECT * FROM {table} ORDER BY id")


def assert_balanced(place: Place) -> None:
    """Whenever one looks: transactions are whole, no child is without its parent."""
    found = place.sql(
        "SELECT (SELECT coalesce(sum(amount), 0) FROM deeds), (SELECT sum(n) FROM counters),"
        " (SELECT count(*) FROM children WHERE parent NOT IN (SELECT id FROM parents))"
    )
    amounts, counted, orphans = map(int, found[0])
    assert (amounts, orphans) == (counted, 0), place.name


# --- the journal ------------------------------------------------------------------------------------------------------


def assert_journalled(office: Place, driver: Driver, *, whole: bool) -> None:
    """Each transaction's changes stand there once; `whole`: as a group of their own."""
    groups: defaultdict[int, Counter[tuple[str, int]]] = defaultdict(Counter)
    numbers: dict[int, int] = {}
    for n, table, key in journalled(office):
        groups[n][table, key] += 1
        if table == "deeds":
            assert key not in numbers
            numbers[key] = n
    written = driver.committed
    if whole:
        assert {number: groups[n] for number, n in numbers.items()} == written
        assert len(groups) == len(written)
    else:
        assert sum(groups.values(), Counter()) == sum(written.values(), Counter())


def journalled(office: Place) -> Iterator[tuple[int, str, int]]:
    """(group, table, key) of each change."""
    runtime = Runtime()
    with open_view(Home(office.home, Files(runtime)), runtime) as view:
        tables = catalogue.load_tables(view.connection)
        definitions = {number: table.definition for number, table in tables.items()}
        for number in list(journal_reading.slices_after(view.connection, 0)):
            for change in journal_reading.changes_of_slice(view.connection, number, definitions):
                if change.table:
                    yield change.n, tables[change.table].name, int(str(change.key_values[0]))


# --- other orders -----------------------------------------------------------------------------------------------------


def assert_needed(office: Place, collects: list[Changes], driver: Driver) -> None:
    """The order decides: had transactions been put in order by their first ids, much would go wrong."""
    drawn_before = min(change.id for changes in collects for change in changes)
    assert driver.drawn[0] in driver.committed, "a seed whose first transaction is committed tells where ids begin"

    def transactions(changes: Changes, order: Callable[[Iterable[int]], int]) -> Iterator[Change]:
        of: defaultdict[int, Changes] = defaultdict(list)
        for change in changes:
            of[driver.drawn[change.id - drawn_before]].append(change)
        for _, found in sorted((order(change.id for change in found), found) for found in of.values()):
            yield from sorted(found)

    replica = Replica.at_first(office)
    wrong = refused = 0
    for changes in collects:
        by_first, by_last = replica.copy(), replica.copy()
        refused += sum(not by_first.takes(change) for change in transactions(changes, min))
        by_last.takes_all(transactions(changes, max))
        replica.takes_all(changes)
        assert by_last.rows == replica.rows, "the order in which changes are read is as good as that by last ids"
        places = by_first.rows.keys() | replica.rows.keys()
        wrong += sum(by_first.rows.get(place) != replica.rows.get(place) for place in places)
    print(f"{len(collects)} collects, {driver.undone} transactions undone, {driver.gave_up.total()} gave up;", end=" ")
    print(f"by first ids {wrong} rows would have been wrong, {refused} changes refused")
    assert wrong > TRANSACTIONS / 100
    assert refused > TRANSACTIONS / 100


@dataclass
class Replica:
    """Rows by table and key, held to the keys that the database has."""

    numbers: dict[str, int]
    rows: dict[tuple[int, Key], Image]

    @classmethod
    def at_first(cls, office: Place) -> Replica:
        """What stood before the first captured change."""
        runtime = Runtime()
        with open_view(Home(office.home, Files(runtime)), runtime) as view:
            numbers = {table.name: table.id for table in catalogue.load_tables(view.connection).values()}
        return cls(numbers, {(numbers["counters"], pack_key((key,))): (key, 0) for key in range(COUNTERS)})

    def copy(self) -> Replica:
        return Replica(self.numbers, self.rows.copy())

    def takes_all(self, changes: Iterable[Change]) -> None:
        for change in changes:
            assert self.takes(change), change

    def takes(self, change: Change) -> bool:
        """Let it happen. False: a database would have refused it, or found no row to change."""
        place = change.table, change.key
        fits = (place in self.rows) != (change.operation is Operation.INSERT) and self._keys_hold(change)
        if change.image is None:
            self.rows.pop(place, None)
        else:
            self.rows[place] = change.image
        return fits

    def _keys_hold(self, change: Change) -> bool:
        """Names are unique, children have a parent."""
        parents, children = self.numbers["parents"], self.numbers["children"]
        if change.table == parents:
            key, name = change.image or (unpack_key(change.key)[0], None)
            rows = self.rows.items()
            named = any(row[1] == name and row[0] != key for place, row in rows if place[0] == parents)
            left = change.image is None and any(row[1] == key for place, row in rows if place[0] == children)
            return not left and (name is None or not named)
        if change.table == children and change.image is not None:
            return (parents, pack_key((change.image[1],))) in self.rows
        return True
