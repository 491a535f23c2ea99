"""After a fire: a backup station becomes the host, and the stations go on with it (protocol.md 10.2)."""

from __future__ import annotations

import pytest

from replicator.engine.progress import Silent
from replicator.engine.send import send
from replicator.engine.snapshot import start_snapshots
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import sql
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace
from tests.integration.test_copies import copied, invited

ROWS = "SELECT id, name, city FROM customers ORDER BY id"
BACKUP = "sicherung"


def joined(new_place: NewPlace, host: str = "sqlite", backup: str = "sqlite", *, first: bool = False) -> list[Place]:
    """A host, its backup station, and two stations; `first`: these were there before the backup station."""
    office = new_place(host, "office")
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), city VARCHAR(50))")
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Bonn'), (3, 'Cordes', 'Emden')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    places = {"koeln": new_place("sqlite", "koeln"), "trier": new_place("sqlite", "trier")}
    keeper = new_place(backup, BACKUP)
    for name in (*(["koeln", "trier"] if first else []), BACKUP, *([] if first else ["koeln", "trier"])):
        if name == BACKUP:
            invitation = office.folder / f"{BACKUP}.invitation"
            office.done("station", "add", BACKUP, "--address", f"{BACKUP}@example.com", "--backup", "--out", invitation)
            keeper.done("remote-init", invitation, *keeper.options)
            exchange(office, keeper)
            exchange(office, keeper)
        else:
            enrol(office, places[name])
            exchange(office, places[name])
    for station in (*places.values(), keeper):
        exchange(office, station)
    return [office, keeper, *places.values()]


def live_on(office: Place, keeper: Place, koeln: Place, trier: Place) -> None:
    """What the backup station has, what only a station has, and what nobody has."""
    office.sql("UPDATE customers SET city = 'Kiel' WHERE id = 1")
    koeln.sql("INSERT INTO customers VALUES (10, 'Eilers', 'Köln')")
    for station in (koeln, trier, keeper):
        exchange(station, office)
    exchange(keeper, office)
    office.sql("DELETE FROM customers WHERE id = 3")
    office.sql("INSERT INTO customers VALUES (4, 'Dierks', 'Ulm')")
    trier.sql("UPDATE customers SET name = 'Brand' WHERE id = 2")
    for _ in range(2):
        exchange(koeln, office)
        exchange(trier, office)
    office.sql("INSERT INTO customers VALUES (5, 'nobody has heard of', 'it')")
    koeln.sql("INSERT INTO customers VALUES (11, 'Focken', 'Köln')")
    koeln.sql("UPDATE customers SET name = 'Ahlert' WHERE id = 1")


KNOWN = [
    (1, "Ahlert", "Kiel"),
    (2, "Brand", "Bonn"),
    (4, "Dierks", "Ulm"),
    (10, "Eilers", "Köln"),
    (11, "Focken", "Köln"),
]


def all_equal(host: Place, *stations: Place) -> None:
    for _ in range(4):
        host.run()
        for station in stations:
            exchange(host, station)
    assert host.sql(ROWS) == KNOWN
    for station in stations:
        assert station.sql(ROWS) == KNOWN
        assert station.done("conflict", "list", "--json").json == []
        assert station.call("status").code == 0
    assert host.done("conflict", "list", "--json").json == []
    # Life goes on, and deletes and changes are based on what stands now.
    stations[0].sql("UPDATE customers SET city = 'Trier' WHERE id = 1")
    stations[-1].sql("DELETE FROM customers WHERE id = 4")
    host.sql("UPDATE customers SET name = 'Fock' WHERE id = 11")
    for _ in range(2):
        for station in stations:
            exchange(station, host)
    rows = host.sql(ROWS)
    assert [row[0] for row in rows] == [1, 2, 10, 11]
    assert all(station.sql(ROWS) == rows for station in stations)
    assert host.done("conflict", "list", "--json").json == []


@pytest.mark.parametrize("first", [False, True], ids=["named by the invitation", "named in band"])
def test_a_backup_station_becomes_the_host(new_place: NewPlace, first: bool) -> None:
    office, keeper, koeln, trier = joined(new_place, first=first)
    live_on(office, keeper, koeln, trier)
    told = keeper.refused("host-init", "--from-backup", keeper.home)
    assert "Zentrale was heard of 0 minutes ago" in told
    out = " ".join(keeper.done("host-init", "--from-backup", keeper.home, "--yes").out.split())
    assert f"The backup station {BACKUP} is the host Zentrale <{BACKUP}@example.com> now" in out
    assert "Not known to accept this host" not in out
    all_equal(keeper, koeln, trier)


@pytest.mark.parametrize(
    ("host", "backup"), [("postgresql", "sqlite"), ("sqlite", "mariadb"), ("mariadb", "postgresql")]
)
def test_unlike_databases(new_place: NewPlace, host: str, backup: str) -> None:
    office, keeper, koeln, trier = joined(new_place, host, backup)
    live_on(office, keeper, koeln, trier)
    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    all_equal(keeper, koeln, trier)


def test_a_former_host_that_comes_back_halts(new_place: NewPlace) -> None:
    office, keeper, koeln, _ = joined(new_place)
    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    exchange(keeper, koeln)
    office.sql("INSERT INTO customers VALUES (6, 'of the', 'former host')")
    office.run()
    exchange(koeln, rounds=1)
    told = koeln.call("status")
    assert told.code == 3
    assert "mail has come of the former host Zentrale" in " ".join(told.out.split())
    assert "has taken this host's place" in office.refused("host-run", code=3)
    assert "has taken this host's place" in office.refused("host-run", code=3)
    assert koeln.sql("SELECT * FROM customers WHERE id = 6") == []


def test_a_backup_station_that_is_removed_is_accepted_no_more(new_place: NewPlace) -> None:
    office, keeper, koeln, _ = joined(new_place)
    assert "no rules are set for it" in office.refused("rule", "set", BACKUP, "all", "--to-remote", "none")
    office.done("station", "remove", BACKUP, "--yes")
    exchange(office, koeln)
    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    keeper.run()
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM replicator_former_host") == [(0,)]
    assert list((koeln.home / "aside").iterdir())


def test_a_copy_that_has_not_heard_of_the_new_host_becomes_a_station_of_it(new_place: NewPlace) -> None:
    """Mail for the name that two of them have comes to one of them only (seed 2003)."""
    _, keeper, koeln, trier = joined(new_place)
    twin = new_place("sqlite", "twin")
    copied(koeln, twin)
    twin.sql("INSERT INTO customers VALUES (20, 'Gerdes', 'Köln')")
    koeln.sql("INSERT INTO customers VALUES (12, 'Harms', 'Köln')")
    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    exchange(keeper, koeln)
    twin.done("copy", *invited(keeper, twin))
    assert "Zentrale sicherung@example.com" in " ".join(twin.call("status").out.split())
    exchange(twin, keeper, koeln, trier)
    rows = keeper.sql(ROWS)
    assert [row[0] for row in rows] == [1, 2, 3, 12, 20]
    assert all(station.sql(ROWS) == rows for station in (twin, koeln, trier))
    twin.sql("UPDATE customers SET city = 'Trier' WHERE id = 1")
    exchange(twin, keeper, koeln)
    assert (1, "Ahlers", "Trier") in koeln.sql(ROWS)
    assert keeper.done("conflict", "list", "--json").json == []


def test_a_backup_station_that_came_after_a_table_was_changed_reads_its_first_version(new_place: NewPlace) -> None:
    """From a station that is still at it, and from a copy of one (seed 1843)."""
    office, koeln, keeper, twin = (new_place("sqlite", name) for name in ("office", "koeln", BACKUP, "twin"))
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), city VARCHAR(50))")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    enrol(office, koeln)
    exchange(office, koeln)
    office.sql("ALTER TABLE customers RENAME COLUMN city TO town")
    office.done("table", "upgrade", "customers", "--renamed", "city=town")
    invitation = office.folder / "backup.invitation"
    office.done("station", "add", BACKUP, "--address", f"{BACKUP}@example.com", "--backup", "--out", invitation)
    keeper.done("remote-init", invitation, *keeper.options)
    exchange(office, keeper, koeln)
    copied(koeln, twin)
    koeln.sql("INSERT INTO customers VALUES (10, 'Eilers', 'Köln')")
    twin.sql("INSERT INTO customers VALUES (20, 'Gerdes', 'Köln')")
    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    twin.done("copy", *invited(keeper, twin))
    for station in (twin, koeln):
        exchange(station, keeper)
    assert keeper.sql("SELECT id, name, town FROM customers") == [(10, "Eilers", "Köln"), (20, "Gerdes", "Köln")]
    assert keeper.call("status").code == 0


def test_an_invitation_of_a_host_that_nobody_named_is_refused(new_place: NewPlace) -> None:
    _, _, koeln, _ = joined(new_place)
    stranger = new_place("sqlite", "stranger")
    stranger.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    stranger.done("host-init", *stranger.options, "--address", "stranger@example.com", "--name", "Zentrale")
    file = stranger.folder / "strange.invitation"
    stranger.done("station", "add", "koeln", "--address", "koeln@example.com", "--out", file)
    assert "is of another host" in " ".join(koeln.refused("copy", *invited(stranger, koeln)).split())


def versions(place: Place) -> list[tuple[object, ...]]:
    """Of the rows that are there and were ever changed."""
    runtime = Runtime()
    with (
        open_node(Home(place.home, Files(runtime)), runtime) as node,
        node.database.transaction(write=False) as connection,
    ):
        query = "SELECT row_key, epoch, n FROM replicator_row_version WHERE deleted = 0 AND n > 0 ORDER BY row_key"
        return [tuple(row) for row in sql.rows(connection, query)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_load_tells_the_versions_of_the_rows_that_it_brings(new_place: NewPlace, kind: str) -> None:
    """Also of those that were written just before: as the host it would else take older changes for based on them."""
    office, keeper, *_ = joined(new_place, kind)
    office.done("station", "reload", BACKUP)
    office.sql("UPDATE customers SET city = 'Kiel' WHERE id = 1")
    runtime = Runtime()
    with open_node(Home(office.home, Files(runtime)), runtime) as node:
        assert start_snapshots(node, Silent()) == 1
        send(node)  # and not what the journal has of it
    keeper.run()
    assert keeper.sql(ROWS) == office.sql(ROWS)
    assert versions(keeper) == versions(office)
