"""What the applications write while the nodes exchange, and what must stand in all databases at the end because of it.

Each place has customers and documents of its own, whose end is known. Rows of `shared` all write to: there the host
decides, and all that can be said beforehand is that everybody has the same in the end.
"""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from hashlib import blake2b

from tests.servers.trial.places import Place

FIRST = 1_000_000_000
"""Keys of the first place's rows begin here, those of the second at twice as much, and so on."""
SHARED = 20


@dataclass
class Known:
    """What one application has committed."""

    customers: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Name and number of changes by key."""
    documents: dict[int, bytes] = field(default_factory=dict)
    """Digest of the scan by key."""


@dataclass
class Application:
    """At one place; `number` counts the places from 1."""

    place: Place
    number: int
    dice: random.Random
    known: Known = field(default_factory=Known)
    writes: int = 0
    _next: int = 0

    def write(self) -> None:
        """A transaction; nothing where the tables have not come yet or somebody holds the database."""
        customers, documents = dict(self.known.customers), dict(self.known.documents)
        try:
            with self.place.opened(timeout=0.3) as connection:
                connection.execute("BEGIN IMMEDIATE")
                for _ in range(self.dice.choice((1, 1, 2, 5))):
                    self._change(connection, customers, documents)
                connection.execute("COMMIT")
        except sqlite3.OperationalError:
            return
        self.known = Known(customers, documents)
        self.writes += 1

    def _change(
        self, connection: sqlite3.Connection, customers: dict[int, tuple[str, int]], documents: dict[int, bytes]
    ) -> None:
        kind = self.dice.random()
        if kind < 0.3 or not customers:
            row = self._key()
            customers[row] = (f"customer {row} of {self.place.user}", 0)
            connection.execute("INSERT INTO customers (id, name) VALUES (?, ?)", (row, customers[row][0]))
        elif kind < 0.6:
            row = self.dice.choice(list(customers))
            name, changes = customers[row]
            customers[row] = (name, changes + 1)
            # Counted by the database: a change that were lost or came back would show.
            connection.execute("UPDATE customers SET changes = changes + 1 WHERE id = ?", (row,))
        elif kind < 0.8:
            row, scan = self._key(), self.dice.randbytes(self.dice.choice((3_000, 30_000, 30_000, 400_000)))
            documents[row] = digest(scan)
            customer = self.dice.choice(list(customers))
            connection.execute("INSERT INTO documents VALUES (?, ?, 'of a day', ?)", (row, customer, scan))
        elif kind < 0.9 and documents:
            row = self.dice.choice(list(documents))
            del documents[row]
            connection.execute("DELETE FROM documents WHERE id = ?", (row,))
        else:
            row = self.dice.randrange(SHARED)
            note = f"{self.place.user} {self.dice.random()}"
            connection.execute(
                "INSERT INTO shared VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET note = excluded.note", (row, note)
            )

    def _key(self) -> int:
        self._next += 1
        return self.number * FIRST + self._next


def digest(scan: bytes) -> bytes:
    return blake2b(scan, digest_size=16).digest()


def fill(megabytes: int) -> str:
    """SQL for the initial load: noise that nothing compresses, in scans of 2 to 60 kB, and rows of plain text."""
    count = max(1, megabytes * 1_000_000 // 31_000)
    return f"""
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
        INSERT INTO customers SELECT n, 'customer ' || n, 0 FROM numbers;
        INSERT INTO documents SELECT id, id, 'scan ' || id, randomblob(2000 + id * 7919 % 58000) FROM customers;
    """
