"""SQLite: being told between two runs that the application has written."""

from __future__ import annotations

import pytest
from database_places import CUSTOMERS, SqlitePlace

from replicator.types import Key


@pytest.fixture
def customers(place: SqlitePlace) -> SqlitePlace:
    place.make(CUSTOMERS, "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
    place.replicate("customers")
    return place


def test_what_the_application_commits_is_noticed_until_it_is_collected(customers: SqlitePlace) -> None:
    with customers.open().watch() as waits:
        assert [waits() for _ in range(3)] == [False] * 3
        customers.run("BEGIN")
        customers.run("INSERT INTO customers VALUES (1, 'Abel', NULL)")
        assert [waits() for _ in range(3)] == [False] * 3
        customers.run("COMMIT")
        assert waits()
        assert len(customers.collect()) == 1
        assert [waits() for _ in range(3)] == [False] * 3
        customers.run("UPDATE customers SET note = 'x'")
        assert waits()


def test_what_was_there_before_is_noticed_at_once(customers: SqlitePlace) -> None:
    customers.run("INSERT INTO customers VALUES (1, 'Abel', NULL)")
    with customers.open().watch() as waits:
        assert waits()


def test_many_small_changes_in_a_row_are_each_noticed(customers: SqlitePlace) -> None:
    """Also those that come within one tick of a file's clock, and when nobody else has the database open."""
    with customers.open().watch() as waits:
        for number in range(50):
            customers.run("INSERT INTO customers VALUES (?, ?, NULL)", number, f"name {number}")
            if number % 10 == 0:
                customers.application.close()
            assert waits() or waits(), number
            if number % 10 == 0:
                customers.reconnect()
            assert len(customers.collect()) == 1


def test_what_is_not_replicated_and_what_we_write_ourselves_is_no_news(customers: SqlitePlace) -> None:
    (table,) = customers.tables.values()
    keys: list[Key] = []
    with customers.open().watch() as waits:
        customers.run("INSERT INTO notes VALUES (1, 'a')")
        assert [waits() for _ in range(3)] == [False] * 3
        with customers.database.transaction() as connection, customers.database.replaying(connection, [table]):
            customers.database.write_images(connection, table, [(1, "Abel", None)])
            customers.database.delete_keys(connection, table, keys)
        assert [waits() for _ in range(3)] == [False] * 3


def test_nothing_is_held_between_two_questions(customers: SqlitePlace) -> None:
    with customers.open().watch() as waits:
        customers.run("INSERT INTO customers VALUES (1, 'Abel', NULL)")
        assert waits()
        # Both want the database for themselves alone.
        customers.close()
        customers.reconnect()
        assert customers.run("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0
        assert customers.run("PRAGMA journal_mode = DELETE") == [("delete",)]
        assert customers.run("PRAGMA journal_mode = WAL") == [("wal",)]


def test_a_database_that_is_away_is_no_news(customers: SqlitePlace) -> None:
    with customers.open().watch() as waits:
        customers.run("INSERT INTO customers VALUES (1, 'Abel', NULL)")
        customers.close()
        away = customers.path.rename(customers.path.with_name("away"))
        assert [waits() for _ in range(3)] == [False] * 3
        assert not customers.path.exists()
        away.rename(customers.path)
        assert waits()
