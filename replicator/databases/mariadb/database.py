"""MariaDB behind the interface of `databases.base`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from typing import Any

import pymysql
from sqlalchemy import URL, Connection
from sqlalchemy import Table as OwnTable

from replicator.databases.attempts import attempt
from replicator.databases.base import NO_FORMS, NOTHING_SHARED, Capabilities, Change, Database, Retyped
from replicator.databases.joining import Joining
from replicator.databases.mariadb import (
    apply,
    capture,
    catalogue,
    comparing,
    definitions,
    equality,
    making,
    numbers,
    own_tables,
    replacing,
    roles,
    transactions,
)
from replicator.databases.mariadb.apply import Connected
from replicator.databases.mariadb.change_tables import change_tables, is_empty
from replicator.databases.mariadb.connections import Opener
from replicator.databases.mariadb.errors import translated
from replicator.databases.mariadb.outbox import Outbox
from replicator.databases.mariadb.outside import foreign_keys_from_outside
from replicator.databases.mariadb.questions import Questions
from replicator.databases.mariadb.reader import Reader
from replicator.databases.mariadb.repeating import repeatable
from replicator.databases.mariadb.statements import APPLYING, Driver, driver, execute, fetch, scalar
from replicator.databases.mariadb.tables import Standing, Standings
from replicator.databases.mariadb.weights import Weights
from replicator.databases.numbering import NumberedRow
from replicator.databases.watching import Watch
from replicator.errors import ConfigurationError, DatabaseBusy, DatabaseTrouble
from replicator.protocol.numbers import NumberRange
from replicator.runtime import Runtime
from replicator.types import ForeignKey, Image, Key, Position, Table, TableDefinition, Value

_PLACE = "SELECT database(), @@hostname, @@port, @@datadir"


class MariadbDatabase(Database):
    """A database on a MariaDB server; our tables, named `replicator_…`, stand beside the application's."""

    name = "mariadb"
    bytes_within = own_tables.BYTES_WITHIN
    capabilities = Capabilities(
        transactions_are_groups=False,
        cascades_are_captured=False,
        transactional_definitions=False,
        others_write_meanwhile=True,
    )

    def __init__(self, url: URL, runtime: Runtime, *, create: bool = True) -> None:  # noqa: ARG002 - never made by us
        self.runtime = runtime
        self._opener = Opener(url)
        self._reader = Reader(self._opener)
        self._questions = Questions(self._opener)
        self._weights = Weights(self._questions)
        self._standings = Standings()
        self._inside = False
        self._replaying = 0
        self._outbox = Outbox(self._reader, self._schema, self._standing)

    @property
    def _schema(self) -> str:
        return self._opener.database

    def _on(self, connection: Connection) -> Connected:
        opener = self._opener
        return Connected(driver(connection), self.runtime, opener.largest_packet, opener.may_repeat, self._weights)

    def _standing(self, table: Table) -> Standing:
        # Asked on another connection: what a snapshot shows is not what stands.
        return self._questions.ask(lambda raw: self._standings.of(raw, self._schema, table))

    # --- connections --------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Connection]:
        if self._inside:
            raise RuntimeError("a transaction of this database is open already")
        self._inside = True
        try:
            with transactions.transaction(self._opener, self.runtime, write=write) as connection:
                yield connection
        finally:
            self._inside = False
            left = self._outbox.end()
            self._reader.end()
        if left.tables:
            # Somebody reads them, or the connection was lost: the next time will do.
            with suppress(DatabaseBusy, DatabaseTrouble), self._defining() as raw:
                capture.sweep(raw, self._schema, left.tables, left.replicated)

    @contextmanager
    def snapshot(self, held: Connection) -> Iterator[Connection]:  # noqa: ARG002 - the reader's moment is the collect's
        with translated(self._opener.where):
            connection = self._reader.hand_over()
            try:
                yield connection
            finally:
                connection.invalidate()
                connection.close()

    def way_by(self, connection: Connection) -> Joining:
        with translated(self._opener.where):
            there = connection.exec_driver_sql(_PLACE).fetchone()
            if there is None or tuple(map(str, there)) != self._questions.ask(
                lambda raw: tuple(map(str, fetch(raw, _PLACE)[0]))
            ):
                raise ConfigurationError(
                    f"The migration's database is another one than the node's, {self._opener.where}."
                )
        return Joining.BESIDE

    def attempt(self, connection: Connection) -> AbstractContextManager[None]:
        raw = driver(connection)
        return attempt(partial(execute, raw), lambda: raw.open, translated(self._opener.where))

    def prepare(self) -> list[str]:
        with translated(self._opener.where):
            roles.require_fit(driver(self._opener.kept()), self._schema, self._opener.where)
            execute(driver(self._opener.kept()), "ROLLBACK")
        with self._defining() as raw:
            capture.create_sequence(raw, self._schema)
        return []

    @contextmanager
    def migrating(self, connection: Connection) -> Iterator[bool]:
        with repeatable(connection):
            yield True

    def version(self, connection: Connection) -> str:
        return roles.version_of(driver(connection).get_server_info())

    def size(self, connection: Connection) -> int:
        query = (
            "SELECT coalesce(sum(data_length + index_length), 0) FROM information_schema.tables"
            " WHERE table_schema = database()"
        )
        return int(scalar(driver(connection), query))

    def close(self) -> None:
        self._reader.close()
        self._questions.close()
        self._opener.close()

    @contextmanager
    def _defining(self) -> Iterator[Driver]:
        """A connection for definitions, which commit by themselves; nothing of ours stands in their way."""
        self._reader.end()
        self._standings.forget()
        self._outbox.forget()
        with translated(self._opener.where):
            self._questions.rest()
            connection = self._opener.another()
            try:
                yield driver(connection)
            finally:
                connection.invalidate()
                connection.close()
                self._standings.forget()

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
        return catalogue.table_names(driver(connection), self._schema)

    def inspect(self, connection: Connection, name: str) -> TableDefinition:
        return definitions.inspect(driver(connection), self._schema, name)

    def inspect_replaced(self, connection: Connection, name: str) -> TableDefinition:
        return definitions.inspect(driver(connection), self._schema, name, replace_cascades=True)

    def replace_cascades(self, connection: Connection, name: str) -> list[str]:  # noqa: ARG002 - see _defining
        with self._defining() as raw:
            return replacing.replace_all(raw, definitions.read_local(raw, self._schema, name, with_cascades=True))

    def remarks(self, connection: Connection, name: str) -> list[str]:
        return definitions.remarks(driver(connection), self._schema, name)

    def create_table(self, connection: Connection, definition: TableDefinition) -> None:  # noqa: ARG002 - see _defining
        with self._defining() as raw:
            making.create_table(raw, self._schema, definition)

    def drop_tables(self, connection: Connection, names: Sequence[str]) -> None:  # noqa: ARG002 - see _defining
        with self._defining() as raw:
            making.drop_tables(raw, names)

    def differences(self, connection: Connection, definition: TableDefinition) -> list[str]:
        return comparing.differences(driver(connection), self._schema, definition)

    def add_columns(self, connection: Connection, definition: TableDefinition, names: Sequence[str]) -> None:  # noqa: ARG002 - see _defining
        with self._defining() as raw:
            making.add_columns(raw, self._schema, definition, names)

    # --- capture ------------------------------------------------------------------------------------------------

    def install_capture(self, connection: Connection, table: Table) -> None:  # noqa: ARG002 - see _defining
        with self._defining() as raw:
            capture.install(raw, self._schema, table)

    def remove_capture(self, connection: Connection, table: Table) -> None:  # noqa: ARG002 - see _defining
        with self._defining() as raw:
            capture.remove(raw, self._schema, table)

    def captures_all(self, connection: Connection, table: Table) -> bool:
        return capture.all_stand(driver(connection), self._schema, table)

    def retyped(self, connection: Connection, table: Table) -> Retyped:
        return self._outbox.retyped(driver(connection), table)

    def capture_faults(self, connection: Connection, table: Table) -> list[str]:
        return self.faulty_tables(connection, [table]).get(table.id, [])

    def faulty_tables(self, connection: Connection, tables: Collection[Table]) -> dict[int, list[str]]:
        for table in tables:
            self._standings.forget(table.name)
        return capture.faults(driver(connection), self._schema, tables)

    # --- numbers ------------------------------------------------------------------------------------------------

    def numbers_stand(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        return numbers.stand(driver(connection), self._schema, table, ranges)

    def enforce_numbers(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        if self.numbers_stand(connection, table, ranges):
            return False
        with self._defining() as raw:
            numbers.make(raw, self._schema, table, ranges)
        return True

    @contextmanager
    def unnumbered(self, connection: Connection, table: Table) -> Iterator[None]:  # noqa: ARG002 - for all
        with numbers.silent(driver(connection)):
            yield

    def highest_number(
        self, connection: Connection, table: Table, known: NumberRange, lowest: int, highest: int
    ) -> int | None:
        return numbers.highest(driver(connection), table, known, lowest, highest)

    def numbered_rows(self, connection: Connection, table: Table, known: NumberRange) -> Iterator[list[NumberedRow]]:
        standing = self._standing(table)
        with translated(self._opener.where):
            yield from numbers.rows(driver(connection), standing, known)

    def set_counter(self, connection: Connection, table: Table, column: str, following: int) -> None:  # noqa: ARG002
        with self._defining() as raw:
            numbers.set_counter(raw, self._schema, table, column, following)

    def counter(self, connection: Connection, table: Table, column: str) -> int | None:  # noqa: ARG002
        return self._questions.ask(lambda raw: numbers.counter(raw, self._schema, table, column))

    # --- collect ------------------------------------------------------------------------------------------------

    def outbox_is_empty(self, connection: Connection) -> bool:
        return self._outbox.is_empty(driver(connection))

    def outbox_mark(self, connection: Connection) -> int | None:  # noqa: ARG002 - ids don't follow commits here
        return None

    def read_outbox(
        self,
        connection: Connection,
        tables: Mapping[int, Table],
        through: int | None = None,  # noqa: ARG002 - there is no mark here
        forms: Mapping[tuple[int, Position], Table] = NO_FORMS,
    ) -> Iterator[list[Change]]:
        return self._outbox.read(driver(connection), tables, forms)

    def clear_outbox(self, connection: Connection) -> None:
        self._outbox.clear(driver(connection))

    @contextmanager
    def watch(self) -> Iterator[Callable[[], bool]]:
        def waits(connection: Connection) -> bool:
            raw, schema = driver(connection), self._schema
            found = not is_empty(raw, schema, change_tables(raw, schema))
            execute(raw, "COMMIT")  # hold nothing until the next question
            return found

        with closing(Watch(self._opener.another, waits, pymysql.err.MySQLError)) as watch:
            yield watch

    def pending_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> set[Key]:
        return self._outbox.pending(driver(connection), table, keys)

    # --- apply --------------------------------------------------------------------------------------------------

    @contextmanager
    def replaying(self, connection: Connection, tables: Collection[Table]) -> Iterator[None]:  # noqa: ARG002 - for all
        raw = driver(connection)
        if not self._replaying:
            execute(raw, f"SET {APPLYING} = 1, SESSION foreign_key_checks = 0")
        self._replaying += 1
        try:
            yield
        finally:
            self._replaying -= 1
            if not self._replaying:
                _loud(raw)

    def read_images(self, connection: Connection, table: Table, keys: Collection[Key]) -> dict[Key, Image]:
        return apply.read_images(self._on(connection), self._standing(table), keys)

    def write_images(self, connection: Connection, table: Table, images: Sequence[Image]) -> None:
        with translated(self._opener.where):
            apply.write_images(self._on(connection), self._standing(table), images)

    def delete_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> None:
        with translated(self._opener.where):
            apply.delete_keys(self._on(connection), self._standing(table), keys)

    def scan(self, connection: Connection, table: Table) -> Iterator[list[Image]]:
        return apply.scan(self._on(connection), self._standing(table))

    def count(self, connection: Connection, table: Table) -> int:
        return apply.count(self._on(connection), self._standing(table))

    def as_stored(
        self,
        connection: Connection,  # noqa: ARG002 - all is known here
        table: Table,
        columns: Sequence[str],
        rows: Sequence[tuple[Value, ...]],
    ) -> Sequence[tuple[Value, ...]]:
        return apply.as_stored(self._standing(table), columns, rows)

    def comparable(self, table: Table, columns: Sequence[str]) -> Callable[[Sequence[Value]], Hashable | None]:
        return equality.comparable(self._weights, lambda: self._standing(table).pairs(columns))

    def foreign_keys_from_outside(
        self, connection: Connection, replicated: Collection[Table]
    ) -> list[tuple[str, ForeignKey]]:
        return foreign_keys_from_outside(driver(connection), self._schema, replicated)

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
            return apply.find_keys(self._on(connection), self._standing(table), columns, wanted, hold=hold)

    def count_rows(
        self, connection: Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
    ) -> dict[Hashable, int]:
        return apply.count_rows(self._on(connection), self._standing(table), columns, wanted)


def _loud(raw: Driver) -> None:
    """Capture again. A connection on which that can't be said must not be used again."""
    try:
        if raw.open:
            execute(raw, f"SET {APPLYING} = NULL, SESSION foreign_key_checks = 1")
    except pymysql.err.MySQLError:
        raw.close()
