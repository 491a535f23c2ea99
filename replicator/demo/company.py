"""The company of the demonstration: the tables of its invoicing application, and rows from a seeded generator."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

NAME = "Nordlicht Office Supplies"

TABLES = ("customers", "articles", "offers", "orders", "invoices", "items")
"""Parents before children, but for items, which belong to all of the others."""

LATER_TABLES = ("complaints",)
"""Of version 2 of the application."""

SCHEMA = """
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE,
        street TEXT, postcode TEXT, city TEXT NOT NULL, phone TEXT,
        discount NUMERIC(4,1) NOT NULL DEFAULT 0, credit NUMERIC(10,2), since DATE NOT NULL, note TEXT
    );
    CREATE TABLE articles (
        id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, name TEXT NOT NULL, unit TEXT NOT NULL DEFAULT 'piece',
        price NUMERIC(10,2) NOT NULL, weight REAL, offered BOOLEAN NOT NULL DEFAULT 1
    );
    CREATE TABLE offers (
        id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, customer INTEGER NOT NULL REFERENCES customers (id),
        written DATE NOT NULL, valid_until DATE NOT NULL, state TEXT NOT NULL DEFAULT 'open'
    );
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, customer INTEGER NOT NULL REFERENCES customers (id),
        offer INTEGER REFERENCES offers (id), placed DATE NOT NULL, state TEXT NOT NULL DEFAULT 'open'
    );
    CREATE TABLE invoices (
        id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, ordered INTEGER NOT NULL UNIQUE REFERENCES orders (id),
        issued DATE NOT NULL, due DATE NOT NULL, net NUMERIC(12,2) NOT NULL, tax NUMERIC(12,2) NOT NULL, paid DATE
    );
    CREATE TABLE items (
        id INTEGER PRIMARY KEY, offer INTEGER REFERENCES offers (id) ON DELETE CASCADE,
        ordered INTEGER REFERENCES orders (id), article INTEGER NOT NULL REFERENCES articles (id),
        quantity NUMERIC(8,2) NOT NULL, price NUMERIC(10,2) NOT NULL, discount NUMERIC(4,1) NOT NULL DEFAULT 0
    );
    CREATE INDEX items_by_offer ON items (offer);
    CREATE INDEX items_by_order ON items (ordered);
    CREATE INDEX offers_by_customer ON offers (customer);
    CREATE INDEX orders_by_customer ON orders (customer);
"""

TAX = 0.19

_TRADES_TEXT = (
    "Bakery Butcher Chemist Bookshop Bicycles Hotel Garage Optician Printers Joinery Bank Brewery Nursery Pharmacy "
    "Tailor Clinic Theatre School Shipyard Roastery"
)
_TRADES = _TRADES_TEXT.split()
_NAMES_TEXT = (
    "Anker Abendrot Albatros Bernstein Birkenhof Deich Domblick Eiche Elster Fährhaus Falke Feldmark Gänsemarkt "
    "Hafen Heide Kompass Kranich Leuchtturm Linde Lotse Möwe Nordstern Polder Quelle Reiher Rheinufer Rosenhof "
    "Schwalbe Seestern Speicher Sturmflut Tide Ulme Wacholder Weiher Zeisig"
)
_NAMES = _NAMES_TEXT.split()
_CITIES = (
    ("Hamburg", "20095", "040"),
    ("Bremen", "28195", "0421"),
    ("Köln", "50667", "0221"),
    ("Bonn", "53111", "0228"),
    ("Aachen", "52062", "0241"),
    ("Lübeck", "23552", "0451"),
    ("Münster", "48143", "0251"),
    ("Göttingen", "37073", "0551"),
)
_STREETS = ("Hauptstraße", "Am Markt", "Ringstraße", "Mühlenweg", "Hafenstraße", "Schulgasse", "Lange Reihe")
_GOODS = (
    ("Copy paper, 500 sheets", "ream", 4.2),
    ("Ball pens, blue", "box of 50", 9.9),
    ("Lever arch file", "piece", 2.4),
    ("Envelopes, C5", "box of 500", 18.5),
    ("Toner", "piece", 74.0),
    ("Desk lamp", "piece", 39.0),
    ("Office chair", "piece", 189.0),
    ("Labels", "roll", 6.8),
    ("Stapler", "piece", 12.5),
    ("Whiteboard", "piece", 95.0),
)
_COLOURS = ("grey", "white", "black", "blue", "green", "red", "oak", "silver")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows that stand before the day begins; each offer and order has one to eight items."""

    customers: int = 1_200
    articles: int = 480
    offers: int = 900
    orders: int = 1_100
    invoiced: int = 900


def customer_name(number: int) -> str:
    """A name for each number, none twice: a trade, a name, a city, and an ordinal where these are used up."""
    round_, place = divmod(number, len(_NAMES) * len(_TRADES))
    name, trade = _NAMES[place % len(_NAMES)], _TRADES[place // len(_NAMES) % len(_TRADES)]
    return f"{trade} {name}" + (f" {round_ + 1}" if round_ else "")


def customer_values(random: Random) -> tuple[object, ...]:
    """street, postcode, city, phone, discount, credit."""
    city, postcode, area_code = random.choice(_CITIES)
    street = f"{random.choice(_STREETS)} {random.randint(1, 120)}"
    phone = f"{area_code} {random.randint(100_000, 9_999_999)}" if random.random() < 0.8 else None
    credit = random.choice((None, 500.0, 2_500.0, 10_000.0))
    return street, postcode, city, phone, random.choice((0, 0, 0, 2, 2.5, 3, 5)), credit


def fill(connection: sqlite3.Connection, random: Random, today: date, sizes: Sizes) -> None:
    """The tables, and the rows of the years before this day. The same seed gives the same rows."""
    connection.executescript(SCHEMA)
    customers = [
        (id_, f"C-{id_:06d}", customer_name(id_ - 1), *customer_values(random), _before(random, today, 3_000), None)
        for id_ in range(1, sizes.customers + 1)
    ]
    articles = [(id_, *_article(random, id_)) for id_ in range(1, sizes.articles + 1)]
    prices = [row[4] for row in articles]
    offers = [
        (id_, f"O-{id_:06d}", random.randint(1, sizes.customers), *_offer_dates(random, today), "open")
        for id_ in range(1, sizes.offers + 1)
    ]
    orders = [
        (id_, f"B-{id_:06d}", random.randint(1, sizes.customers), None, _before(random, today, 500), "open")
        for id_ in range(1, sizes.orders + 1)
    ]
    items: list[tuple[object, ...]] = []
    net = dict.fromkeys(range(1, sizes.orders + 1), 0.0)
    for column, count in (("offer", sizes.offers), ("order", sizes.orders)):
        for id_ in range(1, count + 1):
            for _ in range(random.randint(1, 8)):
                article = random.randint(1, sizes.articles)
                quantity, price = random.choice((1, 1, 2, 3, 5, 10, 12.5, 40)), prices[article - 1]
                owner = (id_, None) if column == "offer" else (None, id_)
                items.append((len(items) + 1, *owner, article, quantity, price, random.choice((0, 0, 0, 5, 7.5))))
                if column == "order":
                    net[id_] += quantity * price
    invoices = [
        (id_, f"I-{id_:06d}", id_, issued, due, round(net[id_], 2), round(net[id_] * TAX, 2), paid)
        for id_ in range(1, sizes.invoiced + 1)
        for issued, due, paid in (_invoice_dates(random, today),)
    ]
    tables: list[Sequence[tuple[object, ...]]] = [customers, articles, offers, orders, invoices, items]
    with connection:
        for table, rows in zip(TABLES, tables, strict=True):
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _article(random: Random, id_: int) -> tuple[str, str, str, float, float | None, int]:
    name, unit, price = _GOODS[id_ % len(_GOODS)]
    weight = round(random.uniform(0.05, 12), 3) if random.random() < 0.9 else None
    return (
        f"A-{id_:05d}",
        f"{name}, {random.choice(_COLOURS)}, no. {id_}",
        unit,
        round(price * random.uniform(0.7, 1.8), 2),
        weight,
        int(random.random() < 0.95),
    )


def _before(random: Random, today: date, days: int) -> str:
    return (today - timedelta(days=random.randint(1, days))).isoformat()


def _offer_dates(random: Random, today: date) -> tuple[str, str]:
    written = today - timedelta(days=random.randint(1, 90))
    return written.isoformat(), (written + timedelta(days=30)).isoformat()


def _invoice_dates(random: Random, today: date) -> tuple[str, str, str | None]:
    issued = today - timedelta(days=random.randint(5, 400))
    paid = issued + timedelta(days=random.randint(3, 60))
    return issued.isoformat(), (issued + timedelta(days=14)).isoformat(), paid.isoformat() if paid < today else None
