"""A station whose database or computer is set back: it goes on, and ends equal with the host (protocol.md 5.11)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from replicator.engine.receive import receive
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import machine
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

ROWS = "SELECT id, name, city FROM customers ORDER BY id"


def joined(new_place: NewPlace, kind: str = "sqlite") -> tuple[Place, Place]:
    office, station = new_place("sqlite", "office"), new_place(kind, "koeln")
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), city VARCHAR(50))")
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Bonn')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    enrol(office, station)
    exchange(office, station)
    return office, station


def live_on(office: Place, station: Place) -> None:
    """What happens after the backup: sent and judged, sent only, and not sent at all."""
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    station.sql("UPDATE customers SET city = 'Kiel' WHERE id = 1")
    exchange(station, office)
    office.sql("UPDATE customers SET name = 'Brand' WHERE id = 2")
    office.sql("INSERT INTO customers VALUES (3, 'Dierks', 'Emden')")
    exchange(office, station)
    station.sql("INSERT INTO customers VALUES (11, 'Eilers', 'Köln')")
    station.run()
    station.sql("INSERT INTO customers VALUES (12, 'Focken', 'Köln')")


def equal_again(office: Place, station: Place) -> None:
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert [row[0] for row in office.sql(ROWS)] == [1, 2, 3, 10, 11]
    assert (1, "Ahlers", "Kiel") in station.sql(ROWS)
    for place in (office, station):
        assert place.done("conflict", "list", "--json").json == []
        assert place.call("status").code == 0
    station.sql("UPDATE customers SET city = 'Ulm' WHERE id = 11")
    office.sql("DELETE FROM customers WHERE id = 3")
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert (11, "Eilers", "Ulm") in office.sql(ROWS)
    assert not station.run().sent.mails, "at rest"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_database_is_restored_from_a_backup(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    station.back_up()
    live_on(office, station)
    station.put_back()
    told = " ".join(station.done("remote-run").out.split())
    assert "the database of this node is older than what it has already sent" in told
    assert "had not been sent is lost: enter it again" in told
    equal_again(office, station)


def test_a_file_that_was_copied_is_put_back(new_place: NewPlace) -> None:
    """With its -wal file, as docs/operating.md says."""
    office, station = joined(new_place)
    names = [station.database_file.name + end for end in ("", "-wal", "-shm")]
    copies = station.folder / "copies"
    copies.mkdir()
    for name in names:
        if (station.folder / name).exists():
            shutil.copyfile(station.folder / name, copies / name)
    live_on(office, station)
    for name in names:
        (station.folder / name).unlink(missing_ok=True)
        if (copies / name).exists():
            shutil.copyfile(copies / name, station.folder / name)
    equal_again(office, station)


def copy_of(station: Place, name: str) -> Callable[[], None]:
    """The whole computer as it is now: home folder and database. Gives what puts it back."""
    image = station.folder / name
    image.mkdir()
    shutil.copytree(station.home, image / "home")
    station.back_up()
    shutil.copyfile(station.backup, image / "database")

    def put_back() -> None:
        shutil.rmtree(station.home)
        shutil.copytree(image / "home", station.home)
        shutil.copyfile(image / "database", station.backup)
        station.put_back()

    return put_back


def test_a_whole_computer_is_set_back_and_nobody_says_so(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    put_back = copy_of(station, "image")
    live_on(office, station)
    put_back()
    office.sql("UPDATE customers SET city = 'Trier' WHERE id = 2")
    office.run()
    told = " ".join(station.done("remote-run").out.split())
    assert "knows of batches that this node never made" in told
    equal_again(office, station)


def test_a_whole_computer_is_set_back_and_an_operator_says_so(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    put_back = copy_of(station, "image")
    live_on(office, station)
    put_back()
    assert "goes on under a new epoch" in station.done("restored").out
    equal_again(office, station)


def test_the_side_file_is_missing(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    (station.home / "state").unlink()
    assert "replicator restored" in station.refused("remote-run", code=3)
    station.done("restored")
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert len(office.sql(ROWS)) == 3


def test_two_computers_with_one_station(new_place: NewPlace, tmp_path: Path) -> None:
    """A copy works beside it: one of the two halts, the other goes on."""
    office, station = joined(new_place)
    twin = new_place("sqlite", "twin")
    shutil.copytree(station.home, twin.home)
    station.back_up()
    shutil.copyfile(station.backup, twin.database_file)
    settings = twin.home / "replicator.toml"
    settings.write_text(settings.read_text().replace(station.database_file.name, twin.database_file.name))
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    station.run()
    office.run()
    twin.sql("INSERT INTO customers VALUES (20, 'Gerdes', 'Köln')")
    for _ in range(3):
        twin.call("remote-run")
        office.run()
    assert (20, "Gerdes", "Köln") in office.sql(ROWS)
    assert (10, "Cordes", "Köln") in office.sql(ROWS)
    office.sql("UPDATE customers SET city = 'Ulm' WHERE id = 1")
    office.run()
    told = station.refused("remote-run", code=3)  # whoever looks first has the mail
    assert "a later copy of this node" in told
    assert station.call("remote-run").code == 3, "also after a restart"
    # The halted one is the right one after all: it goes on, and the other halts.
    station.done("restored")
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    office.sql("UPDATE customers SET city = 'Bonn' WHERE id = 1")
    office.run()
    assert "a later copy of this node" in twin.refused("remote-run", code=3)


def test_a_station_that_joins_with_a_row_that_the_host_has_deleted_since(new_place: NewPlace) -> None:
    """It knows of no delete: the host's stands, and what the station had is on record."""
    office, station = new_place("sqlite", "office"), new_place("sqlite", "koeln")
    for place in (office, station):
        place.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), city VARCHAR(50))")
        place.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Bonn')")
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    office.sql("DELETE FROM customers WHERE id = 2")
    enrol(office, station)
    exchange(office, station)
    assert station.sql(ROWS) == office.sql(ROWS) == [(1, "Ahlers", "Bremen"), (10, "Cordes", "Köln")]
    (line,) = office.done("conflict", "list", "--json").json
    assert (line["key"], line["kind"]) == ([2], "changed-here-deleted-at-host")
    office.done("conflict", "settle", str(line["id"]), "--take", "station")
    exchange(office, station)
    assert len(station.sql(ROWS)) == 3


# --- computers --------------------------------------------------------------------------------------------------------


def test_a_node_that_runs_on_another_computer(new_place: NewPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    office, station = joined(new_place)
    assert station.call("status").code == 0
    monkeypatch.setattr(machine, "_machine_id", lambda: "another computer")
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    told = station.call("remote-run")
    assert (told.code, "sent" in told.out) == (3, True), "it goes on"
    assert "If it has moved here for good, say: replicator moved" in " ".join(station.call("status").out.split())
    assert "belongs to this computer now" in station.done("moved").out
    assert station.call("status").code == 0
    assert "already" in station.done("moved").out
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)


def test_a_system_that_tells_no_number_is_trusted(new_place: NewPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    _, station = joined(new_place)
    monkeypatch.setattr(machine, "_machine_id", lambda: None)
    assert station.done("remote-run").code == 0


# --- loading anew -----------------------------------------------------------------------------------------------------


def test_a_station_is_loaded_anew(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    lose_a_row(station)
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    told = office.done("station", "reload", "koeln").out
    assert told == "The next run sends koeln everything in its rules anew.\n"
    exchange(office, station)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert len(station.sql(ROWS)) == 3, "what it has not sent stays"


def test_a_table_is_loaded_anew(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    lose_a_row(station)
    office.done("station", "reload", "koeln", "customers")
    exchange(office, station)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert "not replicated" in office.refused("station", "reload", "koeln", "orders")
    assert "no station named kiel" in office.refused("station", "reload", "kiel")
    office.done("rule", "set", "koeln", "all", "--to-remote", "none")
    assert "no rule sends rows of customers" in office.refused("station", "reload", "koeln", "customers")
    assert "at the host" in station.refused("station", "reload", "koeln")


def lose_a_row(station: Place) -> None:
    """By a tool that fires no triggers."""
    triggers = station.sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'customers'")
    for name, _ in triggers:
        station.sql(f'DROP TRIGGER "{name}"')
    station.sql("DELETE FROM customers WHERE id = 2")
    for _, sql in triggers:
        station.sql(sql)


# --- a database of before, and nothing was sent since -----------------------------------------------------------------


def test_a_station_that_has_to_send_what_is_no_longer_there(new_place: NewPlace) -> None:
    """Put back to before an acknowledgement, with nothing sent since: no counter tells of it."""
    office, station = joined(new_place)
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    station.done("restored")
    station.run()
    station.back_up()
    office.run()
    with open_node(Home(station.home, Files(Runtime())), Runtime()) as node:
        assert receive(node).mails  # and is killed before it sends anything
    station.put_back()
    assert not list((station.home / "spool" / "segments").rglob("*/?*")), "the request to begin anew was acknowledged"
    told = " ".join(station.done("remote-run", "--resend-now").out.split())
    assert "a file is gone of what was to be sent" in told + " ".join(station.done("remote-run").out.split())
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert len(office.sql(ROWS)) == 3
    assert station.call("status").code == office.call("status").code == 0


def test_a_host_that_has_to_send_what_is_no_longer_there(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    office.done("station", "reload", "koeln")
    office.run()
    office.back_up()
    station.run()
    assert office.run().received.mails
    office.put_back()
    told = " ".join(office.done("host-run", "--resend-now").out.split())
    assert "gets everything in its rules anew" in told + " ".join(office.call("host-run").out.split())
    office.sql("INSERT INTO customers VALUES (3, 'Dierks', 'Emden')")
    exchange(station, office)
    assert station.sql(ROWS) == office.sql(ROWS)
    assert len(office.sql(ROWS)) == 3
    assert station.call("status").code == office.call("status").code == 0
