"""The interface that every database fills, and nobody above it asks for a database's name.

Written with PostgreSQL's and MariaDB's concurrent writers in mind (protocol.md 7.1 to 7.6): collect is by removal of
exactly what one snapshot saw; apply decides, writes, which locks, and looks again before it commits (engine.working).
SQLite's one writer makes much of that trivial.

All methods that take a `Connection` run inside a transaction of `Database.transaction`. All bulk methods read and write
in sets. Errors of the driver are turned into `errors.*` by code (never by text) inside `transaction`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy import Table as OwnTable

from replicator.databases.joining import Joining
from replicator.databases.numbering import Numbering
from replicator.runtime import Runtime
from replicator.types import ForeignKey, Image, Key, Operation, Position, Table, TableDefinition, Value

NOTHING_SHARED: Mapping[str, object] = MappingProxyType({})
NO_FORMS: Mapping[tuple[int, Position], Table] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a database can do; asked for instead of its name."""

    transactions_are_groups: bool
    """Captured changes carry a transaction; else everything one collect finds is one merged group (protocol.md 7.5)."""
    cascades_are_captured: bool
    transactional_definitions: bool
    others_write_meanwhile: bool
    """The application may write between two statements of our transaction; else nobody may as long as it lasts."""


class Change(NamedTuple):
    """One captured row change, as collect reads it from the outbox. Short-lived."""

    id: int
    table: int
    """Number of the table."""
    operation: Operation
    key: Key
    image: Image | None
    """The whole row after the change; None for a delete."""
    mask: int
    """Bit i is set when column i changed. All columns for an insert, 0 for a delete."""
    before: tuple[Value, ...] | None
    """Update: old values of the masked columns, in column order. Delete: the whole old row. Insert: None."""
    at: int
    """Time of the change by the node's clock, microseconds since 1970 UTC."""
    transaction: int | None


class Retyped(NamedTuple):
    """What was captured in types that columns no longer have, and may have been rounded to them."""

    columns: tuple[str, ...] = ()
    rows: Mapping[Key, tuple[Value, ...]] = MappingProxyType({})
    """Of each row that waits in the outbox, but for deleted ones, what was captured last in these columns."""


class Database(Numbering, ABC):
    """One node's database: the application's tables with ours beside them."""

    name: str
    capabilities: Capabilities
    runtime: Runtime
    bytes_within: str
    """A condition, to be formatted with a column: the parameter's bytes stand somewhere in those of the column."""

    # --- connections --------------------------------------------------------------------------------------------

    @abstractmethod
    def transaction(self, *, write: bool = True) -> AbstractContextManager[Connection]:
        """A transaction on this node's kept connection; durable when it has ended without an exception.

        Passes crash points 'commit:before' and 'commit:after'. Not re-entrant. Raises DatabaseBusy (somebody else holds
        what we need: all is rolled back, try again) and DatabaseTrouble.
        """

    @abstractmethod
    def snapshot(self, held: Connection) -> AbstractContextManager[Connection]:
        """A second, read-only connection that keeps seeing the application's rows as they stand in `held` now.

        `held` is an open write transaction that has not changed application rows; the snapshot outlives its commit, so
        that long reads need not hold up the application (protocol.md 5.8: rows and position from one snapshot).
        """

    @abstractmethod
    def attempt(self, connection: Connection) -> AbstractContextManager[None]:
        """Within: a row that the database refuses undoes what was done within, and nothing else (a savepoint).

        The transaction goes on behind the ConstraintViolation. Any other error takes the whole transaction with it, as
        outside. Not re-entrant.
        """

    # --- in the application's transaction -------------------------------------------------------------------------

    @property
    def is_joined(self) -> bool:
        """Our transactions are parts of one that somebody else ends: no other connection sees what they did."""
        return False

    @property
    def own_schema(self) -> str | None:
        """Name of the schema that our tables stand in; None: they stand beside the application's."""
        return None

    @abstractmethod
    def way_by(self, connection: Connection) -> Joining:
        """How we get to what is under way on a connection of the application's.

        Raises ConfigurationError where it is one to another database than this.
        """

    def joined(self, connection: Connection) -> AbstractContextManager[None]:  # noqa: ARG002 - see what it says
        """Within: `transaction` gives parts of the one that is open on this connection, the application's or our own.
        What is done is committed or undone with it; what fails is undone at once. Where definitions commit by
        themselves (`Joining.BESIDE`) nothing can be a part of another's transaction, and all is as ever.

        Raises DatabaseBusy.
        """
        return nullcontext()

    def allow_requests(self, connection: Connection) -> None:
        """Let who owns the application's tables put requests into our table of them."""

    @abstractmethod
    def prepare(self) -> list[str]:
        """Make the database fit for replication and create the outbox. Returns sentences to tell the operator."""

    def make_place(self) -> None:
        """Make the database where it isn't there, as far as that is ours to do: a file. It stays empty."""

    def migrating(self, connection: Connection) -> AbstractContextManager[bool]:  # noqa: ARG002 - once is the rule
        """Within, definitions of the replicator's own tables are made. Gives whether they may be there in part: where
        definitions commit by themselves, those of a migration that was killed are, and are left as they are."""
        return nullcontext(False)

    @abstractmethod
    def version(self, connection: Connection) -> str:
        """Of the server or library, in numbers and dots: '16.3'. Costs no question to the server."""

    @abstractmethod
    def size(self, connection: Connection) -> int:
        """Bytes that the database takes on its disk, the application's tables and ours; as far as it knows."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def upsert(
        self,
        connection: Connection,
        table: OwnTable,
        rows: Sequence[tuple[object, ...]],
        shared: Mapping[str, object] = NOTHING_SHARED,
    ) -> None:
        """Insert rows of one of the replicator's own tables, or replace them by primary key.

        The rows have all columns in order but those in `shared`, which have the same value in every row: these need be
        told only once, which is a large part of the time of a narrow row.
        """

    @abstractmethod
    def find_own(
        self,
        connection: Connection,
        table: OwnTable,
        columns: Sequence[str],
        shared: Mapping[str, object],
        keys: Collection[bytes],
    ) -> list[Any]:
        """These columns of rows of one of the replicator's own tables, by primary key, in any order.

        `keys` are values of the key's last column, `shared` has those of its other columns. Each row is a tuple.
        """

    # --- definitions --------------------------------------------------------------------------------------------

    @abstractmethod
    def table_names(self, connection: Connection) -> list[str]:
        """The application's tables (ours and the database's own left out), sorted."""

    def has_table(self, connection: Connection, name: str) -> bool:
        """Is there a table of this name among them?"""
        return name in self.table_names(connection)

    @abstractmethod
    def inspect(self, connection: Connection, name: str) -> TableDefinition:
        """The portable definition of a table. Raises UnknownName, or UnfitTable (no primary key, a column that can't be
        carried), each with a sentence that says what to do."""

    def inspect_replaced(self, connection: Connection, name: str) -> TableDefinition:
        """The definition as `inspect` would give it after `replace_cascades`. Raises UnfitTable where that can't do."""
        return self.inspect(connection, name)

    def replace_cascades(self, connection: Connection, name: str) -> list[str]:  # noqa: ARG002 - all is captured
        """Have done by triggers what foreign keys of this table do unnoticed on delete. Returns sentences to tell.

        `remove_capture` undoes it. May be repeated, whatever a crash has left of it.
        """
        return []

    def remarks(self, connection: Connection, name: str) -> list[str]:  # noqa: ARG002 - nothing to say is the rule
        """What of the table stays behind when its definition travels (a CHECK, a local default): a sentence each."""
        return []

    @abstractmethod
    def create_table(self, connection: Connection, definition: TableDefinition) -> None:
        """Make the table with keys, NOT NULL, defaults, unique and foreign keys and indexes."""

    @abstractmethod
    def drop_tables(self, connection: Connection, names: Sequence[str]) -> None:
        """Drop tables of the application that `create_table` has made, with all that is in them; nothing else refers to
        them."""

    @abstractmethod
    def differences(self, connection: Connection, definition: TableDefinition) -> list[str]:
        """How the existing table differs from the definition in ways that matter, one sentence each; [] if it fits.
        More columns are allowed where they are nullable or have a default."""

    def hold_table(self, connection: Connection, name: str) -> None:
        """Nobody writes to the table until this transaction ends, and whoever wrote has come to an end. Raises
        DatabaseBusy where somebody does not within our patience."""

    @abstractmethod
    def add_columns(self, connection: Connection, definition: TableDefinition, names: Sequence[str]) -> None:
        """Make these columns of the definition in the table that stands; rows that are there get what `versions` says
        that old rows get. Columns that are there already are left alone. Raises UnfitTable, DatabaseBusy."""

    # --- capture ------------------------------------------------------------------------------------------------

    @abstractmethod
    def install_capture(self, connection: Connection, table: Table) -> None:
        """Make (anew) the triggers that write the outbox, so that they fire before the application's own."""

    @abstractmethod
    def remove_capture(self, connection: Connection, table: Table) -> None: ...

    @abstractmethod
    def capture_faults(self, connection: Connection, table: Table) -> list[str]:
        """What is wrong with the table's capture (trigger removed or changed, not first to fire, table changed or
        dropped): one sentence each, [] if all is well."""

    @abstractmethod
    def captures_all(self, connection: Connection, table: Table) -> bool:
        """Do all triggers of the table's capture stand, so that nothing was written unnoticed to the columns that they
        know?"""

    def retyped(self, connection: Connection, table: Table) -> Retyped:  # noqa: ARG002 - what is typed nowhere
        """Columns whose type was changed since the capture of this version of the table was made, and the rows that
        wait. Also where it was made anew in the meantime, as long as what was captured before waits. A column that is
        gone is left out."""
        return Retyped()

    def faulty_tables(self, connection: Connection, tables: Collection[Table]) -> dict[int, list[str]]:
        """`capture_faults` of those tables that have some, by their numbers. Cheap: called at each run."""
        found = {table.id: self.capture_faults(connection, table) for table in tables}
        return {number: faults for number, faults in found.items() if faults}

    # --- collect ------------------------------------------------------------------------------------------------

    @abstractmethod
    def outbox_is_empty(self, connection: Connection) -> bool: ...

    @abstractmethod
    def outbox_mark(self, connection: Connection) -> int | None:
        """The last captured change visible now, where changes are captured in commit order, so that one collect may be
        spread over several transactions. None: it can't be (several writers), or nothing is there."""

    @abstractmethod
    def read_outbox(
        self,
        connection: Connection,
        tables: Mapping[int, Table],
        through: int | None = None,
        forms: Mapping[tuple[int, Position], Table] = NO_FORMS,
    ) -> Iterator[list[Change]]:
        """All captured changes visible in this transaction, in chunks of a few thousand, flat in memory; or those up to
        the mark `through`. `tables` are all that are replicated: what is captured of others is nobody's. `forms` are
        the versions of them that may have been captured, where captures of several can stand side by side.

        Whoever stops reading early clears only what was read.

        In group order (by the last outbox id of each transaction, protocol.md 7.1), within a group by id. Updates that
        changed nothing are left out; a changed primary key is a delete and an insert; rows that a REPLACE deleted
        silently appear as deletes. `clear_outbox` afterwards removes exactly what was read.
        """

    @abstractmethod
    def clear_outbox(self, connection: Connection) -> None: ...

    @abstractmethod
    def watch(self) -> AbstractContextManager[Callable[[], bool]]:
        """Within: a function that tells whether captured changes wait to be collected, to be asked every second or so.

        No transaction is needed, none is held and nothing is locked between two questions; a database that tells by
        itself (LISTEN) may keep a connection. Where it can't look (file missing, server down) the answer is False.
        """

    @abstractmethod
    def pending_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> set[Key]:
        """Those of `keys` that stand in the outbox, not yet collected (protocol.md 7.3). Always empty right after a
        collect where the transaction keeps other writers out."""

    # --- apply --------------------------------------------------------------------------------------------------

    @abstractmethod
    def replaying(self, connection: Connection, tables: Collection[Table]) -> AbstractContextManager[None]:
        """Within: what we write is not captured, the application's triggers on these tables stay silent, foreign keys
        are ours to check. Everything is as before when it ends, in the same transaction."""

    @abstractmethod
    def read_images(self, connection: Connection, table: Table, keys: Collection[Key]) -> dict[Key, Image]:
        """The present rows of these keys; missing ones are left out."""

    @abstractmethod
    def write_images(self, connection: Connection, table: Table, images: Sequence[Image]) -> None:
        """Insert or update by primary key, one row per key. Columns that we don't replicate keep their values."""

    @abstractmethod
    def delete_keys(self, connection: Connection, table: Table, keys: Collection[Key]) -> None: ...

    @abstractmethod
    def scan(self, connection: Connection, table: Table) -> Iterator[list[Image]]:
        """The whole table by primary key, in chunks, flat in memory."""

    @abstractmethod
    def count(self, connection: Connection, table: Table) -> int: ...

    def as_stored(
        self,
        connection: Connection,  # noqa: ARG002
        table: Table,  # noqa: ARG002
        columns: Sequence[str],  # noqa: ARG002
        rows: Sequence[tuple[Value, ...]],
    ) -> Sequence[tuple[Value, ...]]:
        """Rows of these columns as they would be read again once they are written: where columns have real types, what
        came from elsewhere may be written otherwise (portable). As they are, where values are kept as they come.

        Raises ConstraintViolation for a value that its column can't hold.
        """
        return rows

    @abstractmethod
    def comparable(self, table: Table, columns: Sequence[str]) -> Callable[[Sequence[Value]], Hashable | None]:
        """A function that maps values of these columns to something that is equal in Python exactly when the database
        calls them equal in a unique or foreign key (collation, numbers); None when a NULL takes them out of it."""

    @abstractmethod
    def foreign_keys_from_outside(
        self, connection: Connection, replicated: Collection[Table]
    ) -> list[tuple[str, ForeignKey]]:
        """(table, foreign key) of the application's other tables, as far as they refer to one of these."""

    @abstractmethod
    def find_keys(
        self,
        connection: Connection,
        table: Table,
        columns: Sequence[str],
        wanted: Collection[tuple[Value, ...]],
        *,
        hold: bool = False,
    ) -> dict[Hashable, Key]:
        """Rows by the values of a unique set of columns: {comparable(values): key} for those that exist.

        `hold`: they are parents of rows to be written; until this transaction ends nobody deletes them or changes these
        columns. Raises DatabaseBusy where somebody is about to.
        """

    @abstractmethod
    def count_rows(
        self, connection: Connection, table: Table, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
    ) -> dict[Hashable, int]:
        """How many rows have these values in these columns (children of parents): {comparable(values): count > 0}."""
