"""Two backup stations: one becomes the host, the other goes on as its backup, and becomes the host in turn (10.2)."""

from __future__ import annotations

import pytest

from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

ROWS = "SELECT id, name, city FROM customers ORDER BY id"


def company(new_place: NewPlace, *kinds: str) -> list[Place]:
    """A host, two backup stations, and two stations; all have heard of each other."""
    office, first, second = (
        new_place(kind, name) for kind, name in zip(kinds, ("office", "sicherung", "archiv"), strict=True)
    )
    office.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(50), city VARCHAR(50))")
    office.sql("INSERT INTO customers VALUES (1, 'Ahlers', 'Bremen'), (2, 'Brandt', 'Bonn'), (3, 'Cordes', 'Emden')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers")
    for keeper in (first, second):
        new_backup(office, keeper)
    stations = [new_place("sqlite", "koeln"), new_place("sqlite", "trier")]
    enrol(office, *stations)
    for _ in range(2):
        exchange(office, first, second, *stations)
    return [office, first, second, *stations]


def new_backup(host: Place, keeper: Place) -> None:
    invitation = host.folder / f"{keeper.name}.invitation"
    address = f"{keeper.name}@example.com"
    host.done("station", "add", keeper.name, "--address", address, "--backup", "--out", invitation)
    keeper.done("remote-init", invitation, *keeper.options)


def promoted(keeper: Place) -> str:
    return " ".join(keeper.done("host-init", "--from-backup", keeper.home, "--yes").out.split())


def settled(host: Place, *stations: Place) -> None:
    for _ in range(2):
        exchange(host, *stations)
    rows = host.sql(ROWS)
    for place in (host, *stations):
        assert place.sql(ROWS) == rows
        assert place.done("conflict", "list", "--json").json == []
        assert place.call("status").code == 0, place.call("status").out


@pytest.mark.parametrize(
    "kinds", [("sqlite",) * 3, ("mariadb", "sqlite", "postgresql"), ("postgresql", "mariadb", "sqlite")], ids="-".join
)
def test_one_becomes_the_host_and_the_other_after_it(new_place: NewPlace, kinds: tuple[str, ...]) -> None:
    office, first, second, koeln, trier = company(new_place, *kinds)
    # The second knows more of the host than the first.
    office.sql("INSERT INTO customers VALUES (4, 'Dierks', 'Ulm')")
    koeln.sql("INSERT INTO customers VALUES (10, 'Eilers', 'Köln')")
    exchange(koeln, office, second)
    office.sql("DELETE FROM customers WHERE id = 3")
    exchange(office, second)
    trier.sql("UPDATE customers SET name = 'Brand' WHERE id = 2")
    out = promoted(first)
    assert "sicherung is the host Zentrale <sicherung@example.com> now" in out
    assert "Not known to accept" not in out
    settled(first, second, koeln, trier)
    assert [row[:2] for row in first.sql(ROWS)] == [(1, "Ahlers"), (2, "Brand"), (4, "Dierks"), (10, "Eilers")]

    first.sql("INSERT INTO customers VALUES (5, 'Focken', 'Jever')")
    koeln.sql("UPDATE customers SET city = 'Kiel' WHERE id = 10")
    exchange(first, second, koeln, trier)
    first.sql("UPDATE customers SET city = 'Leer' WHERE id = 5")
    exchange(first, trier)
    koeln.sql("DELETE FROM customers WHERE id = 4")
    backup = second.done("status", "--json").json["backup"]
    assert (backup["complete"], backup["not_accepting"]) == (True, [])
    out = promoted(second)
    assert "archiv is the host Zentrale <archiv@example.com> now" in out
    assert "Not known to accept" not in out
    settled(second, koeln, trier)
    assert second.sql(ROWS) == [
        (1, "Ahlers", "Bremen"),
        (2, "Brand", "Bonn"),
        (5, "Focken", "Leer"),
        (10, "Eilers", "Kiel"),
    ]
    # Both that were hosts before hear so, should they work after all.
    for former in (office, first):
        former.sql("INSERT INTO customers VALUES (6, 'nobody', 'nowhere')")
        former.run()
        exchange(koeln, second, rounds=1)
        assert "has taken this host's place" in former.refused("host-run", code=3)
    assert koeln.sql("SELECT * FROM customers WHERE id = 6") == []
    # And so on: a new backup station takes its turn.
    third = new_place("sqlite", "keller")
    new_backup(second, third)
    for _ in range(2):
        exchange(second, third, koeln, trier)
    assert "Not known to accept" not in promoted(third)
    trier.sql("INSERT INTO customers VALUES (20, 'Gerdes', 'Trier')")
    for _ in range(2):
        exchange(third, koeln, trier)
    assert third.sql(ROWS) == koeln.sql(ROWS) == trier.sql(ROWS)
    assert len(third.sql(ROWS)) == 5


def test_the_other_one_has_not_heard_of_the_first(new_place: NewPlace) -> None:
    """Nobody has: the second host burns before its first mail."""
    _, first, second, koeln, trier = company(new_place, *["sqlite"] * 3)
    promoted(first)
    koeln.sql("INSERT INTO customers VALUES (10, 'Eilers', 'Köln')")
    assert "Not known to accept" not in promoted(second)
    settled(second, koeln, trier)
    assert len(second.sql(ROWS)) == 4


def test_stations_that_took_the_first_host_do_not_know_the_second_one(new_place: NewPlace) -> None:
    """It has named nobody yet: who has gone over to it has to be invited anew."""
    _, first, second, koeln, trier = company(new_place, *["sqlite"] * 3)
    promoted(first)
    first.run()
    for station in (second, koeln, trier):
        station.run()
    assert second.call("status", "--json").json["backup"]["not_accepting"] == ["koeln", "sicherung", "trier"]
    assert "Not known to accept this host: koeln, sicherung, trier." in promoted(second)
    second.done("station", "remove", "sicherung", "--yes")
    second.run()
    for station in (koeln, trier):
        station.run()
        assert list((station.home / "aside").iterdir()), "another host than the one that it has"
        again = new_place("sqlite", f"new-{station.name}")
        invitation = second.folder / f"{again.name}.invitation"
        second.done("station", "invite", station.name, "--out", invitation)
        again.done("remote-init", invitation, *again.options)
        settled(second, again)
