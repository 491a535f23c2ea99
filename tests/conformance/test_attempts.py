"""A row that a database refuses undoes what was tried with it, and nothing else."""

from __future__ import annotations

import pytest
from database_places import fail_after
from each_database import CUSTOMERS, Place
from sqlalchemy import Connection

from replicator.databases import Database
from replicator.errors import ConstraintViolation
from replicator.types import Image, Table

ROWS = "SELECT id, name FROM customers ORDER BY id"


@pytest.fixture
def place(each_place: Place) -> Place:
    each_place.make(CUSTOMERS.replace("note varchar(200)", "note varchar(200) CHECK (note <> 'no')"))
    each_place.replicate("customers")
    return each_place


def write_each(database: Database, connection: Connection, table: Table, *images: Image) -> None:
    for image in images:
        database.write_images(connection, table, [image])


@pytest.mark.parametrize(
    "bad",
    [(3, "c", "no"), (3, None, None), (3, "a", None), (3, "x" * 5000, None), ("three", "c", None), (2**70, "c", None)],
    ids=["check", "null", "unique", "long", "type", "number"],
)
def test_what_is_tried_is_undone_and_the_transaction_goes_on(place: Place, bad: Image) -> None:
    if place.database.name == "sqlite" and isinstance(bad[1], str) and len(bad[1]) > 80:
        pytest.skip("SQLite's columns hold any length")
    database, table = place.database, place.tables[1]
    with database.transaction() as connection, database.replaying(connection, [table]):
        database.write_images(connection, table, [(1, "a", None)])
        for _ in range(2):
            with pytest.raises(ConstraintViolation), database.attempt(connection):
                write_each(database, connection, table, (2, "b", None), bad)
        with database.attempt(connection):
            database.write_images(connection, table, [(4, "d", None)])
    assert place.run(ROWS) == [(1, "a"), (4, "d")]
    # It was not captured, and what the application writes is again.
    place.run("INSERT INTO customers VALUES (5, 'e', NULL)")
    assert [change.operation.value for change in place.collect()] == ["I"]


def test_another_error_takes_the_whole_transaction_with_it(place: Place) -> None:
    database, table = place.database, place.tables[1]
    with pytest.raises(ZeroDivisionError), database.transaction() as connection, database.attempt(connection):
        fail_after(database.write_images, connection, table, [(1, "a", None)])
    assert place.run(ROWS) == []
