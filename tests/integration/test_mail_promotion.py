"""After a fire, with real mail servers: host, backup station and station are processes of their own, and the new host
is reached at its own address, or at the former one's."""

from __future__ import annotations

from pathlib import Path

import pytest
from mail_nodes import Way, add_customers, customers_of, mail_options, new_host, new_station, settled
from processes import Computer, equal

from tests.servers.farm import USERS, MailFarm


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


def new_backup(farm: MailFarm, office: Computer, user: str, way: Way) -> Computer:
    keeper = Computer(office.folder, user)
    invitation = office.folder / f"{user}.invitation"
    office.here("station", "add", user, "--address", farm.address(user), "--backup", "--out", invitation)
    keeper.here(
        *("remote-init", invitation, "--database", f"sqlite:///{keeper.database_file}"),
        *mail_options(farm, office.folder, user, way),
    )
    return keeper


def as_host(farm: MailFarm, keeper: Computer, *stations: Computer, rounds: int = 4) -> None:
    for _ in range(rounds):
        keeper.here("host-run")
        farm.settle()
        settled(farm, *stations, rounds=1)


@pytest.mark.parametrize("takes_over", [False, True], ids=["own address", "the host's address"])
@pytest.mark.parametrize("way", [("imaps", "smtps"), ("pop3s", "smtp")], ids="-".join)
def test_a_backup_station_becomes_the_host(farm: MailFarm, tmp_path: Path, way: Way, takes_over: bool) -> None:
    office = new_host(farm, tmp_path, ("imaps", "smtps"))
    keeper = new_backup(farm, office, "remote2", way)
    station = new_station(farm, office, "remote1", way)
    add_customers(office, 100)
    settled(farm, office, keeper, station)
    add_customers(station, 1000)
    settled(farm, station, office, rounds=1)
    # Between all chairs: what lies in mailboxes, what the backup station has not heard of, what was not sent.
    add_customers(office, 200)
    office.here("host-run")
    farm.settle()
    station.here("remote-run")
    add_customers(office, 300)
    office.here("host-run")
    farm.settle()
    add_customers(station, 2000)
    station.here("remote-run")
    farm.settle()
    add_customers(station, 3000)
    heard = keeper.refused("host-init", "--from-backup", keeper.home, code=2)
    assert "was heard of 0 minutes ago" in heard
    options = mail_options(farm, tmp_path, "server", way) if takes_over else []
    address = ["--address", farm.address("server")] if takes_over else []
    told = keeper.done("host-init", "--from-backup", keeper.home, "--yes", *address, *options)
    box = "server" if takes_over else "remote2"
    assert f"is the host host <{farm.address(box)}> now" in " ".join(told.split())
    as_host(farm, keeper, station)
    known = {number for first in (100, 200, 300, 1000, 2000, 3000) for number in range(first, first + 20)}
    assert customers_of(keeper) == known
    assert equal(keeper, station)
    assert keeper.rows("replicator_conflict") == station.rows("replicator_conflict") == []
    assert f"host   {farm.address(box)}".split() in [line.split()[:2] for line in station.here("status").splitlines()]
    if takes_over:
        assert all(farm.mailboxes.contents(user) == [] for user in USERS)
        return
    # The former host was alive after all: it is told by mail, and halts.
    add_customers(office, 400)
    office.here("host-run")
    farm.settle()
    assert station.call("remote-run").code == 3, "a person should know"
    farm.settle()
    assert "has taken this host's place" in office.refused("host-run", code=3)
    assert not {*range(400, 420)} & customers_of(station)
    assert keeper.call("host-run").code == 3, "a person should know here as well"
    assert equal(keeper, station)
