"""Tables that stand on MariaDB with other types than the host says; values that are written otherwise here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from replicator.errors import ConstraintViolation
from replicator.protocol.keys import pack_key
from replicator.types import ColumnDefinition, ColumnType, Table, TableDefinition, TypeKind

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace


UUID = "11111111-2222-3333-4444-55555555555a"
DIGITS = UUID.replace("-", "")


@pytest.fixture
def place(new_place: Callable[[str], MariadbPlace]) -> MariadbPlace:
    return new_place("mariadb")


def numeric(precision: int | None, scale: int | None = None, declared: str | None = None) -> ColumnType:
    return ColumnType(TypeKind.NUMERIC, precision=precision, scale=scale, declared=declared)


CARRIED: list[tuple[ColumnType, str, Any, str]] = [
    (ColumnType(TypeKind.TEXT, length=32, declared="char(32)"), "uuid", DIGITS, UUID),
    (ColumnType(TypeKind.UUID), "char(32)", UUID, DIGITS),
    (ColumnType(TypeKind.UUID), "varchar(36)", UUID, UUID),
    (ColumnType(TypeKind.UUID), "uuid", UUID, UUID),
    (ColumnType(TypeKind.TIMESTAMP), "timestamp(6) NULL", "2026-11-26 12:00:00.5", "2026-11-26 12:00:00.500000"),
    (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "datetime(6)", "2026-11-26 12:00:00.5+00", "2026-11-26 12:00:00.500000"),
    (ColumnType(TypeKind.TIMESTAMP_WITH_ZONE), "datetime", "2050-11-26 12:00:00+00", "2050-11-26 12:00:00"),
    (ColumnType(TypeKind.BOOLEAN, declared="bool"), "tinyint(1)", 1, "1"),
    (ColumnType(TypeKind.BOOLEAN), "bit", 1, "\x01"),
    (ColumnType(TypeKind.TEXT, declared="text"), "longtext", '{"a": 1}', '{"a": 1}'),
    (ColumnType(TypeKind.JSON), "json", '{"a":1}', '{"a":1}'),
    (ColumnType(TypeKind.JSON), "longtext", '{"a":1}', '{"a":1}'),
    (ColumnType(TypeKind.TEXT, length=39, declared="char(39)"), "inet6", "2001:db8::1", "2001:db8::1"),
    (ColumnType(TypeKind.INTEGER, declared="integer unsigned"), "int unsigned", 7, "7"),
    (ColumnType(TypeKind.INTEGER, declared="INTEGER"), "bigint", 7, "7"),
    (ColumnType(TypeKind.INTEGER, bits=16, declared="smallint"), "smallint unsigned", 7, "7"),
    (numeric(None, declared="decimal"), "decimal(10,2)", 12.5, "12.50"),
    (numeric(20, 0), "bigint unsigned", "18446744073709551615", "18446744073709551615"),
    (numeric(30, 10), "decimal(30,10)", "1.5000000000", "1.5000000000"),
    (numeric(None), "decimal(65,30)", "1.5", "1.500000000000000000000000000000"),
    (numeric(9, 0), "int", 7, "7"),
    (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "text", "x", "x"),
    (ColumnType(TypeKind.TEXT, length=20, declared="varchar(20)"), "varchar(30)", "x", "x"),
    (ColumnType(TypeKind.INTERVAL), "varchar(100)", "P1D", "P1D"),
]
REFUSED: list[tuple[ColumnType, str, str]] = [
    (ColumnType(TypeKind.INTERVAL), "bigint", "has the type bigint(20), not varchar(100)"),
    (ColumnType(TypeKind.INTEGER, bits=64), "int", "has the type int(11), not bigint"),
    (ColumnType(TypeKind.INTEGER), "bigint unsigned", "holds no negative numbers"),
    (ColumnType(TypeKind.TEXT), "varchar(10)", "holds less than any number of characters"),
    (ColumnType(TypeKind.TEXT, length=20), "varchar(10)", "holds less than 20 characters"),
    (ColumnType(TypeKind.TEXT), "int", "not longtext"),
    (ColumnType(TypeKind.TEXT), "char(200)", "cuts blanks off"),
    (ColumnType(TypeKind.BLOB), "binary(20)", "pads with zeros"),
    (numeric(19, 2), "decimal(10,2)", "not decimal(19,2)"),
    (numeric(19, 2), "decimal(20,4)", "not decimal(19,2)"),
    (numeric(80, 2), "decimal(65,2)", "no numbers of 80 digits"),
    (ColumnType(TypeKind.TIMESTAMP), "date", "has the type date, not datetime(6)"),
    (ColumnType(TypeKind.ANY, declared=""), "longtext", "holds values of any"),
    (ColumnType(TypeKind.REAL), "float", "has the type float, not double"),
]


def one(wanted: ColumnType) -> TableDefinition:
    columns = (
        ColumnDefinition("id", ColumnType(TypeKind.INTEGER), nullable=False),
        ColumnDefinition("value", wanted),
    )
    return TableDefinition("one", columns, ("id",))


def test_values_go_there_and_back(place: MariadbPlace) -> None:
    for wanted, declared, value, stored in CARRIED:
        place.make("DROP TABLE IF EXISTS one", f"CREATE TABLE one (id bigint PRIMARY KEY, value {declared})")
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
        place.run("SET time_zone = '+00:00'")
        assert place.run("SELECT CAST(value AS CHAR) FROM one") == [(stored,)], declared
        place.run("UPDATE one SET id = 2")
        assert [change.image for change in place.collect()] == [None, (2, value)], declared


def test_what_does_not_fit_is_refused_by_name(place: MariadbPlace) -> None:
    for wanted, declared, words in REFUSED:
        place.make("DROP TABLE IF EXISTS one", f"CREATE TABLE one (id bigint PRIMARY KEY, value {declared})")
        with place.database.transaction() as connection:
            (found,) = place.database.differences(connection, one(wanted))
        assert found.startswith("Column one.value ")
        assert words in found


WRITTEN_OTHERWISE: list[tuple[str, Any, Any]] = [
    ("datetime(6)", "2026-11-26T12:00:00.500000", "2026-11-26 12:00:00.5"),
    ("datetime", "2026-11-26 12:00:00.6", "2026-11-26 12:00:00"),
    ("datetime(3)", "2026-11-26", "2026-11-26 00:00:00"),
    ("timestamp NULL", "2026-11-26 12:00:00+05:30", "2026-11-26 06:30:00+00"),
    ("time", "12:00", "12:00:00"),
    ("time(2)", "-1:02:03.456", "-01:02:03.45"),
    ("date", "2026-11-26 00:00:00", "2026-11-26"),
    ("uuid", UUID.upper(), UUID),
    ("decimal(10,2)", "1.555", 1.56),
    ("decimal(10,2)", 0.1 + 0.2, 0.3),
    ("decimal(10,2)", 3.0, 3),
    ("decimal(19,2)", "1.5", "1.50"),
    ("decimal(65,2)", "-0.001", "0.00"),
    ("decimal(40,2)", 1e20, "100000000000000000000.00"),
    ("boolean", "1", 1),
    ("integer", "7", 7),
    ("integer", 7.0, 7),
    ("double", 1, 1.0),
    ("double", -0.0, 0.0),
    ("float", 0.1 + 0.2, 0.3),
    ("bit(4)", "11", "0011"),
    ("char(5)", "ab  ", "ab"),
    ("binary(3)", b"a", b"a\0\0"),
    ("json", 5, "5"),
    ("inet6", "2001:DB8:0::1", "2001:db8::1"),
    ("text", "1.50", "1.50"),
    ("text", 1.5, "1.5"),
    ("blob", "ä", "ä".encode()),
]


def test_values_as_they_would_be_read_again(place: MariadbPlace) -> None:
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
        assert list(map(repr, place.database.read_images(connection, table, [key])[key])) == list(map(repr, stored))
        again = [stored]
        assert place.database.as_stored(connection, table, names, again) is again


def test_a_key_that_would_be_written_otherwise_is_refused(place: MariadbPlace) -> None:
    place.make("CREATE TABLE days (day datetime, note text, PRIMARY KEY (day))")
    (table,) = place.replicate("days")
    with (
        pytest.raises(ConstraintViolation, match=r"The key 2026-11-26 12:00 of table days can be stored here only as"),
        place.database.transaction() as connection,
    ):
        place.database.write_images(connection, table, [("2026-11-26 12:00", "x")])


def test_wide_numbers_are_one_key_whatever_their_zeros(place: MariadbPlace) -> None:
    place.make(
        "CREATE TABLE amounts (amount decimal(30,10) PRIMARY KEY, other decimal(30,10))",
        "CREATE TABLE notes (id integer PRIMARY KEY, amount decimal(30,10) REFERENCES amounts (amount))",
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
