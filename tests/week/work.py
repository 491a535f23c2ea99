"""What people do at a place. What they have written, and nobody else touches, is known: `Staff.ledger`."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.pool import NullPool

from tests.week.tables import CUSTOMERS, PRODUCTS, Row, comparable, key_of

OWN_NUMBERS = 1_000_000
_SETTINGS = {"sqlite": "PRAGMA foreign_keys = ON", "postgresql": "SET extra_float_digits = 1"}
"""What the company's programs want of a connection."""
Ledger = dict[tuple[str, Row], Row]
"""Rows by table and key, as `comparable` gives them."""


class Staff:
    """Of one place; `number` counts the places from 0, the office."""

    def __init__(self, url: str, name: str, number: int) -> None:
        self.name = name
        self.ledger: Ledger = {}
        self.transactions = 0
        self._dice = random.Random()
        self._next = number * OWN_NUMBERS + 1000
        self._engine = create_engine(url, poolclass=NullPool)
        setting = _SETTINGS.get(self._engine.dialect.name)
        if setting is not None:
            event.listen(self._engine, "connect", lambda raw, _: raw.execute(setting))
        self._deeds: list[Deed] = [_customer, _edit, _order, _order, _order, _settle, _more, _less, _cancel]
        self._deeds += {"office": [_price, _product, _salary, _visit], "koeln": [_visit], "bonn": [_visit]}.get(
            name, []
        )

    def sit_down(self, dice: random.Random) -> None:
        """By these dice it is decided what is done."""
        self._dice = dice

    def work(self, now: datetime) -> None:
        """A transaction of a few deeds; one in ten is given up."""
        desk = Desk(self, dict(self.ledger), self._dice, now)
        with self._engine.connect() as connection, connection.begin() as transaction:
            desk.connection = connection
            for _ in range(self._dice.choice((1, 1, 2, 3))):
                self._dice.choice(self._deeds)(desk)
            if self._dice.random() < 0.1:
                transaction.rollback()
                return
        self.ledger = desk.rows
        self.transactions += 1

    def write(self, *statements: str) -> None:
        """A transaction that the ledger leaves out."""
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def rows(self, table: str) -> dict[Row, Row]:
        """All rows of the database, by key."""
        with self._engine.connect() as connection:
            found = connection.execute(text(f"SELECT * FROM {table}")).all()
        return {key_of(table, row): row for each in found if (row := comparable(table, tuple(each)))}

    def next_number(self) -> int:
        self._next += 1
        return self._next


class Desk:
    """One transaction, and what its rows will be."""

    connection: Connection

    def __init__(self, staff: Staff, rows: Ledger, dice: random.Random, now: datetime) -> None:
        self.staff, self.rows, self.dice, self.now = staff, rows, dice, now

    def insert(self, table: str, *row: Any) -> None:
        names = ", ".join(f":v{place}" for place in range(len(row)))
        self._do(f"INSERT INTO {table} VALUES ({names})", {f"v{place}": value for place, value in enumerate(row)})
        self._note(table, row)

    def update(self, table: str, row: Row, places: dict[int, tuple[str, Any]]) -> None:
        """`places`: new values by place, each with its column's name. The row is one of the ledger's."""
        settings = ", ".join(f"{name} = :v{place}" for place, (name, _) in places.items())
        values = {f"v{place}": value for place, (_, value) in places.items()}
        self._do(f"UPDATE {table} SET {settings} WHERE id = :id", {**values, "id": row[0]})
        self._note(table, [places[place][1] if place in places else value for place, value in enumerate(row)])

    def delete(self, table: str, row: Row) -> None:
        more = " AND place = :place" if table == "items" else ""
        column = "order_id" if table == "items" else "id"
        self._do(f"DELETE FROM {table} WHERE {column} = :id{more}", {"id": row[0], "place": row[1]})
        del self.rows[table, key_of(table, row)]

    def own(self, table: str) -> Row | None:
        found = [row for (name, _), row in self.rows.items() if name == table]
        return self.dice.choice(found) if found else None

    def items_of(self, order: int) -> list[Row]:
        return [row for (name, key), row in self.rows.items() if name == "items" and key[0] == order]

    def money(self, most: int = 10_000) -> str:
        return f"{self.dice.randrange(most)}.{self.dice.randrange(100):02}"

    def words(self) -> str | None:
        return self.dice.choice(
            (None, "", "Straße 1\nHinterhaus", "'quoted' \\ \"twice\" %s", f"{self.dice.random()} €")
        )

    def scan(self) -> bytes | None:
        return self.dice.choice((None, b"", self.dice.randbytes(10), self.dice.randbytes(3000)))

    def _do(self, statement: str, values: dict[str, Any]) -> None:
        assert self.connection.execute(text(statement), values).rowcount == 1, statement

    def _note(self, table: str, row: Any) -> None:
        made = comparable(table, tuple(row))
        self.rows[table, key_of(table, made)] = made


Deed = Callable[[Desk], None]


def _customer(desk: Desk) -> None:
    number = desk.staff.next_number()
    credit = desk.dice.choice((None, f"{desk.dice.randrange(10**15)}.{desk.dice.randrange(10**4):04}"))
    name = desk.dice.choice(("Müller & Söhne", "ООО Ромашка", "O'Neill", "株式会社"))
    desk.insert("customers", number, f"C-{number}", name, desk.words(), credit, "2026-12-01", None)


def _edit(desk: Desk) -> None:
    row = desk.own("customers")
    if row is not None:
        desk.update("customers", row, {3: ("city", desk.words()), 6: ("note", desk.words())})


def _order(desk: Desk) -> None:
    own, number = desk.own("customers"), desk.staff.next_number()
    customer = own[0] if own is not None and desk.dice.random() < 0.5 else desk.dice.randrange(10, CUSTOMERS + 1)
    desk.insert("orders", number, customer, desk.now.isoformat(" "), False, desk.words(), desk.scan())
    for place in range(1, desk.dice.randrange(1, 6)):
        _item(desk, number, place)


def _item(desk: Desk, order: int, place: int) -> None:
    product = desk.dice.randrange(1, PRODUCTS + 1)
    desk.insert("items", order, place, product, desk.dice.randrange(1, 100), desk.money())


def _settle(desk: Desk) -> None:
    row = desk.own("orders")
    if row is not None:
        desk.update("orders", row, {3: ("paid", not row[3]), 4: ("remark", desk.words())})


def _more(desk: Desk) -> None:
    row = desk.own("orders")
    if row is not None:
        _item(desk, row[0], max((item[1] for item in desk.items_of(row[0])), default=0) + 1)


def _less(desk: Desk) -> None:
    row = desk.own("items")
    if row is not None:
        desk.delete("items", row)


def _cancel(desk: Desk) -> None:
    """Its items go with an order."""
    row = desk.own("orders")
    if row is not None:
        desk.delete("orders", row)
        for item in desk.items_of(row[0]):
            del desk.rows["items", item[:2]]


def _product(desk: Desk) -> None:
    number = desk.staff.next_number()
    desk.insert("products", number, f"P-{number}", desk.money(), desk.dice.random() * 1e-5, desk.scan(), True)


def _price(desk: Desk) -> None:
    row = desk.own("products")
    if row is not None:
        desk.update("products", row, {2: ("price", desk.money()), 3: ("weight", None), 5: ("sold", not row[5])})


def _salary(desk: Desk) -> None:
    desk.insert("salaries", desk.staff.next_number(), "Jemand", desk.money())


def _visit(desk: Desk) -> None:
    desk.insert("visits", desk.staff.next_number(), desk.staff.name, desk.now.isoformat(" "), desk.words())
