"""What applications do to tables that are replicated, in each database's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.integration.command_line import Place, enrol, exchange

NewPlace = Callable[[str, str], Any]

MIXES = [("sqlite", "sqlite"), ("postgresql", "mariadb"), ("mariadb", "sqlite"), ("sqlite", "postgresql")]
"""Databases of the host and of the station."""

CUSTOMERS = (
    "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL, city varchar(80))",
    "INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Köln')",
)


def joined(new_place: NewPlace, mix: tuple[str, str], schema: tuple[str, ...] = CUSTOMERS) -> tuple[Any, Any]:
    """A host and a station that have exchanged all rows of the table `customers`, made by these statements."""
    host, station = mix
    office = new_place(host, "office")
    for statement in schema:
        office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    koeln = new_place(station, "koeln")
    enrol(office, koeln)
    exchange(office, koeln, rounds=2)
    return office, koeln


def rows(place: Place, columns: str) -> list[tuple[Any, ...]]:
    return place.sql(f"SELECT {columns} FROM customers ORDER BY id")


def needs(place: Place) -> set[str]:
    return {need["kind"] for need in json.loads(place.call("status", "--json").out)["needs"]}


def conflicts(place: Place) -> list[Any]:
    found: list[Any] = place.done("conflict", "list", "--json").json
    return found


def rename(place: Place, old: str = "city", new: str = "town") -> None:
    place.sql(f"ALTER TABLE customers RENAME COLUMN {old} TO {new}")


def retype(place: Place, column: str, words: str) -> None:
    """`words`: type and constraints, as CREATE TABLE has them."""
    kind = type(place).__name__
    if kind == "PostgresqlPlace":
        place.sql(f"ALTER TABLE customers ALTER COLUMN {column} TYPE {words}")
    elif kind == "MariadbPlace":
        place.sql(f"ALTER TABLE customers MODIFY {column} {words}")
    else:
        make_anew(place, {column: words})


def make_anew(place: Place, changed: dict[str, str | None]) -> None:
    """SQLite: as ORMs do, by a copy, which takes all triggers with it. `changed`: columns with what they become; None:
    they go."""
    ((sql,),) = place.sql("SELECT sql FROM sqlite_schema WHERE name = 'customers'")
    listed = re.split(r",\s*(?![^(]*\))", sql[sql.index("(") + 1 : sql.rindex(")")])
    columns = dict(each.strip().split(" ", 1) for each in listed)
    columns = {name.strip('"'): changed.get(name.strip('"'), words) for name, words in columns.items()}
    kept = {name: words for name, words in columns.items() if words is not None}
    place.sql(f"CREATE TABLE made ({', '.join(f'{name} {words}' for name, words in kept.items())})")
    place.sql(f"INSERT INTO made SELECT {', '.join(kept)} FROM customers")
    place.sql("DROP TABLE customers")
    place.sql("ALTER TABLE made RENAME TO customers")
