"""A company's tables with much going on in them, and copies of them as they were at many positions of the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from random import Random

from sqlalchemy import Connection

from replicator.databases.digests import Digester, encode_sums
from replicator.engine import purging
from replicator.engine.collect import collect
from replicator.engine.node import Node, Unit
from replicator.engine.rebuilding import gather, rows_of
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import bases
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.store.net_changes import NetChanges
from replicator.types import Image, TableDefinition
from tests.integration.command_line import Place

ITEMS = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, code VARCHAR(40) NOT NULL UNIQUE, amount NUMERIC(12, 2),"
    " note VARCHAR(400), made TIMESTAMP NULL)"
)
PARTS = (
    "CREATE TABLE parts (item INTEGER NOT NULL, place INTEGER NOT NULL, label VARCHAR(80), PRIMARY KEY (item, place),"
    " FOREIGN KEY (item) REFERENCES items (id))"
)
ALL = {
    "items": "SELECT id, code, amount, note FROM items ORDER BY id",
    "parts": "SELECT item, place, label FROM parts ORDER BY item, place",
}

Copy = dict[str, bytes]
"""A sum over all rows, by table."""


def new_company(office: Place) -> None:
    office.sql(ITEMS)
    office.sql(PARTS)
    office.sql(
        "INSERT INTO items VALUES (1, 'first', 1.50, NULL, '2026-11-27 10:00:00'), (2, 'second', 2, 'ä''x', NULL)"
    )
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "items", "parts")


@dataclass
class Company:
    """Its application. Each statement is a transaction."""

    place: Place
    dice: Random
    rows_a_step: int
    next_id: int = 100
    ids: list[int] = field(default_factory=list)
    written: int = 0
    """Rows changed, about."""

    def step(self) -> None:
        deed = self.dice.choice([self._insert, self._insert, self._update, self._update, self._parts, self._delete])
        deed()

    def _insert(self) -> None:
        new = range(self.next_id, self.next_id + self.dice.randint(1, 2 * self.rows_a_step))
        self.next_id = new.stop
        rows = ", ".join(
            f"({n}, 'C-{n}', {n % 997}.{n % 100:02}, 'note {n * 7919 % 100_003}', '2026-11-{n % 27 + 1:02} 10:00:00')"
            for n in new
        )
        self.place.sql(f"INSERT INTO items VALUES {rows}")
        self.ids += new
        self.written += len(new)

    def _some(self) -> tuple[int, int]:
        first = self.dice.choice(self.ids) if self.ids else 0
        return first, first + self.dice.randint(0, 2 * self.rows_a_step)

    def _update(self) -> None:
        first, last = self._some()
        number = self.dice.randint(1, 99)
        self.place.sql(
            f"UPDATE items SET amount = amount + {number}.25, note = 'now {number}' WHERE id BETWEEN {first} AND {last}"
        )
        self.written += last - first + 1

    def _parts(self) -> None:
        first, last = self._some()
        self.place.sql(
            f"INSERT INTO parts SELECT id, {self.written}, 'part' FROM items WHERE id BETWEEN {first} AND {last}"
        )
        self.written += last - first + 1

    def _delete(self) -> None:
        first, last = self._some()
        last = min(last, first + self.rows_a_step // 2)
        self.place.sql(f"DELETE FROM parts WHERE item BETWEEN {first} AND {last}")
        self.place.sql(f"DELETE FROM items WHERE id BETWEEN {first} AND {last}")
        self.ids = [n for n in self.ids if not first <= n <= last]
        self.written += 2 * (last - first + 1)


def summed(definition: TableDefinition, pages: Iterable[list[Image]]) -> bytes:
    sums = [0] * 8
    digester = Digester(definition, 8)
    for page in pages:
        digester.add(sums, page)
    return encode_sums(sums)


def copied(unit: Unit) -> Copy:
    """The tables as they are."""
    return {
        table.name: summed(table.definition, unit.database.scan(unit.connection, table))
        for table in unit.tables.values()
    }


def built(connection: Connection, n: int) -> Copy:
    """The tables as the journal has them after group n."""
    known = [
        base
        for base in bases.load(connection)
        if base.complete and base.reach_n <= n and not (base.ended_n and n > base.ended_n)
    ]
    with NetChanges() as net:
        gather(connection, net, known, n)
        return {base.name: summed(base.definition, rows_of(connection, base, net)) for base in known}


@dataclass
class Course:
    """What was done with a company, and how its tables were after some groups of the journal."""

    company: Company
    copies: dict[int, Copy] = field(default_factory=dict)

    def go_on(self, changes: int, steps: int) -> None:
        """So many changes more, and a copy after each `steps`th step."""
        goal, done = self.company.written + changes, 0
        with at_work(self.company.place) as node:
            while self.company.written < goal:
                self.company.step()
                done += 1
                if done % steps == 0:
                    self.copy(node)
            self.copy(node)

    def copy(self, node: Node) -> None:
        with node.unit() as unit:
            collect(unit)
            unit.journal.finish()
            self.copies[unit.state.last_n] = copied(unit)

    def positions(self, most: int) -> Iterator[tuple[int, Copy]]:
        """Some of those that the journal reaches back to."""
        with at_work(self.company.place) as node:
            reach = next(base.reach_n for base in known_bases(node) if base.name == "items")
        there = sorted(n for n in self.copies if n >= reach)
        for n in self.company.dice.sample(there, min(most, len(there))):
            yield n, self.copies[n]

    def verify(self, most: int = 100) -> int:
        """Hold positions against their copies. Gives how many."""
        wanted = list(self.positions(most))
        with at_work(self.company.place) as node, node.database.transaction(write=False) as connection:
            for n, copy in wanted:
                found = built(connection, n)
                # With the group after which it is taken in or out, a table is there and not there.
                assert "items" in found
                for name in copy.keys() & found.keys():
                    assert found[name] == copy[name], (n, name)
        return len(wanted)

    def purge(self) -> purging.Purged:
        """All of the journal that may go, as after a long time."""
        with at_work(self.company.place) as node:
            node.settings = replace(node.settings, journal_kept=0)
            return purging.purge(node)


def at_work(place: Place) -> AbstractContextManager[Node]:
    runtime = Runtime()
    return open_node(Home(place.home, Files(runtime)), runtime)


def known_bases(node: Node) -> list[bases.Base]:
    with node.database.transaction(write=False) as connection:
        return bases.load(connection)
