"""Tables that stand on SQLite with other types than the host's definition says."""

from __future__ import annotations

from typing import Any

import pytest
from database_places import SqlitePlace, told

from replicator.protocol.keys import pack_key
from replicator.types import ColumnDefinition, ColumnType, Table, TableDefinition, TypeKind

UUIDS = [f"{n}{n}111111-2222-3333-4444-555555555555" for n in range(1, 10)]
DEFINITION = TableDefinition(
    "things",
    (
        ColumnDefinition("id", ColumnType(TypeKind.UUID, declared="uuid"), nullable=False),
        ColumnDefinition("at", ColumnType(TypeKind.TIMESTAMP_WITH_ZONE, declared="timestamp with time zone")),
        ColumnDefinition("count", ColumnType(TypeKind.NUMERIC, precision=20, scale=0)),
        ColumnDefinition("note", ColumnType(TypeKind.TEXT)),
    ),
    ("id",),
)


@pytest.fixture
def table(place: SqlitePlace) -> Table:
    """As Django would make it."""
    place.make("CREATE TABLE things (id char(32) NOT NULL PRIMARY KEY, at datetime, count integer unsigned, note text)")
    made = Table(1, "things", DEFINITION)
    with place.database.transaction() as connection:
        assert place.database.differences(connection, DEFINITION) == []
        place.database.install_capture(connection, made)
    place.tables[1] = made
    return made


def test_rows_are_written_in_the_form_here_and_read_in_the_portable_one(place: SqlitePlace, table: Table) -> None:
    database = place.database
    images = [(uuid, f"2026-11-26 12:00:0{n}.5+00", str(n), "x") for n, uuid in enumerate(UUIDS)]
    keys = [pack_key((uuid,)) for uuid in UUIDS]
    with database.transaction() as connection, database.replaying(connection, [table]):
        database.write_images(connection, table, images)
        assert database.read_images(connection, table, keys) == dict(zip(keys, images, strict=True))
        assert [row for page in database.scan(connection, table) for row in page] == images
        compare = database.comparable(table, ["id"])
        wanted = [(uuid,) for uuid in UUIDS]
        expected = {compare(values): key for values, key in zip(wanted, keys, strict=True)}
        assert database.find_keys(connection, table, ["id"], wanted) == expected
        assert database.count_rows(connection, table, ["id"], wanted) == dict.fromkeys(expected, 1)
        database.delete_keys(connection, table, keys[1:])
    assert place.run("SELECT id, at, count, typeof(count) FROM things") == [
        (UUIDS[0].replace("-", ""), "2026-11-26 12:00:00.5", 0, "integer")
    ]


def test_what_the_application_writes_is_captured_in_the_portable_form(place: SqlitePlace, table: Table) -> None:
    digits = UUIDS[0].replace("-", "")
    place.run("INSERT INTO things VALUES (?, '2026-11-26 12:00:00.500000', 7, 'a')", digits)
    with place.database.transaction() as connection:
        key = pack_key((UUIDS[0],))
        assert place.database.pending_keys(connection, table, [key]) == {key}
    place.run("UPDATE things SET at = '2026-11-27 12:00:00', note = 'b'")
    place.run("DELETE FROM things")
    changes = place.collect()
    first = (UUIDS[0], "2026-11-26 12:00:00.500000+00", "7", "a")
    second = (UUIDS[0], "2026-11-27 12:00:00+00", "7", "b")
    assert told(changes) == [
        ("I", first, 0b1111, None),
        ("U", second, 0b1010, (first[1], "a")),
        ("D", None, 0, second),
    ]
    assert {change.key for change in changes} == {key}


KINDS: list[tuple[ColumnType, str, str | None]] = [
    (ColumnType(TypeKind.UUID), "char(32)", None),
    (ColumnType(TypeKind.UUID), "varchar(36)", None),
    (ColumnType(TypeKind.UUID), "integer", "not UUID"),
    (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "datetime", None),
    (ColumnType(TypeKind.TIMESTAMP), "datetime", None),
    (ColumnType(TypeKind.TIMESTAMP), "text", None),
    (ColumnType(TypeKind.TIMESTAMP), "integer", "not TIMESTAMP"),
    (ColumnType(TypeKind.BOOLEAN), "bool", None),
    (ColumnType(TypeKind.BOOLEAN), "smallint", None),
    (ColumnType(TypeKind.NUMERIC, precision=10, scale=2, declared="numeric(10,2)"), "decimal", None),
    (ColumnType(TypeKind.NUMERIC, precision=19, scale=2), "decimal", "rounds to 15 digits"),
    (ColumnType(TypeKind.NUMERIC, precision=19, scale=2), "text", None),
    (ColumnType(TypeKind.NUMERIC, precision=20, scale=0), "bigint unsigned", None),
    (ColumnType(TypeKind.JSON, declared="jsonb"), "text", None),
    (ColumnType(TypeKind.INTERVAL), "bigint", "has the type bigint, not TEXT"),
    (ColumnType(TypeKind.INTERVAL, declared="interval"), "text", None),
    (ColumnType(TypeKind.INTERVAL, declared="interval"), "bigint", "not interval"),
    (ColumnType(TypeKind.TEXT, declared="inet"), "char(39)", None),
    (ColumnType(TypeKind.TEXT, length=20), "text", None),
    (ColumnType(TypeKind.INTEGER, bits=32, declared="integer"), "integer unsigned", None),
    (ColumnType(TypeKind.BLOB, declared="bytea"), "BLOB", None),
    (ColumnType(TypeKind.REAL, bits=64, declared="double precision"), "real", None),
]


@pytest.mark.parametrize(("wanted", "declared", "words"), KINDS)
def test_which_types_hold_which(place: SqlitePlace, wanted: Any, declared: str, words: str | None) -> None:
    place.make(f"CREATE TABLE one (id integer PRIMARY KEY, value {declared})")
    columns = (
        ColumnDefinition("id", ColumnType(TypeKind.INTEGER), nullable=False),
        ColumnDefinition("value", wanted),
    )
    with place.database.transaction() as connection:
        found = place.database.differences(connection, TableDefinition("one", columns, ("id",)))
    assert (found == []) if words is None else (len(found) == 1 and words in found[0]), found
