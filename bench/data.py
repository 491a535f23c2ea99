"""Rows as a small invoicing company has them: customers (12 columns) and order items, from a seed.

Values repeat and vary as they do in practice, since both decide what compresses: names that come again, postcodes of
their towns, customers entered one after the other, prices with two decimals, a note here and there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any, NamedTuple

Row = tuple[Any, ...]

CUSTOMERS = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, street TEXT, zip TEXT, city TEXT, email TEXT,
  phone TEXT, credit NUMERIC(12, 2), discount REAL, born DATE, created TIMESTAMP, note TEXT);
"""
ITEMS = """
CREATE TABLE order_items (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, position INTEGER NOT NULL,
  article INTEGER NOT NULL, description TEXT, quantity NUMERIC(10, 3), price NUMERIC(12, 2), delivered DATE);
"""

CUSTOMER_COLUMNS = (
    "id", "name", "street", "zip", "city", "email", "phone", "credit", "discount", "born", "created", "note",
)  # fmt: skip
ITEM_COLUMNS = ("id", "order_id", "position", "article", "description", "quantity", "price", "delivered")

CUSTOMER_CHANGED = ("city", "credit")
ITEM_CHANGED = ("quantity", "price")
"""Columns that an update changes."""

_FIRST = ("Anna", "Bernd", "Clara", "Dieter", "Eva", "Frank", "Gisela", "Heinz", "Ines", "Jürgen", "Käthe", "Lars")
_LAST = ("Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann")
_CITIES = {
    "Köln": (50667, 51149), "Bonn": (53111, 53229), "Berlin": (10115, 14199), "Hamburg": (20095, 22769),
    "München": (80331, 81929), "Essen": (45127, 45359), "Ulm": (89073, 89081), "Trier": (54290, 54296),
    "Kiel": (24103, 24159), "Jena": (7743, 7751), "Halle": (6108, 6132), "Worms": (67547, 67551),
}  # fmt: skip
"""First and last postcode."""
_NAMES = tuple(_CITIES)
_THINGS = ("Schraube", "Winkel", "Brett", "Platte", "Griff", "Scharnier", "Leiste", "Farbe", "Lack", "Dübel")
_SIZES = ("klein", "mittel", "groß", "3 mm", "5 mm", "10 mm", "weiß", "grau", "verzinkt", "eloxiert")


def customers(seed: int, first: int = 1) -> Iterator[Row]:
    """Customers without end, with ids from `first` on."""
    dice = Random(seed)
    choice, number = dice.choice, dice.randint
    key, entered = first, datetime(2026, 1, 5, 8)
    while True:
        forename, name, city = choice(_FIRST), choice(_LAST), choice(_NAMES)
        entered += timedelta(seconds=number(1, 600))
        yield (
            key,
            f"{forename} {name}",
            f"{choice(_LAST)}straße {number(1, 200)}",
            f"{number(*_CITIES[city]):05}",
            city,
            f"{forename.lower()}.{name.lower()}{key}@example.com",
            f"0{number(200, 999)} {number(10_000, 999_999)}",
            number(0, 1_000_000) / 100,
            choice((0.0, 0.0, 0.05, 0.1)),
            _date(dice, 1950, 2005),
            f"{entered}",
            None if dice.random() < 0.6 else f"Rückruf {number(1, 99_999)}",
        )
        key += 1


def order_items(seed: int, first: int = 1) -> Iterator[Row]:
    """Order items without end, five to an order, with ids from `first` on."""
    dice = Random(seed)
    choice, number = dice.choice, dice.randint
    key = first
    while True:
        delivered = None if dice.random() < 0.3 else _date(dice, 2026, 2026)
        yield (
            key,
            1 + key // 5,
            1 + key % 5,
            number(1, 2000),
            f"{choice(_THINGS)} {choice(_SIZES)}",
            number(1, 40),
            number(50, 50_000) / 100,
            delivered,
        )
        key += 1


def customer_updates(seed: int, first: int, count: int) -> list[Row]:
    """(city, credit, id) for each customer from `first` on: two columns change."""
    dice = Random(seed)
    return [(dice.choice(_NAMES), dice.randint(0, 1_000_000) / 100, key) for key in range(first, first + count)]


def item_updates(seed: int, first: int, count: int) -> list[Row]:
    """(quantity, price, id) for each order item from `first` on: two columns change."""
    dice = Random(seed)
    return [(dice.randint(41, 80), dice.randint(50, 50_000) / 100, key) for key in range(first, first + count)]


UPDATE_CUSTOMER = "UPDATE customers SET city = ?, credit = ? WHERE id = ?"
UPDATE_ITEM = "UPDATE order_items SET quantity = ?, price = ? WHERE id = ?"


def insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"


INSERT_CUSTOMER = insert("customers", CUSTOMER_COLUMNS)
INSERT_ITEM = insert("order_items", ITEM_COLUMNS)


def upsert(table: str, columns: tuple[str, ...]) -> str:
    """What a bare replication would run: insert, or overwrite all but the key."""
    settings = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    return f"{insert(table, columns)} ON CONFLICT (id) DO UPDATE SET {settings}"


def take(rows: Iterator[Row], count: int) -> list[Row]:
    return list(islice(rows, count))


def updated(customer: Row, update: Row) -> Row:
    """The whole customer after the update."""
    city, credit, _ = update
    return (*customer[:4], city, *customer[5:7], credit, *customer[8:])


class Work(NamedTuple):
    """What an application writes to one table: rows, and an update for each of them."""

    table: str
    columns: tuple[str, ...]
    changed: tuple[str, ...]
    """Columns that the updates change."""
    rows: list[Row]
    updates: list[Row]
    """Values of the changed columns, then the key."""


def customer_work(count: int) -> Work:
    updates = customer_updates(2, 1, count)
    return Work("customers", CUSTOMER_COLUMNS, CUSTOMER_CHANGED, take(customers(1), count), updates)


def item_work(count: int) -> Work:
    return Work("order_items", ITEM_COLUMNS, ITEM_CHANGED, take(order_items(1), count), item_updates(2, 1, count))


def _date(dice: Random, first_year: int, last_year: int) -> str:
    return f"{dice.randint(first_year, last_year)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
