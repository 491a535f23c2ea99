"""Chinook, a sample database that many know, replicated whole between unlike databases, and worked on at all places."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.applications import chinook
from tests.integration.command_line import Place, enrol, exchange

KINDS = [
    ("sqlite", "postgresql", "mariadb"),
    ("postgresql", "mariadb", "sqlite"),
    ("mariadb", "sqlite", "postgresql"),
]
"""Of the databases of the head office and two branches."""


class Shop:
    """The application at one place, in the words of its database."""

    def __init__(self, kind: str, place: Place) -> None:
        self.kind, self.place = kind, place

    def write(self, *statements: str) -> None:
        """In one transaction. Names stand in brackets."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(self._words(statement)))

    def fill(self, rows: dict[str, list[chinook.Row]]) -> None:
        with self.engine.begin() as connection:
            for table in chinook.TABLES:
                for statement in table.made(self.kind):
                    connection.execute(text(statement))
                values = ", ".join(f":{name}" for name in table.columns)
                insert = text(f"INSERT INTO {chinook.quoted(self.kind, table.name)} VALUES ({values})")
                # The chief first: employees refer to each other.
                connection.execute(insert, [dict(zip(table.columns, row, strict=True)) for row in rows[table.name]])

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        with self.engine.connect() as connection:
            found = {
                table.name: connection.execute(
                    text(
                        self._words(
                            f"SELECT * FROM [{table.name}] ORDER BY {', '.join(f'[{key}]' for key in table.key)}"
                        )
                    )
                ).fetchall()
                for table in chinook.TABLES
            }
        return {name: [tuple(map(_alike, row)) for row in rows] for name, rows in found.items()}

    @property
    def engine(self) -> Engine:
        return create_engine(self.place.application_url)

    def _words(self, statement: str) -> str:
        opening, closing = chinook.quoted(self.kind, " ").split()
        return statement.replace("[", opening).replace("]", closing)


def _alike(value: object) -> object:
    """SQLite has neither decimals nor times."""
    if isinstance(value, (float, Decimal)):
        return f"{value:.2f}"
    return str(value) if isinstance(value, datetime) else value


@pytest.fixture(params=KINDS, ids="-".join)
def shops(request: pytest.FixtureRequest, new_place: Callable[[str, str], Place]) -> list[Shop]:
    names = ("office", "koeln", "bonn")
    return [Shop(kind, new_place(kind, name)) for kind, name in zip(request.param, names, strict=True)]


def test_the_sample_is_replicated_whole(shops: list[Shop], tmp_path: Path) -> None:
    office, *branches = shops
    places = [shop.place for shop in shops]
    office.fill(chinook.rows())
    office.place.done("host-init", *office.place.options, "--address", "office@example.com")
    office.place.done("table", "add", *(table.name for table in chinook.TABLES), "--area", "Shop")
    enrol(*places)
    exchange(*places)
    expected = office.dump()
    assert sum(map(len, expected.values())) > 15_000
    assert [shop.dump() for shop in branches] == [expected, expected]

    for number, shop in enumerate(shops):
        shop.write(*_day(number))
    exchange(*places)
    after = office.dump()
    assert [shop.dump() for shop in branches] == [after, after]
    assert {name for name in after if after[name] != expected[name]} == {
        "Artist",
        "Customer",
        "Employee",
        "Invoice",
        "InvoiceLine",
        "Playlist",
        "PlaylistTrack",
        "Track",
    }
    assert len(after["Invoice"]) == len(expected["Invoice"]) + 2
    assert [place.call("status").code for place in places] == [0, 0, 0]


def _day(number: int) -> tuple[str, ...]:
    """What is done at the office, at the first and the second branch."""
    if number == 0:
        return (
            "UPDATE [Track] SET [UnitPrice] = [UnitPrice] + 0.30 WHERE [GenreId] = 1",
            "UPDATE [Employee] SET [ReportsTo] = NULL WHERE [ReportsTo] = 6",
            "DELETE FROM [PlaylistTrack] WHERE [PlaylistId] = 5",
            "DELETE FROM [Playlist] WHERE [PlaylistId] = 5",
            "UPDATE [Artist] SET [Name] = 'Motörhead & Gäste ''26' WHERE [ArtistId] = 106",
        )
    invoice = 100_000 * number
    return (
        f"UPDATE [Customer] SET [Company] = NULL, [Phone] = '+49 {number}' WHERE [CustomerId] = {number}",
        f"INSERT INTO [Invoice] ([InvoiceId], [CustomerId], [InvoiceDate], [BillingCity], [Total])"
        f" VALUES ({invoice}, {number}, '2026-11-27 0{number}:30:00', 'Köln', 3.96)",
        *(
            f"INSERT INTO [InvoiceLine] VALUES ({invoice + line}, {invoice}, {number * 10 + line}, 0.99, 2)"
            for line in range(2)
        ),
        f"INSERT INTO [PlaylistTrack] SELECT 18, [TrackId] FROM [Track] WHERE [AlbumId] = {number} AND [TrackId] NOT IN"
        " (SELECT [TrackId] FROM [PlaylistTrack] WHERE [PlaylistId] = 18)",
    )
