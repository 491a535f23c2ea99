"""PostgreSQL behind the interface of `databases.base`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import URL, Connection
from sqlalchemy import Table as OwnTable

from replicator.databases.attempts import attempt
from replicator.databases.base import NO_FORMS, NOTHING_SHARED, Capabilities, Change, Database, Retyped
from replicator.databases.joining import Joining
from replicator.databases.numbering import NumberedRow
from replicator.databases.postgresql import (
    apply,
    capture,
    catalogue,
    collect,
    comparing,
    definitions,
    identities,
    joining,
    numbers,
    own_tables,
    retyped,
    roles,
    spelling,
    transactions,
)
from replicator.databases.postgresql.blockers import Lookout
from replicator.databases.postgresql.change_tables import change_tables, is_empty
from replicator.databases.postgresql.connections import Opener
from replicator.databases.postgresql.errors import translated
from replicator.databases.postgresql.here import Cache, Here
from replicator.databases.postgresql.outside import foreign_keys_from_outside
from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, driver, execute, scalar
from replicator.databases.watching import Watch
from replicator.errors import ConfigurationError
from replicator.protocol.numbers import NumberRange
from replicator.runtime import Runtime
from replicator.types import ForeignKey, Image, Key, Position, Table, TableDefinition, Value


class PostgresqlDatabase(Database):
    """A database on a PostgreSQL server; our tables stand in a schema of their own (`schemas`)."""

    name = "postgresql"
    bytes_within = own_tables.BYTES_WITHIN
    capabilities = Capabilities(
        transactions_are_groups=True,
        cascades_are_captured=True,
        transactional_definitions=True,
        others_write_meanwhile=True,
    )

    def __init__(self, url: URL, runtime: Runtime, *, create: bool = True) -> None:  # noqa: ARG002 - never made by us
        self.runtime = runtime
        self._opener = Opener(url)
        self._lookout = Lookout(self._opener)
        self._inside = False
        self._joined: Connection | None = None
        self._cache = Cache(lambda: self._schemas)
        self._exported: str | None = None
        """Name of the snapshot that this transaction's collect was of."""
        self._read_through: collect.Place | None = None

    @property
    def _schemas(self) -> Schemas:
        return self._opener.schemas

    def _here(self, connection: Connection, table: Table) -> Here:
        return self._cache.here(driver(connection), table)

    # --- connections --------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Connection]:
        if self._joined is not None:
            with self._part(self._joined):
                yield self._joined
            return
        if self._inside:
            raise RuntimeError("a transaction of this database is open already")
        self._inside = True
        try:
            with transactions.transaction(
                self._opener, self.runtime, self._lookout, write=write, at_work_on=lambda: self._cache.last
            ) as connection:
                yield connection
        finally:
            self._inside = False
            self._exported = self._read_through = None
            self._cache.forget()

    @property
    def is_joined(self) -> bool:
        return self._joined is not None

    @property
    def own_schema(self) -> str:
        return self._schemas.ours

    def way_by(self, connection: Connection) -> Joining:
        with translated(self._opener.where):
            if not joining.is_same(connection, self._opener.kept()):
                raise ConfigurationError(
                    f"The migration's database is another one than the node's, {self._opener.where}."
                )
            return joining.way(connection, self._schemas)

    @contextmanager
    def joined(self, connection: Connection) -> Iterator[None]:
        raw = driver(connection)
        # All that is done within is done whole or not at all.
        with translated(self._opener.where), joining.prepared(raw, self._schemas), joining.part(raw):
            self._cache.forget()
            self._joined = connection
            try:
                yield
            finally:
                self._joined = None
                self._cache.forget()

    @contextmanager
    def _part(self, connection: Connection) -> Iterator[None]:
        try:
            with translated(self._opener.where), joining.part(driver(connection)):
                yield
        finally:
            self._exported = self._read_through = None
            self._cache.forget()

    def allow_requests(self, connection: Connection) -> None:
        roles.allow_requests(driver(connection), self._schemas)

    @contextmanager
    def snapshot(self, held: Connection) -> Iterator[Connection]:
        if self._exported is None:
            self._exported = str(_one(driver(held), "SELECT pg_export_snapshot()"))
        connection = self._opener.another()
        raw = driver(connection)
        try:
            with translated(self._opener.where):
                execute(raw, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                execute(raw, f"SET TRANSACTION SNAPSHOT '{self._exported}'")
                yield connection
        finally:
            self._cache.forget()
            if not raw.closed:
                execute(raw, "ROLLBACK")
            connection.close()

    def attempt(self, connection: Connection) -> AbstractContextManager[None]:
        raw = driver(connection)
        return attempt(partial(execute, raw), lambda: not raw.closed, translated(self._opener.where))

    def prepare(self) -> list[str]:
        with translated(self._opener.where):
            roles.require_fit(driver(self._opener.kept()), self._schemas, self._opener.where)
        told = []
        if self._opener.make_schema():
            told.append(
                f"The schema {self._schemas.ours} was made in the database {self._opener.where}, for the replicator's "
                "own tables."
            )
        with self.transaction() as connection:
            capture.create_sequence(driver(connection), self._schemas)
        return told

    def version(self, connection: Connection) -> str:
        found = driver(connection).info.server_version
        return f"{found // 10_000}.{found % 10_000}"

    def size(self, connection: Connection) -> int:
        return int(scalar(driver(connection), "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"))

    def close(self) -> None:
        self._lookout.close()
        self._opener.close()

    def upsert(
        self,
        connection: Connection,
        table: OwnTable,
        rows: Sequence[tuple[object, ...]],
        shared: Mapping[str, object] = NOTHING_SHARED,
    ) -> None:
        own_tables.upsert(driver(connection), table, rows, shared)

    def find_own(
        self,
        connection: Connection,
        table: OwnTable,
        columns: Sequence[str],
        shared: Mapping[str, object],
        keys: Collection[bytes],
    ) -> list[Any]:
        return own_tables.find(driver(connection), table, columns, shared, keys)

    # --- definitions --------------------------------------------------------------------------------------------

    def table_names(self, connection: Connection) -> list[str]:
        return catalogue.table_names(driver(connection), self._schemas.application)

    def inspect(self, connection: Connection, name: str) -> TableDefinition:
        return definitions.inspect(driver(connection), self._schemas, name)

    def remarks(self, connection: Connection, name: str) -> list[str]:
        return definitions.remarks(driver(connection), self._schemas, name)

    def create_table(self, connection: Connection, definition: TableDefinition) -> None:
        definitions.create_table(driver(connection), self._schemas.application, definition)

    def drop_tables(self, connection: Connection, names: Sequence[str]) -> None:
        if names:
            # Together, as they may refer to each other in a circle.
            execute(driver(connection), f"DROP TABLE {', '.join(map(self._schemas.table, names))}")

    def differences(self, connection: Connection, definition: TableDefinition) -> list[str]:
        return comparing.differences(driver(connection), self._schemas, definition)

    def hold_table(self, connection: Connection, name: str) -> None:
        # What making triggers takes, and all that keeps writers out.
        execute(driver(connection), f"LOCK TABLE {self._schemas.table(name)} IN SHARE ROW EXCLUSIVE MODE")

    def add_columns(self, connection: Connection, definition: TableDefinition, names: Sequence[str]) -> None:
        definitions.add_columns(driver(connection), self._schemas, definition, names)
        self._cache.forget()

    # --- capture ------------------------------------------------------------------------------------------------

    def install_capture(self, connection: Connection, table: Table) -> None:
        capture.install(driver(connection), self._schemas, table)

    def remove_capture(self, connection: Connection, table: Table) -> None:
        capture.remove(driver(connection), self._schemas, table)

    def captures_all(self, connection: Connection, table: Table) -> bool:
        return capture.all_stand(driver(connection), self._schemas, table)

    def retyped(self, connection: Connection, table: Table) -> Retyped:
        return retyped.retyped(driver(connection), self._schemas, table)

    def capture_faults(self, connection: Connection, table: Table) -> list[str]:
        return capture.faults(driver(connection), self._schemas, table)

    # --- numbers ------------------------------------------------------------------------------------------------

    def numbers_stand(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        return numbers.stand(driver(connection), self._schemas, table, ranges)

    def enforce_numbers(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        return numbers.enforce(driver(connection), self._schemas, table, ranges)

    @contextmanager
    def unnumbered(self, connection: Connection, table: Table) -> Iterator[None]:  # noqa: ARG002 - for all
        with numbers.silent(driver(connection)):
            yield

    def highest_number(
        self, connection: Connection, table: Table, known: NumberRange, lowest: int, highest: int
    ) -> int | None:
        return numbers.highest(driver(connection), self._schemas, table, known, lowest, highest)

    def numbered_rows(self, connection: Connection, table: Table, known: NumberRange) -> Iterator[list[NumberedRow]]:
        with translated(self._opener.where):
            yield from numbers.rows(driver(connection), self._here(connection, table), known)

    def set_counter(self, connection: Connection, table: Table, column: str, following: int) -> None:
        numbers.set_counter(driver(connection), self._schemas, table, column, following)

    def counter(self, connection: Connection, table: Table, column: str) -> int | None:
        return numbers.counter(driver(connection), self._schemas, table, column)

    # --- collect ------------------------------------------------------------------------------------------------

    def outbox_is_empty(self, connection: Connection) -> bool:
        raw = driver(connection)
        return is_empty(raw, change_tables(raw, self._schemas))

    def outbox_mark(self, connection: Connection) -> int | None:  # noqa: ARG002 - ids don't follow commits here
        return None

    def read_outbox(
        self,
        connection: Connection,
        tables: Mapping[int, Table],
        through: int | None = None,  # noqa: ARG002 - there is no mark here
        forms: Mapping[tuple[int, Position], Table] = NO_FORMS,  # noqa: ARG002 - the table is held while they change
    ) -> Iterator[list[Change]]:
        raw = driver(connection)
        sources = change_tables(raw, self._schemas)
        if sources:
            self._exported = collect.note_groups(raw, sources, joined=self.is_joined)
            yield from collect.changes(raw, tables, sources, self._note_read)

    def _note_read(self, place: collect.Place) -> None:
        self._read_through = place

    def clear_outbox(self, connection: Connection) -> None:
        if self._read_through is not None:
            collect.clear(driver(connection), self._schemas, self._read_through)
            self._read_through = None

    @contextmanager
    def watch(self) -> Iterator[Callable[[], bool]]:
        def waits(connection: Connection) -> bool:
            raw = driver(connection)
            return not is_empty(raw, change_tables(raw, self._schemas))

        with closing(Watch(self._opener.another, waits, psycopg.Error)) as watch:
            yield watch

    def pending_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> set[Key]:
        if not keys:
            return set()
        return collect.waiting_keys(driver(connection), self._schemas, table).intersection(keys)

    # --- apply --------------------------------------------------------------------------------------------------

    @contextmanager
    def replaying(self, connection: Connection, tables: Collection[Table]) -> Iterator[None]:  # noqa: ARG002 - for all
        raw = driver(connection)
        execute(raw, "SET LOCAL session_replication_role = replica")
        try:
            yield
        finally:
            # After an error nothing can be said in this transaction, and its end undoes the setting.
            if raw.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS:
                execute(raw, "SET LOCAL session_replication_role = origin")

    def read_images(self, connection: Connection, table: Table, keys: Collection[Key]) -> dict[Key, Image]:
        return apply.read_images(driver(connection), self._here(connection, table), keys)

    def write_images(self, connection: Connection, table: Table, images: Sequence[Image]) -> None:
        raw, here = driver(connection), self._here(connection, table)
        with translated(self._opener.where):
            apply.write_images(raw, here, images)
            identities.pass_over(raw, here, images)

    def delete_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> None:
        with translated(self._opener.where):
            apply.delete_keys(driver(connection), self._here(connection, table), keys)

    def scan(self, connection: Connection, table: Table) -> Iterator[list[Image]]:
        return apply.scan(driver(connection), self._here(connection, table))

    def count(self, connection: Connection, table: Table) -> int:
        return apply.count(driver(connection), self._here(connection, table))

    def as_stored(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]
    ) -> Sequence[tuple[Value, ...]]:
        with translated(self._opener.where):
            return spelling.as_stored(driver(connection), self._here(connection, table), columns, rows)

    def comparable(self, table: Table, columns: Sequence[str]) -> Callable[[Sequence[Value]], Hashable | None]:
        return comparing.comparable(table.definition, columns)

    def foreign_keys_from_outside(
        self, connection: Connection, replicated: Collection[Table]
    ) -> list[tuple[str, ForeignKey]]:
        return foreign_keys_from_outside(driver(connection), self._schemas.application, replicated)

    def find_keys(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        wanted: Collection[tuple[Value, ...]],
        *,
        hold: bool = False,
    ) -> dict[Hashable, Key]:
        with translated(self._opener.where):
            return apply.find_keys(driver(connection), self._here(connection, table), columns, wanted, hold=hold)

    def count_rows(
        self, connection: Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
    ) -> dict[Hashable, int]:
        return apply.count_rows(driver(connection), self._here(connection, table), columns, wanted)


def _one(raw: Driver, sql: str) -> object:
    row = execute(raw, sql).fetchone()
    return None if row is None else row[0]
