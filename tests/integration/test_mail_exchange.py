"""Nodes that exchange by real mail servers, from set-up to equal databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from mail_nodes import Way, add_customers, customers_of, new_host, new_station, settled
from processes import equal

from tests.servers.farm import USERS, MailFarm
from tests.servers.recipient_policy import Greylisting


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.mark.parametrize(
    ("host", "station"),
    [
        (("imaps", "smtps"), ("pop3s", "smtp")),
        (("pop3", "smtp"), ("imap", "smtps")),
    ],
)
def test_two_stations_and_a_host(farm: MailFarm, tmp_path: Path, host: Way, station: Way) -> None:
    office = new_host(farm, tmp_path, host)
    one, two = (new_station(farm, office, user, station) for user in ("remote1", "remote3"))
    add_customers(office, 100)
    settled(farm, office, one, two)
    assert customers_of(one) == set(range(100, 120))
    add_customers(one, 1000)
    add_customers(two, 2000)
    office.sql("UPDATE customers SET name = 'changed' WHERE id = 103")
    settled(farm, office, one, two)
    assert customers_of(office) == {*range(100, 120), *range(1000, 1020), *range(2000, 2020)}
    assert equal(office, one)
    assert equal(office, two)
    assert all(farm.mailboxes.contents(user) == [] for user in USERS)


def test_servers_that_refuse_and_fail_lose_nothing(farm: MailFarm, tmp_path: Path) -> None:
    office = new_host(farm, tmp_path, ("imaps", "smtps"))
    one = new_station(farm, office, "remote1", ("pop3s", "smtp"))
    settled(farm, office, one)
    add_customers(office, 100)

    farm.policy.answer = Greylisting()
    assert office.refused("host-run", code=1)
    office.here("host-run")
    farm.policy.answer = None

    farm.dovecot.kill()
    assert one.refused("remote-run", code=1)
    farm.start_dovecot()
    farm.settle()

    add_customers(one, 1000)
    farm.postfix.kill()
    assert one.refused("remote-run", code=1)
    farm.start_postfix()
    settled(farm, one, office)
    assert customers_of(office) == {*range(100, 120), *range(1000, 1020)}
    assert equal(office, one)


def test_a_station_that_is_put_off_keeps_no_other_waiting(farm: MailFarm, tmp_path: Path) -> None:
    office = new_host(farm, tmp_path, ("imaps", "smtps"))
    stations = [new_station(farm, office, user, ("pop3s", "smtp")) for user in ("remote1", "remote2", "remote3")]
    settled(farm, office, *stations)
    add_customers(office, 100)
    put_off = farm.address("remote2")
    farm.policy.answer = lambda asked: "450 4.2.0 Greylisted" if asked["recipient"] == put_off else "DUNNO"
    # Whoever's turn it was: in each run another one comes first.
    for _ in range(2):
        told = office.refused("host-run", code=1)
        assert f"takes no mail to {put_off} at the moment" in told
    farm.settle()
    for station in stations:
        station.here("remote-run")
    assert [len(customers_of(station)) for station in stations] == [20, 0, 20]
    farm.policy.answer = None
    settled(farm, office, *stations)
    assert customers_of(stations[1]) == set(range(100, 120))
    assert all(equal(office, station) for station in stations)


@pytest.mark.parametrize("sends", ["small", "silent"])
def test_what_is_too_large_for_the_server_goes_in_parts(farm: MailFarm, tmp_path: Path, sends: str) -> None:
    """Where the server tells its limit, and where it tells by its answer only."""
    office = new_host(farm, tmp_path, ("imaps", sends))
    one = new_station(farm, office, "remote1", ("imaps", "smtps"))
    office.sql("CREATE TABLE pictures (id INTEGER PRIMARY KEY, content BLOB)")
    office.sql("INSERT INTO pictures VALUES (1, randomblob(700000)), (2, randomblob(500000))")
    office.here("table", "add", "pictures")
    office.here("rule", "set", "remote1", "pictures", "--to-remote", "all", "--to-host", "all")
    for _ in range(6):
        office.call("host-run")
        farm.settle()
        one.here("remote-run")
        farm.settle()
    assert len(one.rows("pictures")) == 2
    assert one.rows("pictures") == office.rows("pictures")


def test_other_mail_in_the_mailbox_disturbs_nothing(farm: MailFarm, tmp_path: Path) -> None:
    office = new_host(farm, tmp_path, ("imaps", "smtps"))
    one = new_station(farm, office, "remote1", ("pop3s", "smtp"))
    for user in ("server", "remote1"):
        farm.mailboxes.put(user, b"Subject: Hello\n\nHow are you?\n")
        farm.mailboxes.put(user, b"Subject: long\n\n" + b"x" * 100_000 + b"\n")
        farm.mailboxes.put(user, b"\xff\xfe\n\n\x80")
    add_customers(office, 100)
    settled(farm, office, one)
    assert equal(office, one)
    assert customers_of(one) == set(range(100, 120))
