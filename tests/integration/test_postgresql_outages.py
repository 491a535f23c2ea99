"""Trouble of a PostgreSQL server amid runs: one clear line, nothing is lost or set aside, and it goes on afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from replicator.engine.session import run as run_session
from replicator.errors import DatabaseTrouble
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import enrol, exchange
from tests.integration.disks import room, small_disk

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgresqlServer

NewPlace = Callable[[str, str], Any]

CUSTOMERS = "CREATE TABLE customers (id integer PRIMARY KEY, name text, amount integer)"
ROWS = "SELECT * FROM customers ORDER BY id"
RANDOM = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 30) WHERE n > 0)"
"""About 1,000 letters that can't be compressed much, anew for each n."""
FULL = r"The disk of the database {} on 127.0.0.1:{} is full: make room and run again."


@pytest.fixture
def disk(postgresql_server: PostgresqlServer) -> Iterator[Path]:
    """A small disk, with the tablespace `small` on it. Asked for before the databases, it outlives them."""
    from tests.servers.postgresql import USER

    if not postgresql_server.server.is_running:
        postgresql_server.start()
    with small_disk(postgresql_server.folder / "small", 24) as folder:
        space = folder / "space"
        space.mkdir()
        shutil.chown(space, USER)
        with closing(postgresql_server.connect()) as administrator:
            administrator.execute(f"CREATE TABLESPACE small LOCATION '{space}'".encode())
            try:
                yield folder
            finally:
                administrator.execute("DROP TABLESPACE small")


@pytest.fixture
def office(new_place: NewPlace) -> Any:
    made = new_place("postgresql", "office")
    made.sql(CUSTOMERS)
    made.done("host-init", *made.options, "--address", "office@example.com")
    made.done("table", "add", "customers")
    return made


@pytest.fixture
def koeln(office: Any, new_place: NewPlace) -> Any:
    made = new_place("postgresql", "koeln")
    enrol(office, made)
    exchange(office, made)
    return made


def move(place: Any, table: str) -> None:
    with closing(place.server.connect(place.database)) as administrator:
        administrator.execute(f"ALTER TABLE {table} SET TABLESPACE small".encode())


def ends_well(*places: Any) -> None:
    exchange(*places)
    rows = [place.sql(ROWS) for place in places]
    assert rows[0] == rows[1]
    for place in places:
        assert place.done("status").err == ""
        assert not [file for file in (place.home / "aside").glob("**/*") if file.is_file()]


def test_a_full_disk(disk: Path, office: Any, koeln: Any) -> None:
    def refuses(place: Any, command: str) -> None:
        words = FULL.format(place.database, place.server.port)
        # The second run finds the same as the first one.
        assert [place.refused(command, code=1) for _ in range(2)] == [words] * 2

    move(koeln, "customers")
    office.sql(f"INSERT INTO customers SELECT n, {RANDOM} FROM generate_series(1, 3000) n")
    office.done("host-run")
    with room(disk, 500_000):
        refuses(koeln, "remote-run")
        assert koeln.sql("SELECT count(*) FROM customers") == [(0,)]
    koeln.done("remote-run")
    assert koeln.sql(ROWS) == office.sql(ROWS)
    # What the host collects has no room.
    move(office, "replicator.replicator_slice_segment")
    office.sql(f"UPDATE customers SET name = {RANDOM.replace('n >', 'id >')}")
    with room(disk, 500_000):
        refuses(office, "host-run")
    ends_well(office, koeln)
    # Where a change can't be captured, it isn't made.
    move(office, "replicator.change_1")
    with room(disk, 100_000):
        with pytest.raises(Exception, match="No space left on device"):
            office.sql(f"INSERT INTO customers SELECT n, {RANDOM} FROM generate_series(4000, 5000) n")
        office.done("host-run")
    assert office.sql("SELECT count(*) FROM customers") == [(3000,)]
    office.sql(f"INSERT INTO customers SELECT n, {RANDOM} FROM generate_series(4000, 5000) n")
    ends_well(office, koeln)
    assert len(koeln.sql(ROWS)) == 4001


class _Ends:
    """Does something at one of a run's commits."""

    def __init__(self, number: int, deed: Callable[[], None]) -> None:
        self.left, self.deed = number, deed

    def reached(self, where: str) -> None:
        if where == "commit:before":
            self.left -= 1
            if self.left == -1:
                self.deed()


def run(place: Any, ends: _Ends) -> None:
    runtime = Runtime(reached=ends.reached)
    with open_node(Home(place.home, Files(runtime)), runtime) as node:
        run_session(node)


def test_connections_that_end_before_any_commit(office: Any, koeln: Any) -> None:
    """Ended by an administrator, and once for each side by a server that is killed and recovers."""
    server = office.server
    told = set()
    office.sql("INSERT INTO customers SELECT n, 'n', 0 FROM generate_series(1, 40) n")
    exchange(office, koeln)

    def kill() -> None:
        server.server.kill()
        server.start()

    def end(place: Any) -> None:
        with closing(server.connect()) as administrator:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'replicator' AND datname = %s",
                (place.database,),
            )

    expected = dict.fromkeys(range(1, 41), 0)
    for place, other in ((office, koeln), (koeln, office)):
        number = 0
        other.sql("UPDATE customers SET name = 'new' WHERE id = %s", 1 + 20 * (other is koeln))
        other.run()
        while True:
            for each in (place, other):
                # A row that only this place writes: what is lost or done twice shows in it.
                row = 1 + number % 20 + 20 * (each is koeln)
                each.sql("UPDATE customers SET amount = amount + 1 WHERE id = %s", row)
                expected[row] += 1
            ends = _Ends(number, kill if number == 3 else lambda place=place: end(place))
            try:
                run(place, ends)
            except DatabaseTrouble as trouble:
                told.add(str(trouble))
                number += 1
            else:
                break
        assert ends.left >= 0
        assert number > 4
    assert all("ended by an administrator" in words or "The connection to" in words for words in told), told
    ends_well(office, koeln)
    assert dict(office.sql("SELECT id, amount FROM customers")) == expected
