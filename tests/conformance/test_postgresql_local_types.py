"""Tables that stand on PostgreSQL with other types than the host says; values that are written otherwise here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from replicator.errors import ConstraintViolation
from replicator.protocol.keys import pack_key
from replicator.types import ColumnDefinition, ColumnType, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from postgresql_places import PostgresqlPlace


UUID = "11111111-2222-3333-4444-55555555555a"
DIGITS = UUID.replace("-", "")


@pytest.fixture
def place(new_place: Callable[[str], PostgresqlPlace]) -> PostgresqlPlace:
    return new_place("postgresql")


def numeric(precision: int | None, scale: int | None = None, declared: str | None = None) -> ColumnType:
    return ColumnType(TypeKind.NUMERIC, precision=precision, scale=scale, declared=declared)


CARRIED: list[tuple[ColumnType, str, Any, str]] = [
    (ColumnType(TypeKind.TEXT, length=32, declared="char(32)"), "uuid", DIGITS, UUID),
    (ColumnType(TypeKind.UUID), "char(32)", UUID, DIGITS),
    (ColumnType(TypeKind.UUID), "varchar(36)", UUID, UUID),
    (ColumnType(TypeKind.TIMESTAMP), "timestamptz", "2026-11-26 12:00:00.5", "2026-11-26 12:00:00.5+00"),
    (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "timestamp", "2026-11-26 12:00:00.5+00", "2026-11-26 12:00:00.5"),
    (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "timestamp", "infinity", "infinity"),
    (ColumnType(TypeKind.BOOLEAN, declared="bool"), "boolean", 1, "true"),
    (ColumnType(TypeKind.BOOLEAN), "smallint", 1, "1"),
    (ColumnType(TypeKind.TEXT, declared="text"), "jsonb", '{"a": 1}', '{"a": 1}'),
    (ColumnType(TypeKind.JSON), "text", '{"a":1}', '{"a":1}'),
    (ColumnType(TypeKind.TEXT, length=39, declared="char(39)"), "inet", "10.0.0.1", "10.0.0.1/32"),
    (ColumnType(TypeKind.INTEGER, declared="integer unsigned"), "integer", 7, "7"),
    (ColumnType(TypeKind.INTEGER, declared="INTEGER"), "bigint", 7, "7"),
    (numeric(None, declared="decimal"), "numeric(10,2)", 12.5, "12.50"),
    (numeric(20, 0), "numeric(20,0)", "18446744073709551615", "18446744073709551615"),
    (numeric(9, 0), "integer", 7, "7"),
    (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "text", "x", "x"),
    (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "varchar(30)", "x", "x"),
]  # fmt: skip
REFUSED: list[tuple[ColumnType, str, str]] = [
    (ColumnType(TypeKind.INTEGER, declared="bigint"), "interval", "has the type interval, not bigint"),
    (ColumnType(TypeKind.INTERVAL), "bigint", "has the type bigint, not interval"),
    (ColumnType(TypeKind.INTEGER, bits=64), "integer", "not bigint"),
    (ColumnType(TypeKind.TEXT), "varchar(10)", "holds less than any number of characters"),
    (ColumnType(TypeKind.TEXT, length=20), "varchar(10)", "holds less than 20 characters"),
    (ColumnType(TypeKind.TEXT), "integer", "not text"),
    (ColumnType(TypeKind.TEXT), "char(200)", "pads with blanks"),
    (numeric(19, 2), "numeric(10,2)", "not numeric(19,2)"),
    (numeric(19, 2), "numeric(20,4)", "not numeric(19,2)"),
    (ColumnType(TypeKind.TIMESTAMP), "date", "has the type date, not timestamp"),
    (ColumnType(TypeKind.ANY, declared=""), "text", "values of any type"),
    (ColumnType(TypeKind.REAL), "real", "not double precision"),
]


def one(wanted: ColumnType) -> TableDefinition:
    columns = (
        ColumnDefinition("id", ColumnType(TypeKind.INTEGER), nullable=False),
        ColumnDefinition("value", wanted),
    )
    return TableDefinition("one", columns, ("id",))


def test_values_go_there_and_back(place: PostgresqlPlace) -> None:
    for wanted, declared, value, stored in CARRIED:
        place.make("DROP TABLE IF EXISTS one", f"CREATE TABLE one (id integer PRIMARY KEY, value {declared})")
        definition = one(wanted)
        table = Table(1, "one", definition)
        with place.database.transaction() as connection:
            assert place.database.differences(connection, definition) == [], declared
            place.database.install_capture(connection, table)
            with place.database.replaying(connection, [table]):
                place.database.write_images(connection, table, [(1, value)])
            key = pack_key((1,))
            assert place.database.read_images(connection, table, [key])[key] == (1, value), declared
            kept = place.database.as_stored(connection, table, ["value"], [(value,)])
            assert kept == [(value,)], declared
        place.tables[1] = table
        place.run("SET TimeZone = 'UTC'")
        place.run("SET DateStyle = 'ISO'")
        assert place.run("SELECT value::text FROM one") == [(stored,)], declared
        place.run("UPDATE one SET id = 2")
        assert [change.image for change in place.collect()] == [None, (2, value)], declared


@pytest.mark.parametrize(("wanted", "declared", "words"), REFUSED)
def test_what_does_not_fit_is_refused_by_name(
    place: PostgresqlPlace, wanted: ColumnType, declared: str, words: str
) -> None:
    place.make(f"CREATE TABLE one (id integer PRIMARY KEY, value {declared})")
    with place.database.transaction() as connection:
        (found,) = place.database.differences(connection, one(wanted))
    assert found.startswith("Column one.value ")
    assert words in found


WRITTEN_OTHERWISE: list[tuple[str, Any, Any]] = [
    ("timestamp", "2026-11-26T12:00:00.500000", "2026-11-26 12:00:00.5"),
    ("timestamp(0)", "2026-11-26 12:00:00.6", "2026-11-26 12:00:01"),
    ("timestamptz", "2026-11-26 12:00:00+05:30", "2026-11-26 06:30:00+00"),
    ("time", "12:00", "12:00:00"),
    ("date", "20261126", "2026-11-26"),
    ("uuid", UUID.upper(), UUID),
    ("numeric(10,2)", "1.555", 1.56),
    ("numeric(10,2)", 3.0, 3),
    ("numeric(19,2)", "1.5", "1.50"),
    ("numeric", "1.50", "1.50"),
    ("boolean", "yes", 1),
    ("integer", "7", 7),
    ("double precision", 1, 1.0),
    ("char(5)", "ab  ", "ab"),
    ("jsonb", '{"b":1,"a":2}', '{"a": 2, "b": 1}'),
    ("json", 5, "5"),
    ("interval", "90 minutes", "PT1H30M"),
    ("inet", "10.0.0.1/32", "10.0.0.1"),
    ("integer[]", "{1, 2}", "{1,2}"),
    ("text", "1.50", "1.50"),
    ("bytea", b"\0", b"\0"),
]


def test_values_as_they_would_be_read_again(place: PostgresqlPlace) -> None:
    columns = ", ".join(f"c{number} {declared}" for number, (declared, _, _) in enumerate(WRITTEN_OTHERWISE))
    place.make(f"CREATE TABLE things (id integer PRIMARY KEY, {columns})")
    (table,) = place.replicate("things")
    names = table.definition.column_names
    sent = (1, *(value for _, value, _ in WRITTEN_OTHERWISE))
    with place.database.transaction() as connection, place.database.replaying(connection, [table]):
        nulls = (2, *[None] * len(WRITTEN_OTHERWISE))
        (stored, same) = place.database.as_stored(connection, table, names, [sent, nulls])
        assert same == nulls
        expected = (1, *(value for _, _, value in WRITTEN_OTHERWISE))
        assert list(map(repr, stored)) == list(map(repr, expected))
        place.database.write_images(connection, table, [sent])
        key = pack_key((1,))
        assert place.database.read_images(connection, table, [key])[key] == stored
        again = [stored]
        assert place.database.as_stored(connection, table, names, again) is not None
        assert list(place.database.as_stored(connection, table, names, again)) == [stored]


def test_a_key_that_would_be_written_otherwise_is_refused(place: PostgresqlPlace) -> None:
    place.make("CREATE TABLE days (day timestamp, note text, PRIMARY KEY (day))")
    (table,) = place.replicate("days")
    with (
        pytest.raises(ConstraintViolation, match=r"The key 2026-11-26 12:00 of table days can be stored here only as"),
        place.database.transaction() as connection,
    ):
        place.database.write_images(connection, table, [("2026-11-26 12:00", "x")])


def test_wide_numbers_are_one_key_whatever_their_zeros(place: PostgresqlPlace) -> None:
    place.make(
        "CREATE TABLE amounts (amount numeric(30,10) PRIMARY KEY, other numeric(30,10))",
        "CREATE TABLE notes (id integer PRIMARY KEY, amount numeric(30,10) REFERENCES amounts)",
    )
    amounts, notes = place.replicate("amounts", "notes")
    place.run("INSERT INTO amounts VALUES (1.5, 1.5)")
    place.run("INSERT INTO notes VALUES (1, 1.5)")
    first, second = place.collect()
    assert (first.key, first.image) == (pack_key(("1.5",)), ("1.5", "1.5000000000"))
    assert second.image == (1, "1.5")
    with place.database.transaction() as connection:
        assert place.database.read_images(connection, amounts, [first.key]) == {first.key: first.image}
        assert place.database.find_keys(connection, amounts, ["amount"], [("1.50",)]) != {}
        assert place.database.read_images(connection, notes, [second.key]) == {second.key: second.image}
