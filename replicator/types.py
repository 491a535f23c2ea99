"""Words that every layer shares: values, keys, positions, rules and portable table definitions.

Nothing here does I/O. A *key* is the canonical msgpack array of a row's primary key values, as bytes: it is what the
journal, the row versions and the wire use to name a row, whatever the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""A portable value: None, int (64 bits), float, str, bytes. Text that is not valid UTF-8 is a str with surrogate
escapes (PEP 383), so that it comes through bit for bit."""

DOUBLE_DIGITS = 15
"""Decimal digits that a float always gives back as they were."""

Image: TypeAlias = tuple[Value, ...]
"""A whole row, in the order of `TableDefinition.columns`."""

Key: TypeAlias = bytes
Position: TypeAlias = tuple[int, int]
"""(host epoch, n): names a group in the host's log and a row's version; compared lexicographically. A station's own
journal uses host epoch 0 and n = its sequence number."""

Epoch: TypeAlias = tuple[int, int]
"""Incarnation of a stream. A station's stream: (0, e). A host's stream to a link: (host epoch, k)."""

NOWHERE: Position = (0, 0)

HOST_PEER = 0
"""Number of the host in a station's tables, and of 'this node itself' as an origin in any journal."""


class Role(StrEnum):
    HOST = "host"
    STATION = "station"


class Kinds(IntFlag):
    """Kinds of change that a rule lets pass in one direction."""

    NONE = 0
    NEW = 1
    CHANGED = 2
    DELETED = 4
    ALL = 7

    @classmethod
    def parse(cls, text: str) -> Kinds:
        """Read 'new,changed,deleted', 'all' or 'none'. Raises ValueError with the unknown word."""
        kinds = cls.NONE
        for word in (part.strip().lower() for part in text.split(",")):
            if word in ("", "none"):
                continue
            if word not in ("new", "changed", "deleted", "all"):
                raise ValueError(word)
            kinds |= cls[word.upper()]
        return kinds

    def __str__(self) -> str:
        names = [kind.name.lower() for kind in (Kinds.NEW, Kinds.CHANGED, Kinds.DELETED) if kind in self and kind.name]
        return ",".join(names) or "none"


@dataclass(frozen=True, slots=True)
class Rule:
    """What may pass for one table and one station, seen from the host: down (to remote) and up (to host)."""

    to_remote: Kinds = Kinds.NONE
    to_host: Kinds = Kinds.NONE

    def __bool__(self) -> bool:
        return bool(self.to_remote or self.to_host)


NO_RULE = Rule()


class TypeKind(StrEnum):
    """Portable column types; each database maps them to its own (databases/*/definitions)."""

    INTEGER = "integer"
    REAL = "real"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    TEXT = "text"
    BLOB = "blob"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMP_WITH_ZONE = "timestamptz"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    ANY = "any"
    """SQLite's typeless column: each value has a type of its own."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    kind: TypeKind
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    bits: int | None = None
    """Width of an integer or real, where the source has one: 16, 32 or 64."""
    declared: str | None = None
    """The type as the source database wrote it; used again only by a database of the same name."""


@dataclass(frozen=True, slots=True)
class Default:
    """A column default: a literal value, or an expression every database knows (now, today, true, false)."""

    literal: Value = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    name: str
    type: ColumnType
    nullable: bool = True
    default: Default | None = None
    collation: str | None = None


@dataclass(frozen=True, slots=True)
class UniqueKey:
    columns: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    name: str | None = None
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """A table as it travels: what a station needs to make the same table on its own database."""

    name: str
    columns: tuple[ColumnDefinition, ...]
    primary_key: tuple[str, ...]
    unique_keys: tuple[UniqueKey, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    autoincrement: bool = False
    """The single integer key column counts by itself and never hands a number out twice."""
    options: tuple[str, ...] = ()
    """Words such as 'strict' or 'without rowid', used again only by a database that knows them."""
    _index: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        self._index.update((column.name, index) for index, column in enumerate(self.columns))

    def index_of(self, column: str) -> int:
        """Place of a column in an image. Raises KeyError."""
        return self._index[column]

    def indexes_of(self, columns: Iterable[str]) -> tuple[int, ...]:
        return tuple(self._index[column] for column in columns)

    @property
    def key_indexes(self) -> tuple[int, ...]:
        return self.indexes_of(self.primary_key)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


class Policy(StrEnum):
    """Who wins where host and station changed a row without knowing of one another (protocol.md 5.7 step 3)."""

    HOST = "host"
    STATION = "station"
    NEWEST = "newest"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Table:
    """A replicated table: its number (given by the host, the same everywhere), its area and definition.

    A number below 0: one of the application's others, of which only a key to a replicated one is known.
    """

    id: int
    name: str
    definition: TableDefinition
    area: str | None = None
    policy: Policy = Policy.HOST
    version: Position = NOWHERE
    """Of the definition (protocol.md 7.8): (host epoch, number); NOWHERE for the one that it was added with."""
    ids: tuple[int, ...] = ()
    """Of its columns: a column keeps its number whatever it is called, and no other column ever gets it. Empty: 1, 2
    and so on, as in every table's first version."""

    @property
    def column_ids(self) -> tuple[int, ...]:
        return self.ids or tuple(range(1, len(self.definition.columns) + 1))

    @property
    def form(self) -> tuple[int, Position]:
        """Names this version among those of all tables."""
        return self.id, self.version

    @property
    def is_outside(self) -> bool:
        return self.id < 0


class Operation(StrEnum):
    """What the trigger saw, and what the journal keeps."""

    INSERT = "I"
    UPDATE = "U"
    DELETE = "D"


class ChangeClass(StrEnum):
    """What a record did to the host's row: absent to present, present to present, to absent (protocol.md 7.9)."""

    NEW = "N"
    CHANGED = "C"
    DELETED = "D"

    @property
    def kind(self) -> Kinds:
        return {"N": Kinds.NEW, "C": Kinds.CHANGED, "D": Kinds.DELETED}[self.value]


class Tie(StrEnum):
    """How a station's row is tied to the host's row of that key (protocol.md 2); none of these: private."""

    SHARED = "S"
    DETACHED = "T"
    HIDDEN = "H"
    NONE = ""
