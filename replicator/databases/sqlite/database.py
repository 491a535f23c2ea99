"""SQLite behind the interface of `databases.base`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import URL, Connection
from sqlalchemy import Table as OwnTable

from replicator.databases.attempts import attempt
from replicator.databases.base import NO_FORMS, NOTHING_SHARED, Capabilities, Change, Database
from replicator.databases.joining import Joining
from replicator.databases.numbering import NumberedRow
from replicator.databases.sqlite import (
    apply,
    capture,
    collect,
    comparing,
    definitions,
    joining,
    numbers,
    own_tables,
    tables,
)
from replicator.databases.sqlite.connections import Opener
from replicator.databases.sqlite.converting import Rows, converted, rows_of
from replicator.databases.sqlite.errors import translated
from replicator.databases.sqlite.giving_way import GivingWay
from replicator.databases.sqlite.statements import driver, quoted, scalar
from replicator.databases.sqlite.transactions import Transactions
from replicator.databases.sqlite.values import comparable
from replicator.databases.sqlite.verified import Verified, What, schema_version
from replicator.databases.sqlite.watching import Watch
from replicator.errors import ConfigurationError, DatabaseTrouble
from replicator.protocol.numbers import NumberRange
from replicator.runtime import Runtime
from replicator.types import ForeignKey, Image, Key, Position, Table, TableDefinition, Value

_OLDEST = (3, 40, 0)


class SqliteDatabase(Database):
    """An SQLite file in WAL mode. `busy_timeout` (seconds) is how long we wait for another writer."""

    name = "sqlite"
    bytes_within = own_tables.BYTES_WITHIN
    capabilities = Capabilities(
        transactions_are_groups=False,
        cascades_are_captured=True,
        transactional_definitions=True,
        others_write_meanwhile=False,
    )

    def __init__(self, url: URL, runtime: Runtime, *, create: bool = True) -> None:
        if url.database in (None, "", ":memory:"):
            raise ConfigurationError("The database URL names no file: write sqlite:///PATH.")
        if url.query:
            raise ConfigurationError(
                "The database URL of a file has no options (what follows the ?): write sqlite:///PATH."
            )
        self.runtime = runtime
        self.path = os.path.abspath(str(url.database))
        self._opener = Opener(self.path)
        self._create = create
        self._verified = Verified()
        self._transactions = Transactions(
            self._opener,
            self.path,
            GivingWay(runtime),
            reached=lambda place: self.runtime.reached(place),
            ended=self._end,
            undone=self._verified.forget,
        )
        self._read_through: int | None = None
        self._rows: dict[str, Rows] = {}
        """By table, for the time of a transaction: the application may make a table anew between two of ours."""

    @property
    def busy_timeout(self) -> float:
        return self._opener.busy_timeout

    @busy_timeout.setter
    def busy_timeout(self, seconds: float) -> None:
        self._opener.busy_timeout = seconds

    # --- connections --------------------------------------------------------------------------------------------

    def transaction(self, *, write: bool = True) -> AbstractContextManager[Connection]:
        return self._transactions.begin(write=write)

    def _end(self) -> None:
        self._read_through = None
        self._rows.clear()

    @property
    def is_joined(self) -> bool:
        return self._transactions.joined_to is not None

    def way_by(self, connection: Connection) -> Joining:
        if not joining.is_same(connection, self.path):
            raise ConfigurationError(f"The migration's database is another one than the node's, {self.path}.")
        return joining.way(connection)

    def joined(self, connection: Connection) -> AbstractContextManager[None]:
        return self._transactions.joined(connection)

    @contextmanager
    def snapshot(self, held: Connection) -> Iterator[Connection]:  # noqa: ARG002 - its write lock is what counts
        with translated(self.path):
            connection = self._opener.another()
            raw = driver(connection)
            raw.execute("BEGIN")
            # BEGIN alone takes no snapshot: the first read does.
            scalar(raw, "SELECT count(*) FROM sqlite_schema")
        try:
            with translated(self.path):
                yield connection
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            connection.close()

    def attempt(self, connection: Connection) -> AbstractContextManager[None]:
        raw = driver(connection)
        return attempt(raw.execute, lambda: raw.in_transaction, translated(self.path))

    def prepare(self) -> list[str]:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise ConfigurationError(
                f"This Python brings SQLite {sqlite3.sqlite_version}, the replicator needs 3.40: update Python."
            )
        told = []
        if self._create and not os.path.exists(self.path):
            told.append(f"The database {self.path} was made: it didn't exist.")
        with translated(self.path):
            raw = driver(self._opener.kept(create=self._create))
            if scalar(raw, "PRAGMA encoding") != "UTF-8":
                raise ConfigurationError(
                    f"The database {self.path} keeps its text as UTF-16, which can't be carried bit for bit: "
                    "copy it into one with PRAGMA encoding = 'UTF-8'."
                )
            if scalar(raw, "PRAGMA journal_mode") != "wal":
                if scalar(raw, "PRAGMA journal_mode = WAL") != "wal":
                    raise DatabaseTrouble(
                        f"The database {self.path} can't be set to WAL mode: keep it on a local disk and try again."
                    )
                told.append(
                    f"The database {self.path} was set to WAL mode, so that reading and writing don't stop each other: "
                    "its -wal and -shm files belong to it whenever it is copied."
                )
        with self.transaction() as connection:
            capture.create_outbox(driver(connection))
        return told

    def make_place(self) -> None:
        with translated(self.path):
            self._opener.kept(create=True)

    def version(self, connection: Connection) -> str:  # noqa: ARG002 - the library is in this process
        return sqlite3.sqlite_version

    def size(self, connection: Connection) -> int:
        raw = driver(connection)
        return int(scalar(raw, "PRAGMA page_count")) * int(scalar(raw, "PRAGMA page_size"))

    def close(self) -> None:
        self._opener.close()
        self._verified.forget()

    def upsert(
        self,
        connection: Connection,
        table: OwnTable,
        rows: Sequence[tuple[object, ...]],
        shared: Mapping[str, object] = NOTHING_SHARED,
    ) -> None:
        columns = [column.name for column in table.columns if column.name not in shared]
        apply.upsert(
            driver(connection),
            table.name,
            [*columns, *shared],
            [column.name for column in table.primary_key],
            rows,
            shared=tuple(shared.values()),
        )

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
        return sorted(tables.table_names(driver(connection)))

    def has_table(self, connection: Connection, name: str) -> bool:
        return tables.has_table(driver(connection), name)

    def inspect(self, connection: Connection, name: str) -> TableDefinition:
        return definitions.inspect(driver(connection), name)

    def remarks(self, connection: Connection, name: str) -> list[str]:
        return definitions.remarks(driver(connection), name)

    def create_table(self, connection: Connection, definition: TableDefinition) -> None:
        definitions.create_table(driver(connection), definition)

    def drop_tables(self, connection: Connection, names: Sequence[str]) -> None:
        for name in names:
            driver(connection).execute(f"DROP TABLE {quoted(name)}")

    def differences(self, connection: Connection, definition: TableDefinition) -> list[str]:
        return comparing.differences(driver(connection), definition)

    def add_columns(self, connection: Connection, definition: TableDefinition, names: Sequence[str]) -> None:
        definitions.add_columns(driver(connection), definition, names)

    # --- capture ------------------------------------------------------------------------------------------------

    def install_capture(self, connection: Connection, table: Table) -> None:
        capture.install(driver(connection), table)

    def remove_capture(self, connection: Connection, table: Table) -> None:
        capture.remove(driver(connection), table)

    def captures_all(self, connection: Connection, table: Table) -> bool:
        return capture.all_stand(driver(connection), table)

    def capture_faults(self, connection: Connection, table: Table) -> list[str]:
        raw, facts = driver(connection), (table.id, table.definition)
        if self._verified.stands(raw, What.CAPTURE, table.name, facts):
            return []
        found = capture.faults(raw, table)
        if not found:
            self._verified.note(raw, What.CAPTURE, table.name, facts)
        return found

    # --- numbers ------------------------------------------------------------------------------------------------

    def numbers_stand(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        raw, facts = driver(connection), (tuple(ranges), table.definition)
        if self._verified.stands(raw, What.NUMBERS, table.name, facts):
            return True
        if stand := numbers.stand(raw, table, ranges):
            self._verified.note(raw, What.NUMBERS, table.name, facts)
        return stand

    def enforce_numbers(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        return numbers.enforce(driver(connection), table, ranges)

    @contextmanager
    def unnumbered(self, connection: Connection, table: Table) -> Iterator[None]:
        with numbers.dropped(driver(connection), table):
            yield

    def highest_number(
        self, connection: Connection, table: Table, known: NumberRange, lowest: int, highest: int
    ) -> int | None:
        return numbers.highest(driver(connection), table, known, lowest, highest)

    def numbered_rows(self, connection: Connection, table: Table, known: NumberRange) -> Iterator[list[NumberedRow]]:
        rows = self._rows_of(connection, table)
        with translated(self.path):
            yield from map(rows.keyed, numbers.rows(driver(connection), table, known))

    def set_counter(self, connection: Connection, table: Table, column: str, following: int) -> None:  # noqa: ARG002
        numbers.set_counter(driver(connection), table, following)

    def counter(self, connection: Connection, table: Table, column: str) -> int | None:
        return numbers.counter(driver(connection), table, column)

    # --- collect ------------------------------------------------------------------------------------------------

    def outbox_is_empty(self, connection: Connection) -> bool:
        return collect.is_empty(driver(connection))

    def outbox_mark(self, connection: Connection) -> int | None:
        return collect.last_id(driver(connection))

    def read_outbox(
        self,
        connection: Connection,
        tables: Mapping[int, Table],
        through: int | None = None,
        forms: Mapping[tuple[int, Position], Table] = NO_FORMS,  # noqa: ARG002 - nobody writes while they change
    ) -> Iterator[list[Change]]:
        raw = driver(connection)
        rows = {number: self._rows_of(connection, table) for number, table in tables.items()}
        for chunk in collect.changes(raw, tables, self._note_read, through):
            yield chunk if all(type(each) is Rows for each in rows.values()) else converted(chunk, rows)

    def _note_read(self, identity: int) -> None:
        self._read_through = identity

    def clear_outbox(self, connection: Connection) -> None:
        if self._read_through is not None:
            collect.clear(driver(connection), self._read_through)
            self._read_through = None

    @contextmanager
    def watch(self) -> Iterator[Callable[[], bool]]:
        yield Watch(self.path, self._opener)

    def pending_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> set[Key]:
        raw = driver(connection)
        if not keys or collect.is_empty(raw):
            return set()
        return self._rows_of(connection, table).waiting_keys(raw).intersection(keys)

    # --- apply --------------------------------------------------------------------------------------------------

    @contextmanager
    def replaying(self, connection: Connection, tables: Collection[Table]) -> Iterator[None]:
        raw = driver(connection)
        before = schema_version(raw)
        with apply.triggers_dropped(raw, tables):
            yield
        if raw.in_transaction:
            self._verified.carry_over(before, schema_version(raw))

    def _rows_of(self, connection: Connection, table: Table) -> Rows:
        found = self._rows.get(table.name)
        # A table that becomes replicated was known before as far as its key to a replicated one went.
        if found is None or found.table is not table:
            found = self._rows[table.name] = rows_of(driver(connection), table)
        return found

    def read_images(self, connection: Connection, table: Table, keys: Collection[Key]) -> dict[Key, Image]:
        return self._rows_of(connection, table).read_images(driver(connection), keys)

    def write_images(self, connection: Connection, table: Table, images: Sequence[Image]) -> None:
        with translated(self.path):
            self._rows_of(connection, table).write_images(driver(connection), images)

    def delete_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> None:
        with translated(self.path):
            self._rows_of(connection, table).delete_keys(driver(connection), keys)

    def scan(self, connection: Connection, table: Table) -> Iterator[list[Image]]:
        return self._rows_of(connection, table).scan(driver(connection))

    def count(self, connection: Connection, table: Table) -> int:
        return apply.count(driver(connection), table)

    def as_stored(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Value, ...]]
    ) -> Sequence[tuple[Value, ...]]:
        return self._rows_of(connection, table).as_stored(driver(connection), columns, rows)

    def comparable(self, table: Table, columns: Sequence[str]) -> Callable[[Sequence[Value]], Hashable | None]:
        return comparable(table.definition, columns)

    def foreign_keys_from_outside(
        self, connection: Connection, replicated: Collection[Table]
    ) -> list[tuple[str, ForeignKey]]:
        return tables.foreign_keys_from_outside(driver(connection), replicated)

    def find_keys(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        wanted: Collection[tuple[Value, ...]],
        *,
        hold: bool = False,  # noqa: ARG002 - the write lock holds everything
    ) -> dict[Hashable, Key]:
        return self._rows_of(connection, table).find_keys(driver(connection), columns, wanted)

    def count_rows(
        self, connection: Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
    ) -> dict[Hashable, int]:
        return self._rows_of(connection, table).count_rows(driver(connection), columns, wanted)
