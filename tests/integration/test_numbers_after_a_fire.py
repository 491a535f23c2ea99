"""Numbers when a backup station becomes the host: none is issued twice, and each is accounted for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from replicator.operations.promoting import promote
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace
from tests.integration.test_number_audit import audited, draw, numbers_in
from tests.integration.test_several_backup_stations import new_backup, promoted

BURNT = [("postgresql", "sqlite"), ("sqlite", "mariadb"), ("mariadb", "postgresql")]
"""Databases of the host that burns and of its backup station."""


def company(new_place: NewPlace, host: str, backup: str) -> list[Place]:
    office, keeper = new_place(host, "office"), new_place(backup, "sicherung")
    stations = [new_place("sqlite", "koeln"), new_place("sqlite", "trier")]
    office.sql("CREATE TABLE invoices (id VARCHAR(20) PRIMARY KEY, number INTEGER, note VARCHAR(50))")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "invoices")
    new_backup(office, keeper)
    enrol(office, *stations)
    for node in ("Zentrale", "koeln", "trier"):
        office.done("numbers", "set", node, "invoices", "--column", "number", "--block", "10")
    for _ in range(2):
        exchange(office, keeper, *stations)
    return [office, keeper, *stations]


def invoices_of(place: Place) -> dict[str, int]:
    return dict(place.sql("SELECT id, number FROM invoices"))


def lose_mail(place: Place) -> None:
    """What lies in its mailbox."""
    for mail in (place.folder / "mail" / f"{place.name}@example.com" / "new").iterdir():
        mail.unlink()


@pytest.mark.parametrize(("host", "backup"), BURNT, ids="-".join)
def test_no_number_comes_twice_and_each_is_accounted_for(new_place: NewPlace, host: str, backup: str) -> None:
    office, keeper, koeln, trier = company(new_place, host, backup)
    written: dict[str, int] = {}

    def drawn(place: Place, count: int, prefix: str) -> None:
        draw(place, count, prefix)
        written.update(invoices_of(place))

    # Everybody knows of these.
    drawn(office, 3, "z")
    drawn(koeln, 3, "k")
    exchange(koeln, office, keeper, trier)
    # The backup station does not hear of these: Köln draws all that it has, is granted more, and draws of that.
    drawn(koeln, 15, "l")
    exchange(koeln, office)
    drawn(koeln, 5, "m")
    exchange(koeln, office)
    lose_mail(keeper)
    # Nobody hears of these.
    drawn(office, 4, "y")
    unknown = [written.pop(f"y{number}") for number in range(4)]
    # And these are drawn while there is no host.
    drawn(trier, 4, "t")
    koeln.sql("DELETE FROM invoices WHERE id = 'm0'")

    told = promoted(keeper)
    assert "nobody knows whether they were used: lost" in told
    for _ in range(2):
        exchange(keeper, koeln, trier)
    drawn(keeper, 5, "n")
    drawn(koeln, 12, "o")
    drawn(trier, 12, "u")
    exchange(koeln, trier, keeper)
    exchange(keeper, koeln, trier)

    assert len(set(written.values())) == len(written), "none twice"
    assert not set(written.values()) & set(unknown), "not one that a burnt invoice may bear"
    expected = written.keys() - {"m0"}
    for place in (keeper, koeln, trier):
        assert invoices_of(place) == {key: written[key] for key in expected}
        assert place.done("conflict", "list", "--json").json == []
    found = audited(keeper)
    assert found["adds_up"] is True
    assert numbers_in(found["used"]) == sorted(written[key] for key in expected)
    assert written["m0"] in numbers_in(found["voided"])
    assert set(unknown) <= set(numbers_in(found["lost"])), "they may stand on paper"
    _each_is_somebodys(found, koeln, trier)
    # What stations hold they can draw, whatever the former host had granted them without the backup station's knowing.
    before = set(written.values())
    drawn(koeln, 2, "p")
    drawn(trier, 2, "v")
    held = set(numbers_in(found["held"]))
    assert set(written.values()) - before <= held


def _each_is_somebodys(found: dict[str, Any], *stations: Place) -> None:
    """What the host has down as held by a station, that station holds."""
    for station in stations:
        booked = {
            number
            for each in found["held"]
            if each["node"] == station.name
            for number in range(each["from"], each["to"] + 1)
        }
        [part] = station.done("numbers", "list", "--json").json
        assert len(booked) == part["left"], station.name


def test_a_station_that_answers_late_keeps_what_it_was_granted(new_place: NewPlace) -> None:
    """It was away during the fire; the new host had all that for lost."""
    office, keeper, koeln, trier = company(new_place, "sqlite", "sqlite")
    draw(trier, 18, "t")
    exchange(trier, office)
    held = set(numbers_in([each for each in audited(office)["held"] if each.get("node") == "trier"]))
    lose_mail(keeper)
    promoted(keeper)
    for _ in range(2):
        exchange(keeper, koeln)
    draw(koeln, 20, "k")
    draw(keeper, 10, "n")
    exchange(keeper, koeln)
    draw(trier, 5, "v")
    drawn = {number for key, number in invoices_of(trier).items() if key.startswith("v")}
    assert drawn <= held
    exchange(trier, keeper, koeln)
    found = audited(keeper)
    assert drawn <= set(numbers_in(found["used"]))
    assert not drawn & set(numbers_in(found["lost"]))
    numbers = list(invoices_of(keeper).values())
    assert len(numbers) == len(set(numbers)) == 18 + 20 + 10 + 5
    _each_is_somebodys(found, koeln, trier)


def test_a_backup_station_that_was_away_for_weeks(new_place: NewPlace) -> None:
    """More than ten blocks of each were granted without it; as many as in the weeks before it goes by."""
    office, keeper, koeln, _ = company(new_place, "sqlite", "sqlite")
    day = 24 * 3600

    def weeks(first: int, last: int, *places: Place) -> None:
        for number in range(first, last):
            draw(koeln, 10, f"k{number}-")
            for place in (koeln, *places, koeln):
                place.run(later=number * day)

    weeks(0, 40, office, keeper)
    weeks(40, 80, office)
    lose_mail(keeper)
    in_use = set(invoices_of(koeln).values())
    later = Runtime(now=lambda: time.time_ns() // 1000 + 80 * day * 1_000_000)
    promote(Home(keeper.home, Files(later)), later, sure=True)
    keeper.run(later=80 * day)
    draw(keeper, 10, "n")
    drawn = {number for key, number in invoices_of(keeper).items() if key.startswith("n")}
    assert len(drawn) == 10
    assert not drawn & in_use
