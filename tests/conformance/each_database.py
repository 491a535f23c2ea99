"""What the suites over all databases have in common."""

from __future__ import annotations

from typing import Any, Protocol

from replicator.databases.base import Change, Database
from replicator.types import Table

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, note varchar(200))"
ORDERS = (
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer, FOREIGN KEY (customer) REFERENCES customers (id))"
)


class Place(Protocol):
    """A node's database, and an application that writes to it with its own connection."""

    database: Database
    tables: dict[int, Table]

    def open(self) -> Database: ...
    def run(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]: ...
    def make(self, *statements: str) -> None: ...
    def replicate(self, *names: str) -> list[Table]: ...
    def collect(self) -> list[Change]: ...
