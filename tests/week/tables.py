"""What the company keeps: its tables, as the host's PostgreSQL has them, and how to compare rows of three databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

TABLES = (
    "CREATE TABLE customers (id integer PRIMARY KEY, number varchar(20) NOT NULL UNIQUE, name varchar(80) NOT NULL,"
    " city text, credit numeric(20, 4), since date, note text)",
    "CREATE TABLE products (id integer PRIMARY KEY, code varchar(20) NOT NULL UNIQUE, price numeric(12, 2) NOT NULL,"
    " weight double precision, picture bytea, sold boolean NOT NULL)",
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id),"
    " taken timestamp NOT NULL, paid boolean NOT NULL, remark text, signature bytea)",
    "CREATE TABLE items (order_id integer REFERENCES orders (id) ON DELETE CASCADE, place integer, product integer NOT"
    " NULL, count integer NOT NULL, price numeric(12, 2) NOT NULL, PRIMARY KEY (order_id, place))",
    "CREATE TABLE visits (id integer PRIMARY KEY, place varchar(20) NOT NULL, at timestamp NOT NULL, words text)",
    "CREATE TABLE salaries (id integer PRIMARY KEY, person varchar(80) NOT NULL, amount numeric(12, 2) NOT NULL)",
)
AREAS = {"Sales": ["customers", "orders", "items"], "Range": ["products"], "Field": ["visits"], "Staff": ["salaries"]}

CUSTOMERS, PRODUCTS = 20, 30
"""That are there when the week begins. Their ids count from 1; what places add later has ids of their own."""
ROWS = (
    f"INSERT INTO customers SELECT n, 'C-' || n, 'Firma ' || n, 'Bremen', n * 1000.0001, '2020-02-29', NULL"
    f" FROM generate_series(1, {CUSTOMERS}) n",
    f"INSERT INTO products SELECT n, 'P-' || n, n + 0.99, n / 7.0, decode('00ff0d0a', 'hex'), true"
    f" FROM generate_series(1, {PRODUCTS}) n",
    "INSERT INTO orders VALUES (1, 1, '2026-11-20 16:59:59.123456', false, NULL, NULL)",
    "INSERT INTO items VALUES (1, 1, 1, 1, 1.99), (1, 2, 2, 2, 2.99)",
    "INSERT INTO salaries VALUES (1, 'Grüße', 4000.50)",
)

Row = tuple[Any, ...]


def _number(value: Any) -> Decimal:
    return Decimal(str(value)).normalize()


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


_FORMS: dict[str, tuple[Callable[[Any], Any], ...]] = {
    "customers": (int, str, str, str, _number, _day, str),
    "products": (int, str, _number, float, bytes, bool),
    "orders": (int, int, _moment, bool, str, bytes),
    "items": (int, int, int, int, _number),
    "visits": (int, str, _moment, str),
    "salaries": (int, str, _number),
}


def comparable(table: str, row: Row) -> Row:
    """The same for the same row, whichever database it is from."""
    return tuple(None if value is None else form(value) for form, value in zip(_FORMS[table], row, strict=True))


def key_of(table: str, row: Row) -> Row:
    return row[:2] if table == "items" else row[:1]
