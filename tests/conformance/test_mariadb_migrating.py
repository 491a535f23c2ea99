"""A migration of our own tables that is killed: MariaDB commits each definition, and the next attempt carries it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pymysql")

from alembic import command
from sqlalchemy import Connection, event

from replicator.errors import DatabaseTrouble
from replicator.store import migrate, sql

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace

    from tests.servers.mariadb import MariadbServer


@pytest.fixture
def new_place(mariadb_server: MariadbServer, mariadb_database: str) -> Iterator[Callable[[], MariadbPlace]]:
    from mariadb_places import MariadbPlace

    made: list[MariadbPlace] = []

    def new() -> MariadbPlace:
        name = mariadb_server.create_database() if made else mariadb_database
        made.append(MariadbPlace(mariadb_server, name))
        return made[-1]

    yield new
    for number, place in enumerate(made):
        place.close()
        if number:
            mariadb_server.drop_database(place.name)


class Killed(BaseException):
    pass


def migrate_until(place: MariadbPlace, count: int) -> bool:
    """Migrate, and die before so many statements are done. False: that is not so many."""
    left = count

    def dying(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    try:
        with place.database.transaction() as connection:
            event.listen(connection, "before_cursor_execute", dying)
            with place.database.migrating(connection) as in_part:
                migrate.upgrade(connection, in_part=in_part)
    except Killed:
        return True
    finally:
        # With the connection goes what counts its statements.
        place.database.close()
    return False


def tables(place: MariadbPlace) -> dict[str, str]:
    names = [name for (name, kind) in place.run("SHOW FULL TABLES") if kind == "BASE TABLE"]
    with place.server.connect(place.name) as administrator, administrator.cursor() as cursor:
        found = {}
        for name in sorted(names or []):
            cursor.execute(f"SHOW CREATE TABLE {name}")
            found[name] = str(cursor.fetchall()[0][1])
    return found


def _to_0002(connection: Connection) -> None:
    command.upgrade(migrate.scripts(connection), "0002")
    columns = "id, name, address, enabled, invitation, created_at"
    sql.run(connection, f"INSERT INTO replicator_peer ({columns}) VALUES (7, 'koeln', 'k@example.com', 1, '', 1)")


@pytest.mark.parametrize("begun", ["nowhere", "0002"])
def test_a_migration_that_is_killed_again_and_again_comes_to_its_end(
    new_place: Callable[[], MariadbPlace], begun: str
) -> None:
    whole, place = new_place(), new_place()
    for each in (whole, place):
        if begun == "0002":
            with each.database.transaction() as connection:
                _to_0002(connection)
    assert not migrate_until(whole, 10_000)
    count = 0
    while migrate_until(place, count):
        count += 1 if count < 40 else 7
        with pytest.raises(DatabaseTrouble), place.database.transaction(write=False) as connection:
            migrate.check(connection)
    assert count > 10
    with place.database.transaction() as connection:
        migrate.check(connection)
        assert not migrate.upgrade(connection)
        if begun == "0002":
            assert list(sql.rows(connection, "SELECT peer, mailbox FROM replicator_route")) == [(7, 1)]
    assert tables(place) == tables(whole)
