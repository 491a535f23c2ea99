"""What a host says of a station's database that it can't see is what that database says when the table comes there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from replicator.databases.elsewhere import outlook
from replicator.databases.limits import Outlook
from replicator.errors import ReplicatorError
from replicator.types import (
    ColumnDefinition,
    ColumnType,
    ForeignKey,
    Index,
    Table,
    TableDefinition,
    TypeKind,
    UniqueKey,
)

TYPES = {
    "smallint": ColumnType(TypeKind.INTEGER, bits=16),
    "unsigned": ColumnType(TypeKind.NUMERIC, precision=20, scale=0),
    "double": ColumnType(TypeKind.REAL, bits=64),
    "numeric": ColumnType(TypeKind.NUMERIC),
    "numeric(65,38)": ColumnType(TypeKind.NUMERIC, precision=65, scale=38),
    "numeric(66,2)": ColumnType(TypeKind.NUMERIC, precision=66, scale=2),
    "numeric(60,39)": ColumnType(TypeKind.NUMERIC, precision=60, scale=39),
    "numeric(2,-3)": ColumnType(TypeKind.NUMERIC, precision=2, scale=-3),
    "numeric(2000,5)": ColumnType(TypeKind.NUMERIC, precision=2000, scale=5, declared="NUMERIC(2000,5)"),
    "boolean": ColumnType(TypeKind.BOOLEAN),
    "text": ColumnType(TypeKind.TEXT),
    "text of PostgreSQL": ColumnType(TypeKind.TEXT, declared="text"),
    "blob of SQLite": ColumnType(TypeKind.BLOB, declared="blob"),
    "datetime of SQLite": ColumnType(TypeKind.TIMESTAMP, declared="datetime"),
    "varchar(40)": ColumnType(TypeKind.TEXT, length=40),
    "varchar(1000)": ColumnType(TypeKind.TEXT, length=1000),
    "varchar(99999999)": ColumnType(TypeKind.TEXT, length=99_999_999, declared="VARCHAR(99999999)"),
    "varchar(-5)": ColumnType(TypeKind.TEXT, length=-5, declared="VARCHAR(-5)"),
    "point": ColumnType(TypeKind.TEXT, declared="point"),
    "integer[]": ColumnType(TypeKind.TEXT, declared="integer[]"),
    "blob": ColumnType(TypeKind.BLOB),
    "date": ColumnType(TypeKind.DATE),
    "time": ColumnType(TypeKind.TIME),
    "timestamp": ColumnType(TypeKind.TIMESTAMP),
    "timestamptz": ColumnType(TypeKind.TIMESTAMP_WITH_ZONE),
    "interval": ColumnType(TypeKind.INTERVAL),
    "uuid": ColumnType(TypeKind.UUID),
    "json": ColumnType(TypeKind.JSON),
    "any": ColumnType(TypeKind.ANY, declared=""),
}
IN_KEYS = {
    "numeric",
    "text",
    "text of PostgreSQL",
    "blob of SQLite",
    "varchar(1000)",
    "blob",
    "interval",
    "json",
    "any",
}
"""Whose keys are a matter of their own."""
INTEGER = ColumnType(TypeKind.INTEGER, bits=32)
TEXT = TYPES["text"]


def table(name: str, *columns: tuple[str, ColumnType], **more: Any) -> TableDefinition:
    """With a column `id` that is its key."""
    made = [ColumnDefinition("id", INTEGER, nullable=False), *(ColumnDefinition(*column) for column in columns)]
    return TableDefinition(name, tuple(made), more.pop("primary_key", ("id",)), **more)


def of_each_type() -> dict[str, TableDefinition]:
    found = {}
    for words, kind in TYPES.items():
        found[words] = table("t", ("c", kind))
        if words not in IN_KEYS:
            continue
        found[f"{words} in the key"] = replace(
            found[words],
            columns=(found[words].columns[0], ColumnDefinition("c", kind, nullable=False)),
            primary_key=("c",),
        )
        found[f"{words} unique"] = replace(found[words], unique_keys=(UniqueKey(("c",)),))
        found[f"{words} in an index"] = replace(found[words], indexes=(Index("t_c", ("c",)),))
    return found


def wide(count: int, kind: ColumnType) -> TableDefinition:
    return table("t", *((f"c{number}", kind) for number in range(count)))


def keyed(count: int, kind: ColumnType) -> TableDefinition:
    made = wide(count, kind)
    return replace(made, unique_keys=(UniqueKey(made.column_names[1:]),))


def in_key(count: int, kind: ColumnType) -> TableDefinition:
    columns = tuple(ColumnDefinition(f"c{number}", kind, nullable=False) for number in range(count))
    return TableDefinition("t", columns, tuple(column.name for column in columns))


def on_index(count: int, kind: ColumnType) -> TableDefinition:
    made = wide(count, kind)
    return replace(made, indexes=(Index("t_all", made.column_names[1:]),))


def indexed(count: int) -> TableDefinition:
    made = wide(count, INTEGER)
    return replace(made, indexes=tuple(Index(f"t_{name}", (name,)) for name in made.column_names[1:]))


PARENT = table(
    "parents",
    ("code", INTEGER),
    ("word", TYPES["varchar(40)"]),
    unique_keys=(UniqueKey(("code",)),),
    indexes=(Index("parents_word", ("word",)),),
)
DEFINITIONS = {
    **of_each_type(),
    "63 bytes": table("t", ("ä" * 31 + "a", TEXT)),
    "64 bytes": table("t", ("ä" * 32, TEXT)),
    "64 letters": table("t" * 64),
    "65 letters": table("t", ("c" * 65, TEXT)),
    "a blank at the end": table("t", ("c ", TEXT)),
    "a smile": table("t", ("c😀", TEXT)),
    "capitals": table("t", ("name", TEXT), ("Name", TEXT)),
    "capitals with dots": table("t", ("ä", TEXT), ("Ä", TEXT)),
    "a system column": table("t", ("xmin", TEXT)),
    "reserved words": table("order", ("select", TEXT), ("group", TEXT)),
    "sqlite's own name": table("sqlite_orders"),
    "many texts": wide(189, TEXT),
    "too many texts": wide(193, TEXT),
    "many short texts": wide(60, TYPES["varchar(40)"]),
    "too many numbers": wide(260, TYPES["unsigned"]),
    "long texts": wide(16, TYPES["varchar(1000)"]),
    "too many long texts": wide(17, TYPES["varchar(1000)"]),
    "a key of texts": keyed(12, TEXT),
    "a key of 16": keyed(16, INTEGER),
    "a key of 32": keyed(32, INTEGER),
    "a key of 33": keyed(33, INTEGER),
    "a long unique key": keyed(8, TYPES["interval"]),
    "a key of intervals": in_key(7, TYPES["interval"]),
    "a key of too many intervals": in_key(8, TYPES["interval"]),
    "an index on too many intervals": on_index(8, TYPES["interval"]),
    "a key of numbers": keyed(20, TYPES["numeric"]),
    "64 indexes": indexed(63),
    "65 indexes": indexed(64),
    "numbers that count": table("t", autoincrement=True),
    "a boolean that counts": replace(
        table("t"), columns=(ColumnDefinition("id", TYPES["boolean"], nullable=False),), autoincrement=True
    ),
    "a numeric that counts": replace(
        table("t"), columns=(ColumnDefinition("id", TYPES["unsigned"], nullable=False),), autoincrement=True
    ),
    "a text that counts": replace(
        table("t"), columns=(ColumnDefinition("id", TYPES["varchar(40)"], nullable=False),), autoincrement=True
    ),
    "a child": table("t", ("of", INTEGER), foreign_keys=(ForeignKey(("of",), "parents", ("code",)),)),
    "a child of another type": table("t", ("of", TEXT), foreign_keys=(ForeignKey(("of",), "parents", ("id",)),)),
    "a child of no key": table(
        "t", ("of", TYPES["varchar(40)"]), foreign_keys=(ForeignKey(("of",), "parents", ("word",)),)
    ),
    "children that go": table(
        "t", ("of", INTEGER), foreign_keys=(ForeignKey(("of",), "parents", ("id",), on_delete="CASCADE"),)
    ),
    "children that are set": table(
        "t", ("of", INTEGER), foreign_keys=(ForeignKey(("of",), "parents", ("id",), on_delete="SET DEFAULT"),)
    ),
    "a tree": table("t", ("of", INTEGER), foreign_keys=(ForeignKey(("of",), "t", ("id",), on_delete="CASCADE"),)),
}
OURS = {
    ("any", "postgresql"),  # it would be text
    ("any in the key", "postgresql"),
    ("any unique", "postgresql"),
    ("any in an index", "postgresql"),
    ("64 bytes", "postgresql"),  # the name would be cut
    ("65 letters", "postgresql"),
    ("64 letters", "postgresql"),
    ("children that are set", "mariadb"),  # the key would do nothing
    ("a tree", "mariadb"),  # the key would cascade, and nobody notice
}
"""What we refuse and the database would take."""


def numbered(definition: TableDefinition, number: int) -> TableDefinition:
    """Under a name of its own, where the name doesn't matter."""
    if definition.name != "t":
        return definition
    keys = tuple(replace(key, parent=f"t{number}") if key.parent == "t" else key for key in definition.foreign_keys)
    return replace(definition, name=f"t{number}", foreign_keys=keys)


def is_taken(place: Any, connection: Connection, number: int, definition: TableDefinition) -> bool:
    """Made, found to be like it, and captured."""
    try:
        with connection.begin_nested():
            place.database.create_table(connection, definition)
            place.database.install_capture(connection, Table(number, definition.name, definition))
            return not place.database.differences(connection, definition)
    except (ReplicatorError, connection.dialect.loaded_dbapi.Error):
        return False


def test_what_is_told_beforehand_is_what_happens(each_place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every definition is made, whatever we think of it, and the database's own answer held against ours."""
    kind = each_place.database.name
    monkeypatch.setattr(Outlook, "require_makeable", lambda _outlook: None)
    wrong = {}
    with each_place.database.transaction() as connection:
        assert is_taken(each_place, connection, 1, PARENT)
        for number, (what, plain) in enumerate(DEFINITIONS.items(), start=2):
            definition = numbered(plain, number)
            told = outlook(kind, definition, {"parents": PARENT})
            taken = is_taken(each_place, connection, number, definition)
            if taken == bool(told.refused or told.unmade) and (what, kind) not in OURS:
                wrong[what] = (taken, told.refused, told.unmade)
    assert wrong == {}
