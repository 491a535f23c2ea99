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
from replicator.databases.sqlite.errors import translate, translated
from replicator.databases.sqlite.giving_way import GivingWay
from replicator.databases.sqlite.statements import driver, quoted, scalar
from replicator.databases.sqlite.values import comparable
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
        self._giving_way = GivingWay(runtime)
        self._inside = False
        self._joined: Connection | None = None
        self._read_through: int | None = None
        self._rows: dict[str, Rows] = {}
        """By table, for the time of a transaction: the application may make a table anew between two of ours."""
        self._sound: dict[str, tuple[int, TableDefinition, int]] = {}
        """Tables whose capture was found sound: (table number, definition, PRAGMA schema_version then)."""
        self._numbered: dict[str, tuple[tuple[NumberRange, ...], TableDefinition, int]] = {}
        """Tables whose triggers of numbers were found to stand: (ranges, definition, PRAGMA schema_version then)."""

    @property
    def busy_timeout(self) -> float:
        return self._opener.busy_timeout

    @busy_timeout.setter
    def busy_timeout(self, seconds: float) -> None:
        self._opener.busy_timeout = seconds

    # --- connections --------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Connection]:
        if self._joined is not None:
            with self._part(self._joined):
                yield self._joined
            return
        if self._inside:
            raise RuntimeError("a transaction of this database is open already")
        connection = self._opener.kept()
        raw = driver(connection)
        self._inside = True
        try:
            if write:
                self._giving_way.before()
            raw.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield connection
            if write:
                self.runtime.reached("commit:before")
            raw.execute("COMMIT")
        except BaseException as error:
            self._forget()
            self._roll_back(raw)
            ours = translate(error, self.path) if isinstance(error, Exception) else None
            if ours is None:
                raise
            raise ours from error
        finally:
            self._inside = False
            self._read_through = None
            self._rows.clear()
            if write:
                self._giving_way.after()
            if connection.in_transaction():
                # SQLAlchemy's own idea of a transaction; SQLite's is over.
                connection.rollback()
        if write:
            self.runtime.reached("commit:after")

    @property
    def is_joined(self) -> bool:
        return self._joined is not None

    def way_by(self, connection: Connection) -> Joining:
        if not joining.is_same(connection, self.path):
            raise ConfigurationError(f"The migration's database is another one than the node's, {self.path}.")
        return joining.way(connection)

    @contextmanager
    def joined(self, connection: Connection) -> Iterator[None]:
        raw = driver(connection)
        # All that is done within is done whole or not at all.
        with translated(self.path), joining.prepared(raw), joining.part(raw):
            self._forget()
            self._joined = connection
            try:
                yield
            finally:
                self._joined = None
                self._forget()

    @contextmanager
    def _part(self, connection: Connection) -> Iterator[None]:
        try:
            with translated(self.path), joining.part(driver(connection)):
                yield
        finally:
            self._read_through = None
            self._rows.clear()

    def _roll_back(self, raw: sqlite3.Connection) -> None:
        try:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        except sqlite3.Error:
            # What went wrong first is what counts; closing rolls back for certain.
            self._opener.close()

    def _forget(self) -> None:
        # A schema version that is rolled back may be given again to another schema.
        self._sound.clear()
        self._numbered.clear()

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
        self._forget()

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
        raw = driver(connection)
        now = (table.id, table.definition, _schema_version(raw))
        if self._sound.get(table.name) == now:
            return []
        found = capture.faults(raw, table)
        if not found:
            self._sound[table.name] = now
        return found

    # --- numbers ------------------------------------------------------------------------------------------------

    def numbers_stand(self, connection: Connection, table: Table, ranges: Sequence[NumberRange]) -> bool:
        raw = driver(connection)
        now = (tuple(ranges), table.definition, _schema_version(raw))
        if self._numbered.get(table.name) == now:
            return True
        if stand := numbers.stand(raw, table, ranges):
            self._numbered[table.name] = now
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
        before = _schema_version(raw)
        with apply.triggers_dropped(raw, tables):
            yield
        if raw.in_transaction:
            # What was sound is sound again; its schema version alone has moved.
            after = _schema_version(raw)
            for name, (number, definition, version) in list(self._sound.items()):
                if version == before:
                    self._sound[name] = (number, definition, after)
            for name, (ranges, definition, version) in list(self._numbered.items()):
                if version == before:
                    self._numbered[name] = (ranges, definition, after)

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


def _schema_version(raw: sqlite3.Connection) -> int:
    return int(scalar(raw, "PRAGMA schema_version"))
