"""Databases on a server: what an application does there, whichever server it is.

What it will write is made ready before: the text of statements, and rows in tables beside its own, so that the server
has all the work, and what a client does for each row is not measured along.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any
from unittest.mock import patch

from bench.data import CUSTOMER_COLUMNS, Row, Work, customer_work
from tests.servers.fixtures import missing_mariadb, missing_postgresql

POSTGRESQL, MARIADB = "PostgreSQL", "MariaDB"

TOGETHER = 1000
"""Rows in one statement of an application that inserts many."""
FILLED = 10_000
"""Rows that `fill` sends itself."""

NewSite = Callable[[], "Site"]
"""Makes an empty database."""


class Site(ABC):
    """A database, with a connection of the application's to it."""

    url: str
    """As our commands are told it. The password comes from the environment."""

    @abstractmethod
    def make(self, schema: str) -> None:
        """Make tables from the words for SQLite in bench/data.py."""

    @abstractmethod
    def connect(self) -> Any:
        """A further connection of the application's, each statement a transaction of its own."""

    @abstractmethod
    def ready(self, work: Work) -> None:
        """Put the rows and the updates beside the table."""

    @abstractmethod
    def text(self, sql: str, parameters: Sequence[Any]) -> str:
        """The statement with the parameters in it."""

    def statements(self, work: Work) -> list[str]:
        """As an application inserts many rows: TOGETHER of them to a statement."""
        group = f"({', '.join(['%s'] * len(work.columns))})"
        found = []
        for start in range(0, len(work.rows), TOGETHER):
            some = work.rows[start : start + TOGETHER]
            groups = ", ".join([group] * len(some))
            found.append(self.text(f"INSERT INTO {work.table} VALUES {groups}", list(chain.from_iterable(some))))
        return found

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """A transaction of one statement."""

    @abstractmethod
    def fetch(self, sql: str) -> list[Row]: ...

    def send(self, statements: Sequence[str]) -> None:
        """All of them in one transaction."""
        with self.transaction():
            for statement in statements:
                self.execute(statement)

    def insert(self, table: str) -> None:
        """All rows by one statement, from where they stand ready."""
        self.execute(f"INSERT INTO {table} SELECT * FROM new_{table}")

    @abstractmethod
    def update(self, work: Work) -> None:
        """All rows by one statement."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[object]:
        """Within: everything is one transaction, committed at the end."""

    def write(self, work: Work) -> None:
        """All rows and then all updates, in one transaction."""
        with self.transaction():
            self.insert(work.table)
            self.update(work)

    def insert_each(self, work: Work, rows: Sequence[Row]) -> None:
        """A transaction for each row."""
        insert = self.insert_one(work)
        for row in rows:
            self.execute(insert, row)

    def update_each(self, work: Work, updates: Sequence[Row]) -> None:
        update = self.update_one(work)
        for values in updates:
            self.execute(update, values)

    def insert_one(self, work: Work) -> str:
        return f"INSERT INTO {work.table} VALUES ({', '.join(['%s'] * len(work.columns))})"

    def update_one(self, work: Work) -> str:
        return f"UPDATE {work.table} SET {', '.join(f'{name} = %s' for name in work.changed)} WHERE id = %s"

    @abstractmethod
    def empty(self, table: str) -> None:
        """Take the rows away, and what was captured."""

    @abstractmethod
    def rest(self) -> None:
        """Until the server has done what it put off."""

    @abstractmethod
    def flush(self) -> None:
        """Until nothing that was written waits in memory to go to the disk, where `rest` does not see to that."""

    def content(self, table: str) -> list[Row]:
        """All rows as SQLite would give them."""
        return [tuple(map(_as_sqlite, row)) for row in self.fetch(f"SELECT * FROM {table} ORDER BY id")]

    @abstractmethod
    def close(self) -> None:
        """The database goes as well."""


class ProbedSite(Site):
    """One at which it can be told what a one-row transaction costs whoever captures it."""

    @abstractmethod
    def copy_changes(self, work: Work) -> None:
        """From now on the application writes down its one-row changes by itself, by the statement that makes them: as
        little as any capture into a table can cost."""

    @abstractmethod
    def delay_commits(self, microseconds: int) -> None:
        """Each commit of the application waits so long before it syncs, as it would for a slower disk; 0: none does."""


def _as_sqlite(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if isinstance(value, date) else value


def missing(kind: str) -> str | None:
    """What hinders a server of this kind; None: nothing."""
    return missing_postgresql() if kind == POSTGRESQL else missing_mariadb()


def fill(site: Site, rows: int) -> None:
    """So many customers: a block from here, and then the server makes twice as many, until they are enough."""
    block = min(FILLED, rows)
    site.send(site.statements(customer_work(block)))
    there = block
    while there < rows:
        more = min(there, rows - there)
        others = ", ".join(CUSTOMER_COLUMNS[1:])
        site.execute(f"INSERT INTO customers SELECT id + {there}, {others} FROM customers WHERE id <= {more}")
        there += more


@contextmanager
def started(kind: str, settings: str = "") -> Iterator[NewSite]:
    """A server with the settings that it comes with, but for `settings`; commits are durable."""
    with patch.dict(os.environ, {"REPLICATOR_DATABASE_PASSWORD": "replicator"}), _server(kind, settings) as new_site:
        yield new_site


def _server(kind: str, settings: str) -> AbstractContextManager[NewSite]:
    # The drivers are extras.
    if kind == POSTGRESQL:
        from bench import postgresql_site

        return postgresql_site.started(settings)
    from bench import mariadb_site

    return mariadb_site.started(settings)
