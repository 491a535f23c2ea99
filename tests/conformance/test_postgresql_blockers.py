"""Who holds what we want is named, and it is the right one, whoever else is at the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection

from replicator.errors import DatabaseBusy
from replicator.protocol.keys import pack_key
from replicator.types import Table
from tests.servers.processes import wait_until

if TYPE_CHECKING:
    from postgresql_places import PostgresqlPlace


CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name text NOT NULL UNIQUE)"


@pytest.fixture
def place(new_place: Callable[[str], PostgresqlPlace]) -> PostgresqlPlace:
    made = new_place("postgresql")
    made.make(CUSTOMERS, "INSERT INTO customers VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    made.replicate("customers")
    return made


@pytest.fixture
def session(place: PostgresqlPlace) -> Iterator[Callable[..., Any]]:
    """Sessions of programs that have done something in a transaction, and left it open."""
    with ExitStack() as stack:

        def new(program: str, *statements: str) -> Any:
            made = stack.enter_context(closing(place.another()))
            made.execute(f"SET application_name = '{program}'".encode())
            for statement in ("BEGIN", *statements):
                made.execute(statement.encode())
            return made

        yield new


def write(place: PostgresqlPlace, *images: tuple[Any, ...]) -> str:
    """What is said when these rows can't be written."""

    def step(connection: Connection, table: Table) -> None:
        with place.database.replaying(connection, [table]):
            place.database.write_images(connection, table, images)

    return refused(place, step)


def refused(place: PostgresqlPlace, step: Callable[[Connection, Table], object]) -> str:
    with pytest.raises(DatabaseBusy) as caught, place.database.transaction() as connection:
        step(connection, place.tables[1])
    return str(caught.value)


def test_a_row_that_a_program_holds(place: PostgresqlPlace, session: Callable[..., Any]) -> None:
    """Others have been at the table for longer, and are not in the way."""
    session("report", "SELECT * FROM customers")
    session("import", "INSERT INTO customers VALUES (7, 'g')", "UPDATE customers SET name = 'x' WHERE id = 3")
    till = session("till", "UPDATE customers SET name = 'y' WHERE id = 1")
    named = f"till (session {till.info.backend_pid}, user application) has a transaction open since "
    many = [(number, f"n{number}") for number in range(1, 40) if number not in (3, 7)]
    for words in (write(place, (1, "z")), write(place, *many)):
        assert named in words
        assert words.endswith('and keeps us from "public"."customers"; try again.')
    key = pack_key((1,))
    assert named in refused(place, lambda connection, table: place.database.delete_keys(connection, table, [key]))
    assert named in refused(
        place, lambda connection, table: place.database.find_keys(connection, table, ["id"], [(1,)], hold=True)
    )
    assert "import (session" in write(place, (8, "g"))  # whether the name is taken shows when that one has ended
    till.execute("ROLLBACK")
    with place.database.transaction() as connection:
        place.database.write_images(connection, place.tables[1], [(1, "z")])


def test_a_definition_that_waits_itself(place: PostgresqlPlace, session: Callable[..., Any]) -> None:
    """All queue up behind an ALTER TABLE that waits for a report: it is the report that must end."""
    report = session("report", "SELECT * FROM customers")
    migration = session("migration")
    waiting = Thread(target=migration.execute, args=("ALTER TABLE customers ADD COLUMN more text",))
    waiting.start()
    try:
        queued = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
        wait_until(lambda: place.run(queued) != [], "the ALTER TABLE waits")
        assert f"report (session {report.info.backend_pid}, user application)" in write(place, (1, "z"))
    finally:
        report.execute("ROLLBACK")
        waiting.join()
    assert f"migration (session {migration.info.backend_pid}, user application)" in write(place, (1, "z"))


def test_a_prepared_transaction(place: PostgresqlPlace, session: Callable[..., Any]) -> None:
    till = session("till", "UPDATE customers SET name = 'y' WHERE id = 1", "PREPARE TRANSACTION 'month''s end'")
    till.close()
    words = write(place, (1, "z"))
    assert "the prepared transaction month's end of the user application, of " in words
    assert " UTC, is neither committed nor rolled back and keeps us from " in words
    place.run("ROLLBACK PREPARED 'month''s end'")


def test_a_program_of_a_user_that_we_know_nothing_of(place: PostgresqlPlace) -> None:
    with place.server.connect(place.name) as administrator:
        administrator.execute("SET application_name = 'psql'")
        administrator.execute("BEGIN")
        administrator.execute("UPDATE customers SET name = 'y' WHERE id = 1")
        named = f"psql (session {administrator.info.backend_pid}, user administrator) has a transaction open and keeps"
        assert named in write(place, (1, "z"))
        administrator.execute("ROLLBACK")


def test_our_own_tables(place: PostgresqlPlace) -> None:
    """Who reads them, as a backup does, keeps nobody waiting; who locks them is named, and nothing is lost."""
    with place.server.connect(place.name) as administrator:
        administrator.execute("SET application_name = 'psql'")
        administrator.execute("BEGIN")
        administrator.execute("SELECT * FROM replicator.change_1")
        place.run("INSERT INTO customers VALUES (10, 'j')")
        assert len(place.collect()) == 1
        place.run("INSERT INTO customers VALUES (11, 'k')")
        administrator.execute("LOCK TABLE replicator.change_1 IN EXCLUSIVE MODE")
        with pytest.raises(DatabaseBusy, match=rf"psql \(session {administrator.info.backend_pid}, "):
            place.collect()
        administrator.execute("ROLLBACK")
    assert [change.image for change in place.collect()] == [(11, "k")]
