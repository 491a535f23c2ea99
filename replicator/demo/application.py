"""The invoicing application at one place. It knows nothing of the replicator: plain SQL, a transaction for each deed.

Each place draws its keys from a stretch of its own, and looks after customers of its own, so that what two places
write comes into one another's way only where the story wants it to. The numbers of customers and invoices it leaves
empty: the database fills them in.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random

from replicator.demo.company import TAX, customer_name, customer_values

STRETCH = 1_000_000
"""Keys that one place may draw."""

NEW_NAMES = 5_000
"""Number of the first customer name that is free for the day's work, see `customer_name`."""

CUSTOMER_COLUMNS = "(id, number, name, street, postcode, city, phone, discount, credit, since, note)"

PLACES = 3

EMPTY = ""
"""A number that is still to be drawn."""


@dataclass
class Application:
    """One place's application, while it is open. Closes its database at the end of a `with`."""

    database: Path
    place: int
    """0, 1 or 2: which stretch of keys, and which customers."""
    letter: str
    today: date
    random: Random
    new: Counter[str] = field(default_factory=Counter)
    """Rows inserted, by table."""
    deleted: Counter[str] = field(default_factory=Counter)
    transactions: int = 0

    def __post_init__(self) -> None:
        self.connection = sqlite3.connect(self.database, timeout=10)
        self.connection.execute("PRAGMA foreign_keys = on")
        self.connection.execute("PRAGMA synchronous = normal")  # as applications do with a WAL

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    # --- customers and articles -----------------------------------------------------------------------------------

    def add_customer(self, name: str | None = None) -> int:
        with self._transaction():
            id_ = self._next_id("customers")
            chosen = name or customer_name(NEW_NAMES * (self.place + 1) + id_ % STRETCH)
            values = (id_, EMPTY, chosen, *customer_values(self.random), self.today.isoformat(), None)
            # By name: version 2 of the application has a column more.
            self._insert("customers", values, CUSTOMER_COLUMNS)
        return id_

    def change_customer(self, id_: int | None = None, **columns: object) -> None:
        wanted = columns or {"phone": f"0{self.random.randint(100, 999)} {self.random.randint(10_000, 999_999)}"}
        with self._transaction():
            chosen = id_ or self._pick("SELECT id FROM customers WHERE id % ? = ?")
            settings = ", ".join(f"{column} = ?" for column in wanted)
            self.connection.execute(f"UPDATE customers SET {settings} WHERE id = ?", (*wanted.values(), chosen))

    def reprice(self, articles: int) -> None:
        """One transaction: the supplier has sent new prices."""
        with self._transaction():
            self.connection.execute(
                "UPDATE articles SET price = round(price * 1.035, 2) WHERE id % 7 = 3 AND id <= ?", (articles * 7,)
            )

    # --- offers, orders, invoices ---------------------------------------------------------------------------------

    def write_offer(self, customer: int | None = None) -> int:
        with self._transaction():
            chosen = customer or self._pick("SELECT id FROM customers WHERE id % ? = ?")
            offer = self._next_id("offers")
            until = (self.today + timedelta(days=30)).isoformat()
            self._insert("offers", (offer, self._number("O", offer), chosen, self.today.isoformat(), until, "open"))
            articles = self.connection.execute("SELECT id, price FROM articles WHERE offered").fetchall()
            for article, price in self.random.sample(articles, self.random.randint(1, 8)):
                quantity = self.random.choice((1, 2, 5, 10, 12.5))
                self._insert("items", (self._next_id("items"), offer, None, article, quantity, price, 0))
        return offer

    def take_order(self) -> None:
        """An open offer becomes an order, and its items the order's."""
        with self._transaction():
            offer = self._pick("SELECT id FROM offers WHERE customer % ? = ? AND state = 'open'")
            order = self._next_id("orders")
            [(customer,)] = self.connection.execute("SELECT customer FROM offers WHERE id = ?", (offer,)).fetchall()
            values = (order, self._number("B", order), customer, offer, self.today.isoformat(), "open")
            self._insert("orders", values)
            self.connection.execute("UPDATE items SET ordered = ? WHERE offer = ?", (order, offer))
            self.connection.execute("UPDATE offers SET state = 'ordered' WHERE id = ?", (offer,))

    def write_invoice(self) -> None:
        with self._transaction():
            order = self._pick(
                "SELECT id FROM orders WHERE customer % ? = ? AND id NOT IN (SELECT ordered FROM invoices)"
            )
            sum_ = "SELECT sum(quantity * price * (1 - discount / 100.0)) FROM items WHERE ordered = ?"
            [(net,)] = self.connection.execute(sum_, (order,)).fetchall()
            invoice = self._next_id("invoices")
            due = (self.today + timedelta(days=14)).isoformat()
            dates = (self.today.isoformat(), due)
            values = (invoice, EMPTY, order, *dates, round(net, 2), round(net * TAX, 2), None)
            self._insert("invoices", values)
            self.connection.execute("UPDATE orders SET state = 'invoiced' WHERE id = ?", (order,))

    def book_payment(self) -> None:
        with self._transaction():
            invoice = self._pick(
                "SELECT invoices.id FROM invoices JOIN orders ON orders.id = ordered"
                " WHERE customer % ? = ? AND paid IS NULL"
            )
            self.connection.execute("UPDATE invoices SET paid = ? WHERE id = ?", (self.today.isoformat(), invoice))

    def delete_offer(self) -> None:
        """An offer that nobody has taken; its items go with it by the foreign key's cascade."""
        with self._transaction():
            offer = self._pick(
                "SELECT id FROM offers WHERE customer % ? = ? AND state = 'open' AND valid_until < ?",
                self.today.isoformat(),
            )
            [(items,)] = self.connection.execute("SELECT count(*) FROM items WHERE offer = ?", (offer,)).fetchall()
            self.connection.execute("DELETE FROM offers WHERE id = ?", (offer,))
            self.deleted.update(offers=1, items=items)

    # --- in version 2 ---------------------------------------------------------------------------------------------

    def enter_email(self) -> None:
        self.change_customer(email=f"office@customer-{self.random.randint(1, 99_999)}.example")

    def take_complaint(self) -> None:
        with self._transaction():
            customer = self._pick("SELECT id FROM customers WHERE id % ? = ?")
            words = self.random.choice(("Arrived broken", "Not what was ordered", "The invoice is too high"))
            self._insert("complaints", (self._next_id("complaints"), customer, self.today.isoformat(), words))

    # --- helps ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self.connection:
            yield
        self.transactions += 1

    def _insert(self, table: str, values: tuple[object, ...], columns: str = "") -> None:
        self.connection.execute(f"INSERT INTO {table} {columns} VALUES ({', '.join('?' * len(values))})", values)
        self.new[table] += 1

    def _pick(self, select: str, *parameters: object) -> int:
        """One of this place's own: the statement's first two parameters choose by the customer."""
        found = self.connection.execute(select, (PLACES, self.place, *parameters)).fetchall()
        [id_] = self.random.choice(found)
        return int(id_)

    def _next_id(self, table: str) -> int:
        first = self.place * STRETCH
        [(highest,)] = self.connection.execute(
            f"SELECT max(id) FROM {table} WHERE id > ? AND id < ?", (first, first + STRETCH)
        ).fetchall()
        return (highest or first) + 1

    def _number(self, sort: str, id_: int) -> str:
        return f"{sort}-{self.letter}{id_ % STRETCH:05d}"
