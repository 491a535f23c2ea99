"""Databases that hold the replicator's own tables, for tests of `replicator.store`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Table, create_engine, make_url

from replicator.databases import Database, open_database
from replicator.databases.mariadb import own_tables as mariadb_own_tables
from replicator.databases.mariadb.statements import driver as mariadb_driver
from replicator.databases.postgresql import own_tables as postgresql_own_tables
from replicator.databases.postgresql.blockers import Lookout
from replicator.databases.postgresql.connections import Opener
from replicator.databases.postgresql.statements import driver
from replicator.databases.postgresql.transactions import transaction
from replicator.runtime import Runtime


class SqliteStore:
    def __init__(self, folder: Path) -> None:
        self.database = open_database(f"sqlite:///{folder / 'store.db'}", Runtime())
        self.database.prepare()
        self.transaction = self.database.transaction
        self.close = self.database.close


class PostgresqlStore:
    """As `Database` is asked by the store: transactions, reading and writing our tables in sets."""

    bytes_within = postgresql_own_tables.BYTES_WITHIN

    def __init__(self, url: str) -> None:
        self._opener = Opener(make_url(url))
        self._opener.make_schema()
        self.database = cast(Database, self)
        self.close = self._opener.close
        self._lookout = Lookout(self._opener)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with transaction(self._opener, Runtime(), self._lookout, write=True, at_work_on=lambda: None) as connection:
            yield connection

    def upsert(
        self,
        connection: Connection,
        table: Table,
        rows: Sequence[tuple[Any, ...]],
        shared: Mapping[str, Any] | None = None,
    ) -> None:
        postgresql_own_tables.upsert(driver(connection), table, rows, shared or {})

    def find_own(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        shared: Mapping[str, Any],
        keys: Collection[bytes],
    ) -> list[tuple[Any, ...]]:
        return postgresql_own_tables.find(driver(connection), table, columns, shared, keys)


class MariadbStore:
    """The same for MariaDB."""

    bytes_within = mariadb_own_tables.BYTES_WITHIN

    def __init__(self, url: URL | str) -> None:
        self._engine = create_engine(url)
        self.database = cast(Database, self)
        self.close = self._engine.dispose

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    def upsert(
        self,
        connection: Connection,
        table: Table,
        rows: Sequence[tuple[Any, ...]],
        shared: Mapping[str, Any] | None = None,
    ) -> None:
        mariadb_own_tables.upsert(mariadb_driver(connection), table, rows, shared or {})

    def find_own(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        shared: Mapping[str, Any],
        keys: Collection[bytes],
    ) -> list[tuple[Any, ...]]:
        return mariadb_own_tables.find(mariadb_driver(connection), table, columns, shared, keys)


Store = SqliteStore | PostgresqlStore | MariadbStore
