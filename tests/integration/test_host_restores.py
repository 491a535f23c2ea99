"""A host whose database or computer is set back: its stations give back what it has forgotten (protocol.md 5.12)."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

ROWS = "SELECT id, name, city FROM customers ORDER BY id"


def joined(new_place: NewPlace, kind: str = "sqlite") -> tuple[Place, Place, Place]:
    """A host and two stations that have some rows in common."""
    office = new_place(kind, "office")
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), city VARCHAR(50))")
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Bonn'), (3, 'Cordes', 'Emden')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    stations = []
    for name in ("koeln", "trier"):
        station = new_place("sqlite", name)
        enrol(office, station)
        exchange(office, station)
        stations.append(station)
    return office, stations[0], stations[1]


def live_on(office: Place, koeln: Place, trier: Place) -> None:
    """After the backup: the host's own changes that one or both stations have, and changes of stations."""
    office.sql("UPDATE customers SET city = 'Kiel' WHERE id = 1")
    office.sql("DELETE FROM customers WHERE id = 3")
    office.sql("INSERT INTO customers VALUES (4, 'Dierks', 'Ulm')")
    koeln.sql("INSERT INTO customers VALUES (10, 'Eilers', 'Köln')")
    exchange(koeln, office)
    exchange(koeln, office)
    trier.sql("UPDATE customers SET name = 'Brand' WHERE id = 2")
    exchange(trier, office)
    office.sql("INSERT INTO customers VALUES (5, 'nobody has heard of', 'it')")
    koeln.sql("INSERT INTO customers VALUES (11, 'Focken', 'Köln')")


KNOWN = [
    (1, "Ahlers", "Kiel"),
    (2, "Brand", "Bonn"),
    (4, "Dierks", "Ulm"),
    (10, "Eilers", "Köln"),
    (11, "Focken", "Köln"),
]


def all_equal(office: Place, *stations: Place) -> None:
    for _ in range(3):
        for station in stations:
            exchange(office, station)
    assert office.sql(ROWS) == KNOWN
    for station in stations:
        assert station.sql(ROWS) == KNOWN
        assert station.done("conflict", "list", "--json").json == []
        assert station.call("status").code == 0
    assert office.done("conflict", "list", "--json").json == []
    assert office.call("status").code == 0
    # Life goes on, and deletes and changes are based on what stands now.
    stations[0].sql("UPDATE customers SET city = 'Trier' WHERE id = 1")
    stations[-1].sql("DELETE FROM customers WHERE id = 4")
    office.sql("UPDATE customers SET name = 'Fock' WHERE id = 11")
    for _ in range(2):
        for station in stations:
            exchange(station, office)
    rows = office.sql(ROWS)
    assert [row[0] for row in rows] == [1, 2, 10, 11]
    assert all(station.sql(ROWS) == rows for station in stations)
    assert office.done("conflict", "list", "--json").json == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_database_is_restored_from_a_backup(new_place: NewPlace, kind: str) -> None:
    office, koeln, trier = joined(new_place, kind)
    office.back_up()
    live_on(office, koeln, trier)
    office.put_back()
    told = " ".join(office.done("host-run").out.split())
    assert "the database of this node is older than what it has already sent" in told
    assert "it asks its stations for what it has forgotten" in told
    all_equal(office, koeln, trier)


def test_a_host_is_restored_again_from_a_backup_of_when_it_asked(new_place: NewPlace) -> None:
    """What that backup asks on the way is of a timeline that is over: it asks anew."""
    office, koeln, trier = joined(new_place)
    office.back_up()
    live_on(office, koeln, trier)
    office.put_back()
    office.run()
    office.back_up()
    exchange(koeln, office, trier)
    office.put_back()
    all_equal(office, koeln, trier)


def test_a_restored_host_works_before_its_stations_have_answered(new_place: NewPlace) -> None:
    """What is written meanwhile stays; the value of before is on record."""
    office, koeln, trier = joined(new_place)
    office.back_up()
    live_on(office, koeln, trier)
    office.put_back()
    office.run()
    assert "koeln has not told yet what this host has forgotten" in office.call("status").out
    assert office.done("station", "show", "trier", "--json").json["asked"]
    office.sql("UPDATE customers SET city = 'Jena' WHERE id = 1")
    office.sql("INSERT INTO customers VALUES (6, 'Harms', 'Jena')")
    for _ in range(3):
        exchange(office, koeln)
        exchange(office, trier)
    rows = {row[0]: row[1:] for row in office.sql(ROWS)}
    assert rows[1] == ("Ahlers", "Jena")
    assert set(rows) == {1, 2, 4, 6, 10, 11}
    assert koeln.sql(ROWS) == trier.sql(ROWS) == office.sql(ROWS)
    (line,) = office.done("conflict", "list", "--json").json
    assert (line["key"], line["kind"]) == ([1], "given-back")
    told = " ".join(office.done("conflict", "show", str(line["id"])).out.split())
    assert "Kiel" in told
    assert "Jena" in told


def test_a_station_that_was_set_back_too(new_place: NewPlace) -> None:
    """The other one gives back what it had; both come to the same."""
    office, koeln, trier = joined(new_place)
    koeln.back_up()
    office.back_up()
    live_on(office, koeln, trier)
    koeln.run()
    office.put_back()
    koeln.put_back()
    for _ in range(3):
        exchange(office, koeln)
        exchange(office, trier)
    rows = office.sql(ROWS)
    assert [row[0] for row in rows] == [1, 2, 4, 10]
    assert koeln.sql(ROWS) == trier.sql(ROWS) == rows
    assert (2, "Brand", "Bonn") in rows


def computer_of(place: Place) -> Callable[[], None]:
    """The whole computer as it is now: home folder and database. Gives what puts it back."""
    image = place.folder / "image"
    shutil.copytree(place.home, image / "home")
    place.back_up()
    shutil.copyfile(place.backup, image / "database")

    def put_back() -> None:
        shutil.rmtree(place.home)
        shutil.copytree(image / "home", place.home)
        shutil.copyfile(image / "database", place.backup)
        place.put_back()

    return put_back


def test_a_whole_computer_is_set_back_and_an_operator_says_so(new_place: NewPlace) -> None:
    office, koeln, trier = joined(new_place)
    put_back = computer_of(office)
    live_on(office, koeln, trier)
    put_back()
    told = " ".join(office.done("restored").out.split())
    assert "asks its stations for what it has forgotten" in told
    all_equal(office, koeln, trier)


def test_a_whole_computer_is_set_back_and_nobody_says_so(new_place: NewPlace) -> None:
    """It halts when a station's mail shows it; what it had written under the same numbers until then stays."""
    office, koeln, trier = joined(new_place)
    put_back = computer_of(office)
    live_on(office, koeln, trier)
    put_back()
    office.sql("UPDATE customers SET city = 'Bonn am Rhein' WHERE id = 2")
    office.run()
    koeln.run()
    told = office.refused("host-run", code=3)
    assert "its database was set back to an earlier state" in told
    assert "replicator restored" in told
    assert office.call("host-run").code == 3, "also after a restart"
    assert "It had halted" in office.done("restored").out
    for _ in range(3):
        exchange(office, koeln)
        exchange(office, trier)
    rows = office.sql(ROWS)
    assert koeln.sql(ROWS) == trier.sql(ROWS) == rows
    assert [row[0] for row in rows] == [1, 2, 4, 10, 11]
    assert (1, "Ahlers", "Kiel") in rows


def test_the_side_file_is_missing(new_place: NewPlace) -> None:
    office, koeln, trier = joined(new_place)
    (office.home / "state").unlink()
    assert "replicator restored" in office.refused("host-run", code=3)
    office.done("restored")
    office.sql("INSERT INTO customers VALUES (6, 'Harms', 'Jena')")
    for _ in range(2):
        for station in (koeln, trier):
            exchange(office, station)
    assert koeln.sql(ROWS) == trier.sql(ROWS) == office.sql(ROWS)
    assert len(office.sql(ROWS)) == 4


def test_a_table_that_was_added_after_the_backup(new_place: NewPlace) -> None:
    """The host knows nothing of it any more, nor does it give its number to another one."""
    office, koeln, trier = joined(new_place)
    office.back_up()
    office.sql("CREATE TABLE goods (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.done("table", "add", "goods")
    for station in ("koeln", "trier"):
        office.done("rule", "set", station, "goods", "--to-remote", "all", "--to-host", "all")
    office.sql("INSERT INTO goods VALUES (1, 'bolts')")
    for station in (koeln, trier):
        exchange(office, station)
    koeln.sql("INSERT INTO goods VALUES (2, 'nuts')")
    exchange(koeln, office)
    office.put_back()
    office.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.run()
    office.done("table", "add", "orders")
    for station in ("koeln", "trier"):
        office.done("rule", "set", station, "orders", "--to-remote", "all", "--to-host", "all")
    office.sql("INSERT INTO orders VALUES (1, 'an order')")
    for _ in range(3):
        for station in (koeln, trier):
            exchange(office, station)
    for station in (koeln, trier):
        assert station.sql("SELECT id, name FROM orders") == [(1, "an order")]
        assert station.sql("SELECT count(*) FROM goods") == [(2 if station is koeln else 1,)]
    # Set up again as it was, its rows come from where they are.
    office.sql("CREATE TABLE goods (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    office.done("table", "add", "goods")
    office.done("rule", "set", "koeln", "goods", "--to-remote", "all", "--to-host", "all")
    for _ in range(2):
        exchange(office, koeln)
    assert office.sql("SELECT id, name FROM goods ORDER BY id") == [(1, "bolts"), (2, "nuts")]


def test_what_it_asks_with_is_no_longer_there(new_place: NewPlace) -> None:
    """Somebody has tidied up in the home folder: it asks anew."""
    office, koeln, trier = joined(new_place)
    office.back_up()
    live_on(office, koeln, trier)
    office.put_back()
    office.run()
    for path in (office.home / "spool" / "segments").rglob("*/?*"):
        path.unlink()
    told = " ".join(office.done("host-run", "--resend-now").out.split())
    assert "a file is gone of what was to be sent" in told + " ".join(office.call("host-run").out.split())
    all_equal(office, koeln, trier)
