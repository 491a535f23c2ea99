"""The demo company's noon on unlike databases: its application gets a table and a column by its own Alembic migration,
at the head office first, at the branches when their time comes, while everybody goes on writing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from alembic import command
from sqlalchemy import (
    Column,
    Connection,
    Date,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    inspect,
    select,
)

from replicator.demo import upgrade
from tests.integration.command_line import enrol, exchange

NewPlace = Callable[[str, str], Any]

KINDS = [
    ("sqlite", "postgresql", "mariadb"),
    ("postgresql", "mariadb", "sqlite"),
    ("mariadb", "sqlite", "postgresql"),
]
"""Of the databases of Hamburg, Köln and the laptop."""
STRETCH = 1_000_000


def tables_of(version: int) -> dict[str, Table]:
    """As the application's version knows them."""
    metadata = MetaData()
    customers = Table(
        "customers",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", String(80), nullable=False, unique=True),
        Column("discount", Numeric(4, 1), nullable=False, server_default="0"),
    )
    Table(
        "orders",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("customer", Integer, ForeignKey("customers.id"), nullable=False),
        Column("placed", Date),
    )
    if version == 2:
        customers.append_column(Column("email", String(80)))
        Table(
            "complaints",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("customer", Integer, ForeignKey("customers.id"), nullable=False),
            Column("written", Date, nullable=False),
            Column("words", String(200), nullable=False),
        )
    return dict(metadata.tables)


@dataclass
class Office:
    """The application at one place. `version` is that of the application, whatever the database has."""

    place: Any
    number: int
    version: int = 1
    made: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        engine = create_engine(self.place.application_url)
        with engine.begin() as connection:
            yield connection
        engine.dispose()

    def add(self, table: str, **values: object) -> int:
        self.made[table] += 1
        id_ = self.number * STRETCH + self.made[table]
        with self.transaction() as connection:
            connection.execute(tables_of(self.version)[table].insert().values(id=id_, **values))
        return id_

    def change(self, table: str, id_: int, **values: object) -> None:
        described = tables_of(self.version)[table]
        with self.transaction() as connection:
            connection.execute(described.update().where(described.c.id == id_).values(**values))

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        with self.transaction() as connection:
            return {
                name: [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
                for name, table in tables_of(2).items()
            }

    def has(self) -> tuple[bool, bool]:
        """The column, the table."""
        with self.transaction() as connection:
            looked = inspect(connection)
            columns = {column["name"] for column in looked.get_columns("customers")}
            return "email" in columns, looked.has_table("complaints")


def a_days_work(office: Office) -> None:
    name = office.place.name
    mine = office.add("customers", name=f"Bäckerei {name} {office.made['customers']}", discount=2.5)
    office.add("orders", customer=mine)
    office.change("customers", 1, name=f"Ahlers, says {name}")


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_a_table_and_a_column_in_the_middle_of_the_day(kinds: tuple[str, str, str], new_place: NewPlace) -> None:
    names = ("hamburg", "koeln", "laptop")
    hamburg, koeln, laptop = everybody = [
        Office(new_place(kind, name), number) for number, (kind, name) in enumerate(zip(kinds, names, strict=True))
    ]
    with hamburg.transaction() as connection:
        first = tables_of(1)
        first["customers"].metadata.create_all(connection)
        connection.execute(first["customers"].insert(), [{"id": 1, "name": "Ahlers"}, {"id": 2, "name": "Brandt"}])
    hamburg.made["customers"] = 2
    host = hamburg.place
    host.done("host-init", *host.options, "--address", "office@example.com", "--name", "Hamburg")
    host.done("table", "add", "customers", "orders")
    host.done("table", "set", "customers", "--policy", "newest")
    enrol(host, koeln.place, laptop.place)
    exchange(host, koeln.place, laptop.place)
    for office in everybody:
        a_days_work(office)
    koeln.place.done("remote-run")  # its mail of the morning is under way when the migration runs
    # Noon. On PostgreSQL the application's own role migrates: the node's next run does the rest.
    upgrade.migrate(host.application_url, host.home)
    hamburg.version = 2
    hamburg.change("customers", 2, email="office@brandt.example")
    hamburg.add("complaints", customer=2, written=date(2026, 11, 27), words="Zu spät geliefert")
    for office in everybody:
        a_days_work(office)
    # Evening: column and table come by mail.
    exchange(laptop.place, koeln.place, host, koeln.place, laptop.place, rounds=1)
    host.done("host-run")
    exchange(koeln.place, laptop.place, rounds=1)
    assert [office.has() for office in everybody] == [(True, True)] * 3
    # Köln's application is new the next day: its migration has nothing left to do there.
    koeln.version = 2
    koeln.change("customers", 1, email="ahlers@example.com")
    koeln.add("complaints", customer=1, written=date(2026, 11, 28), words="Falsche Farbe")
    a_days_work(koeln)
    a_days_work(laptop)  # still version 1
    exchange(laptop.place, koeln.place, host, rounds=3)
    host.done("host-run")
    exchange(laptop.place, koeln.place, host, rounds=2)
    dumps = [office.dump() for office in everybody]
    assert dumps[0] == dumps[1] == dumps[2]
    assert len(dumps[0]["complaints"]) == 2
    assert {row[3] for row in dumps[0]["customers"]} == {None, "office@brandt.example", "ahlers@example.com"}
    for office in everybody:
        needs = [need["kind"] for need in office.place.call("status", "--json").json["needs"]]
        assert needs == [], office.place.name
    assert host.done("migrate", "check", "--json").json == []
    stamp(koeln)


def stamp(office: Office) -> None:
    """What a station's application is told whose tables came by mail; then its migrations go on from there."""
    with upgrade.configured(office.place.application_url, office.place.home) as config:
        command.stamp(config, "head")
        command.upgrade(config, "head")
