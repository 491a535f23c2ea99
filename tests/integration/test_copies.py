"""Two computers with one station's data: one goes on, the other halts, and what only that one knows is not lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from replicator.operations import copying
from replicator.runtime import Runtime
from replicator.store import machine
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, exchange
from tests.integration.conftest import NewPlace
from tests.integration.test_restores import ROWS, joined


def copied(station: Place, twin: Place) -> None:
    """The computer with all on it, put up beside itself."""
    shutil.copytree(station.home, twin.home)
    station.back_up()
    shutil.copyfile(station.backup, twin.backup)
    twin.put_back()
    settings = twin.home / "replicator.toml"
    here, there = (place.options[1] for place in (station, twin))
    settings.write_text(settings.read_text().replace(here, there))


def forked(office: Place, station: Place, twin: Place) -> None:
    """Both work on under one name, until one of them, the twin, halts."""
    copied(station, twin)
    twin.sql("INSERT INTO customers VALUES (20, 'Gerdes', 'Köln')")
    twin.run()
    office.run()
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    for _ in range(3):
        station.run()
        office.run()
    twin.sql("INSERT INTO customers VALUES (21, 'Harms', 'Köln')")
    twin.sql("UPDATE customers SET city = 'Emden' WHERE id = 2")
    office.sql("UPDATE customers SET city = 'Ulm' WHERE id = 1")
    office.run()
    told = " ".join(twin.refused("remote-run", code=3).split())
    assert "another computer works under its name" in told
    assert "say: replicator restored" in told
    assert "its own, which loses nothing: replicator copy" in told
    assert twin.call("remote-run").code == 3, "also after a restart"
    assert "halted" in twin.call("status").out
    station.run()


def invited(office: Place, twin: Place) -> list[str]:
    """An invitation for the copy, and the options that it needs."""
    file = twin.folder / "twin.invitation"
    told = office.done("station", "add", "bonn", "--address", "bonn@example.com", "--copy-of", "koeln", "--out", file)
    assert "It has the rules of koeln" in told.out
    return [str(file), *twin.options[2:]]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_the_twin_becomes_a_station_of_its_own(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    twin = new_place(kind, "twin")
    forked(office, station, twin)
    shown = twin.done("copy").out
    assert "customers 21 new" in shown
    assert "customers 2 changed" in shown
    assert "replicator station add NAME --address ADDRESS --copy-of koeln" in " ".join(shown.split())
    (*_, group) = twin.done("copy", "--json").json
    assert group["entries"][-1]["after"]["city"] == "Emden"
    told = twin.done("copy", *invited(office, twin)).out
    assert "is the station bonn <bonn@example.com> now" in told
    exchange(office, station, twin)
    assert station.sql(ROWS) == office.sql(ROWS) == twin.sql(ROWS)
    assert [row[0] for row in office.sql(ROWS)] == [1, 2, 10, 20, 21]
    assert (2, "Brandt", "Emden") in office.sql(ROWS)
    assert office.done("conflict", "list", "--json").json == []
    # All three go on as nodes of their own.
    for place, key in ((station, 10), (twin, 20), (office, 1)):
        place.sql(f"UPDATE customers SET name = 'von {place.name}' WHERE id = {key}")
    exchange(office, station, twin)
    assert station.sql(ROWS) == office.sql(ROWS) == twin.sql(ROWS)
    assert {"von koeln", "von twin", "von office"} <= {row[1] for row in twin.sql(ROWS)}
    assert not twin.run().sent.mails, "at rest"
    assert twin.call("status").code == 0


def test_a_copy_that_never_ran_becomes_a_station(new_place: NewPlace) -> None:
    """A laptop that was prepared and copied, with changes on both that the original sends as well."""
    office, station = joined(new_place)
    twin = new_place("sqlite", "twin")
    station.sql("INSERT INTO customers VALUES (10, 'Cordes', 'Köln')")
    station.sql("UPDATE customers SET city = 'Kiel' WHERE id = 1")
    station.run()
    copied(station, twin)
    office.run()
    office.sql("UPDATE customers SET city = 'Ulm' WHERE id = 1")
    office.done("table", "set", "customers", "--policy", "station")
    twin.done("copy", *invited(office, twin))
    exchange(twin, office, station)
    assert (1, "Ahlers", "Ulm") in office.sql(ROWS), "what came before is not done again"
    assert station.sql(ROWS) == office.sql(ROWS) == twin.sql(ROWS)
    assert office.done("conflict", "list", "--json").json == []


def test_what_the_copy_brings_first_is_not_done_again_by_the_original(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    twin = new_place("sqlite", "twin")
    station.sql("UPDATE customers SET city = 'Kiel' WHERE id = 1")
    station.run()
    lost = office.folder / "mail" / "office@example.com" / "new"
    for mail in lost.iterdir():
        mail.unlink()
    copied(station, twin)
    office.done("table", "set", "customers", "--policy", "station")
    twin.done("copy", *invited(office, twin))
    exchange(twin, office)
    office.sql("UPDATE customers SET city = 'Ulm' WHERE id = 1")
    station.done("remote-run", "--resend-now")
    exchange(office, station, twin)
    assert (1, "Ahlers", "Ulm") in office.sql(ROWS)
    assert station.sql(ROWS) == office.sql(ROWS) == twin.sql(ROWS)
    assert office.done("conflict", "list", "--json").json == []


def test_the_copy_of_a_station_that_is_gone(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    twin = new_place("sqlite", "twin")
    forked(office, station, twin)
    arguments = invited(office, twin)
    office.done("station", "remove", "koeln", "--yes")
    twin.done("copy", *arguments)
    exchange(office, twin)
    assert office.sql(ROWS) == twin.sql(ROWS)
    assert [row[0] for row in office.sql(ROWS)] == [1, 2, 10, 20, 21]


def test_the_host_was_restored_since_the_twin_halted(new_place: NewPlace) -> None:
    """What the host took and forgot of the twin's, and what the twin knows of the host's own."""
    office, station = joined(new_place)
    twin = new_place("sqlite", "twin")
    office.back_up()
    office.sql("UPDATE customers SET city = 'Kiel' WHERE id = 1")
    exchange(station, office, station)
    copied(station, twin)
    office.sql("INSERT INTO customers VALUES (3, 'Dierks', 'Emden')")
    office.run()
    twin.sql("INSERT INTO customers VALUES (20, 'Gerdes', 'Köln')")
    exchange(twin, office, twin)
    for number in (10, 11, 12):
        station.sql(f"INSERT INTO customers (id, name) VALUES ({number}, 'Cordes')")
        station.run()
        office.run()
    assert "another computer works" in " ".join(twin.refused("remote-run", code=3).split())
    twin.sql("UPDATE customers SET city = 'Bern' WHERE id = 20")
    office.sql("UPDATE customers SET name = 'nobody has heard of' WHERE id = 2")
    office.put_back()
    office.run()
    exchange(station, office, rounds=4)
    twin.done("copy", *invited(office, twin))
    exchange(office, twin, station, rounds=5)
    assert station.sql(ROWS) == office.sql(ROWS) == twin.sql(ROWS)
    rows = {row[0]: row[1:] for row in office.sql(ROWS)}
    (line,) = [line for line in office.done("conflict", "list", "--json").json if line["key"] == [20]]
    assert "Bern" in office.done("conflict", "show", str(line["id"])).out, (
        "the other half has given back the row before"
    )
    assert rows[1] == ("Ahlers", "Kiel")
    assert rows[3] == ("Dierks", "Emden")
    assert set(rows) == {1, 2, 3, 10, 11, 12, 20}


def test_an_invitation_that_is_not_for_it(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    file = office.folder / "plain.invitation"
    office.done("station", "add", "bonn", "--address", "bonn@example.com", "--out", file)
    mailbox = station.options[2:]
    assert "not for a copy of koeln; make one at the host" in station.refused("copy", file, *mailbox)
    assert "a copy of a host" in office.refused("copy", file, *mailbox)
    assert "no station named kiel" in office.refused(
        "station", "add", "ulm", "--address", "ulm@example.com", "--copy-of", "kiel"
    )
    assert station.done("remote-run").code == 0, "nothing has changed"


class Gone(BaseException):
    """The process dies."""


def test_it_dies_at_any_moment(new_place: NewPlace) -> None:
    """And is done when it is said again."""
    office, station = joined(new_place)
    twin = new_place("sqlite", "twin")
    forked(office, station, twin)
    put_back = image_of(twin)
    file, _, mailbox = invited(office, twin)
    invitation = Path(file).read_bytes()
    places: list[str] = []
    while died(twin, Path(file), mailbox, len(places), places):
        finished = "already" in twin.call("copy", file, "--mailbox", mailbox).err
        assert finished == (places.count("side:after") == 3), "said once more it comes to its end"
        put_back()
        Path(file).write_bytes(invitation)
    assert (
        places
        == ["side:before", "side:after", "spool:before", "spool:after", "commit:before", "commit:after"]
        + [
            "side:before",
            "side:after",
        ]
        * 2
    )
    exchange(office, station, twin)
    assert station.sql(ROWS) == office.sql(ROWS) == twin.sql(ROWS)
    assert [row[0] for row in office.sql(ROWS)] == [1, 2, 10, 20, 21]


def died(twin: Place, file: Path, mailbox: str, left: int, places: list[str]) -> bool:
    """Whether the copy died at the crash point behind so many others; then that is added to the places."""

    def reached(place: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            places.append(place)
            raise Gone

    runtime = Runtime(reached=reached)
    try:
        copying.become_station(Home(twin.home, Files(runtime)), runtime, file, passphrase=None, mailbox=mailbox)
    except Gone:
        assert places.count("side:after") == 3 or twin.call("remote-run").code != 0, "nothing is sent in between"
        return True
    return False


def image_of(place: Place) -> Callable[[], None]:
    """All of the computer as it is now. Gives what puts it back."""
    image = place.folder / "image"
    shutil.copytree(place.home, image)
    place.back_up()

    def put_back() -> None:
        shutil.rmtree(place.home)
        shutil.copytree(image, place.home)
        place.put_back()

    return put_back


def test_a_copy_on_another_computer(new_place: NewPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    office, station = joined(new_place)
    twin = new_place("sqlite", "twin")
    copied(station, twin)
    monkeypatch.setattr(machine, "_machine_id", lambda: "another computer")
    twin.call("remote-run")
    assert "replicator copy" in twin.call("status").out
    twin.done("copy", *invited(office, twin))
    exchange(office, twin)
    assert twin.call("status").code == 0
