"""Every type of a server goes out and comes back exactly, and what a column can't hold is told of that row."""

from __future__ import annotations

from typing import Any

import pytest
from server_types import BEFORE, TYPES

from replicator.errors import ConstraintViolation
from replicator.protocol.keys import pack_key
from replicator.types import Image

SAME = {"postgresql": "a::text IS NOT DISTINCT FROM b::text", "mariadb": "a <=> b"}


@pytest.fixture
def place(server_place: Any) -> Any:
    return server_place


def test_every_type_goes_out_and_comes_back(place: Any) -> None:
    kind = place.database.name
    types = TYPES[kind]
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(types))
    place.make(
        *BEFORE[kind],
        f"CREATE TABLE anything (id integer PRIMARY KEY, {columns})",
        f"CREATE TABLE copy (id integer PRIMARY KEY, {columns})",
    )
    _, copy = place.replicate("anything", "copy")
    place.run("INSERT INTO anything (id) VALUES (1)")
    for number, (name, values) in enumerate(types.items()):
        for stored, portable in values:
            place.run(f"UPDATE anything SET c{number} = %s", stored)
            (change,) = [each for each in place.collect() if each.operation.value == "U"]
            assert change.image is not None
            assert (type(change.image[number + 1]), repr(change.image[number + 1])) == (
                type(portable),
                repr(portable),
            ), name
            with place.database.transaction() as connection, place.database.replaying(connection, [copy]):
                for many in (1, 30):
                    place.database.write_images(connection, copy, [(n, *change.image[1:]) for n in range(1, many + 1)])
                key = pack_key((1,))
                assert place.database.read_images(connection, copy, [key])[key] == change.image
            found = place.run(
                f"SELECT {SAME[kind]} FROM (SELECT c{number} AS a FROM anything) x,"
                f" (SELECT c{number} AS b FROM copy WHERE id IN (1, 30)) y"
            )
            assert found == [(True,)] * 2, name


@pytest.mark.parametrize("server_place", ["postgresql"], indirect=True)
def test_what_a_column_of_postgresql_cannot_hold_is_that_rows_fault(place: Any) -> None:
    place.make("CREATE TABLE one (id integer PRIMARY KEY, t text, n numeric(4,2), b boolean)")
    faults = [(1, "a\0b"), (1, "\udcff"), (2, "12345"), (2, "x"), (1, b"\0"), (0, 2**31), (3, "perhaps"), (0, None)]
    refuse(place, (1, "a", 1, 1), faults)
    assert written(place, (1, "a", 1.5, 1), "n::text, b") == ("1.50", True)


@pytest.mark.parametrize("server_place", ["mariadb"], indirect=True)
def test_what_a_column_of_mariadb_cannot_hold_is_that_rows_fault(place: Any) -> None:
    place.make(
        "CREATE TABLE one (id integer PRIMARY KEY, t varchar(3) CHARACTER SET latin1, n decimal(4,2), b boolean,"
        " d datetime, e enum('a'))"
    )
    faults = [(1, "\udcff"), (1, "€" * 4), (1, "й"), (1, b"\0"), (2, "12345"), (2, "x"), (2, "NaN"), (0, 2**31)]
    faults += [(0, 1.5), (3, "perhaps"), (0, None), (4, "2026-02-30 00:00:00"), (4, "infinity"), (5, "b")]
    refuse(place, (1, "a", 1, 1, None, "a"), faults)
    image = (1, "ä", 1.5, 1, "2026-01-01T10:00:00+05:30", "a")
    found = written(place, image, "CAST(n AS CHAR), b, CAST(d AS CHAR), t")
    assert found == ("1.50", 1, "2026-01-01 04:30:00", "ä")


def refuse(place: Any, good: Image, faults: list[tuple[int, Any]]) -> None:
    """The row with each of these values in turn in that column, in the table `one`."""
    (table,) = place.replicate("one")
    for column, value in faults:
        image = tuple(value if at == column else each for at, each in enumerate(good))
        with pytest.raises(ConstraintViolation), place.database.transaction() as connection:
            place.database.write_images(connection, table, [image])


def written(place: Any, image: Image, columns: str) -> tuple[Any, ...]:
    with place.database.transaction() as connection:
        place.database.write_images(connection, place.tables[1], [image])
    (row,) = place.run(f"SELECT {columns} FROM one")
    return tuple(row)
