"""Tables that stand on a server with other types than the host says; values that are written otherwise there."""

from __future__ import annotations

from typing import Any

import pytest
from local_types import CARRIED, REFUSED, WRITTEN_OTHERWISE

from replicator.errors import ConstraintViolation
from replicator.protocol.keys import pack_key
from replicator.types import ColumnDefinition, ColumnType, Table, TableDefinition, TypeKind

AS_TEXT = {"postgresql": "value::text", "mariadb": "CAST(value AS CHAR)"}
PLAIN = {"postgresql": ("SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'"), "mariadb": ("SET time_zone = '+00:00'",)}
DAY = {"postgresql": "timestamp", "mariadb": "datetime"}


@pytest.fixture
def place(server_place: Any) -> Any:
    return server_place


@pytest.fixture
def kind(place: Any) -> str:
    return str(place.database.name)


def one(wanted: ColumnType) -> TableDefinition:
    columns = (
        ColumnDefinition("id", ColumnType(TypeKind.INTEGER), nullable=False),
        ColumnDefinition("value", wanted),
    )
    return TableDefinition("one", columns, ("id",))


def test_values_go_there_and_back(place: Any, kind: str) -> None:
    place.make(*PLAIN[kind])
    for wanted, declared, value, stored in CARRIED[kind]:
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
        assert place.run(f"SELECT {AS_TEXT[kind]} FROM one") == [(stored,)], declared
        place.run("UPDATE one SET id = 2")
        assert [change.image for change in place.collect()] == [None, (2, value)], declared


def test_what_does_not_fit_is_refused_by_name(place: Any, kind: str) -> None:
    for wanted, declared, words in REFUSED[kind]:
        place.make("DROP TABLE IF EXISTS one", f"CREATE TABLE one (id bigint PRIMARY KEY, value {declared})")
        with place.database.transaction() as connection:
            (found,) = place.database.differences(connection, one(wanted))
        assert found.startswith("Column one.value ")
        assert words in found


def test_values_as_they_would_be_read_again(place: Any, kind: str) -> None:
    written = WRITTEN_OTHERWISE[kind]
    columns = ", ".join(f"c{number} {declared}" for number, (declared, _, _) in enumerate(written))
    place.make(f"CREATE TABLE things (id integer PRIMARY KEY, {columns})")
    (table,) = place.replicate("things")
    names = table.definition.column_names
    sent = (1, *(value for _, value, _ in written))
    with place.database.transaction() as connection, place.database.replaying(connection, [table]):
        nulls = (2, *[None] * len(written))
        (stored, same) = place.database.as_stored(connection, table, names, [sent, nulls])
        assert same == nulls
        expected = (1, *(value for _, _, value in written))
        assert list(map(repr, stored)) == list(map(repr, expected))
        place.database.write_images(connection, table, [sent])
        key = pack_key((1,))
        assert list(map(repr, place.database.read_images(connection, table, [key])[key])) == list(map(repr, stored))
        again = [stored]
        assert list(place.database.as_stored(connection, table, names, again)) == [stored]
        if kind == "mariadb":
            assert place.database.as_stored(connection, table, names, again) is again


def test_a_key_that_would_be_written_otherwise_is_refused(place: Any, kind: str) -> None:
    place.make(f"CREATE TABLE days (day {DAY[kind]}, note text, PRIMARY KEY (day))")
    (table,) = place.replicate("days")
    with (
        pytest.raises(ConstraintViolation, match=r"The key 2026-11-26 12:00 of table days can be stored here only as"),
        place.database.transaction() as connection,
    ):
        place.database.write_images(connection, table, [("2026-11-26 12:00", "x")])


def test_wide_numbers_are_one_key_whatever_their_zeros(place: Any) -> None:
    place.make(
        "CREATE TABLE amounts (amount numeric(30,10) PRIMARY KEY, other numeric(30,10))",
        "CREATE TABLE notes (id integer PRIMARY KEY, amount numeric(30,10) REFERENCES amounts (amount))",
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
