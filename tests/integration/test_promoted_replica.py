"""A PostgreSQL host's server fails, and a physical replica of it takes its place (docs/restoring.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace
from tests.integration.server_places import PostgresqlPlace
from tests.integration.test_host_restores import all_equal, live_on
from tests.servers.postgresql import PostgresqlServer
from tests.servers.postgresql_standby import PostgresqlStandby

pytestmark = pytest.mark.usefixtures("postgresql_server")
"""So that it is skipped, visibly, where there is no PostgreSQL; the servers here are others."""


@pytest.fixture
def office(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> Iterator[PostgresqlPlace]:
    """A host on a server of its own that may be killed."""
    monkeypatch.setenv("REPLICATOR_DATABASE_PASSWORD", "replicator")
    koeln = new_place("sqlite", "koeln")
    with PostgresqlServer() as server:
        place = PostgresqlPlace(koeln.folder, "office", capsys)
        place.server, place.database = server, server.create_database()
        place.allow()
        yield place


def joined(office: PostgresqlPlace, new_place: NewPlace) -> tuple[Place, Place]:
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), city VARCHAR(50))")
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Bonn'), (3, 'Cordes', 'Emden')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    stations = new_place("sqlite", "koeln"), new_place("sqlite", "trier")
    for station in stations:
        enrol(office, station)
        exchange(office, station)
    return stations


def take_the_place(office: PostgresqlPlace, replica: PostgresqlStandby) -> None:
    office.server.server.kill()
    replica.promote()
    settings = office.home / "replicator.toml"
    settings.write_text(settings.read_text().replace(f":{office.server.port}/", f":{replica.port}/"))
    office.server = replica


def test_a_replica_that_had_everything(office: PostgresqlPlace, new_place: NewPlace) -> None:
    """The node goes on as if nothing had happened."""
    koeln, trier = joined(office, new_place)
    with PostgresqlStandby(office.server) as replica:
        live_on(office, koeln, trier)
        with closing(office.server.connect()) as connection:
            position = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        assert position is not None
        replica.wait_for(position[0])
        take_the_place(office, replica)
        assert "restored from a backup" not in office.done("host-run").out
        for _ in range(2):
            exchange(office, koeln, trier)
        rows = office.sql("SELECT id, name, city FROM customers ORDER BY id")
        assert [row[0] for row in rows] == [1, 2, 4, 5, 10, 11]
        for station in (koeln, trier):
            assert station.sql("SELECT id, name, city FROM customers ORDER BY id") == rows


def test_a_replica_that_was_behind(office: PostgresqlPlace, new_place: NewPlace) -> None:
    """What had not reached it is like what came after a backup."""
    koeln, trier = joined(office, new_place)
    with PostgresqlStandby(office.server) as replica:
        replica.server.stop()
        live_on(office, koeln, trier)
        office.server.server.kill()
        replica.start()
        take_the_place(office, replica)
        assert "asks its stations for what it has forgotten" in " ".join(office.done("host-run").out.split())
        all_equal(office, koeln, trier)
