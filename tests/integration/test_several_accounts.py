"""A node with several mailboxes at real servers: mail and a stick, an old account, one that fails beside another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mail_nodes import add_customers, customers_of, mail_options, new_host, new_station, settled
from processes import Computer, equal

from tests.servers.farm import MailFarm

WAY = ("imaps", "smtps")


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.fixture
def office(farm: MailFarm, tmp_path: Path) -> Computer:
    return new_host(farm, tmp_path, WAY)


@pytest.fixture
def koeln(farm: MailFarm, office: Computer) -> Computer:
    koeln = new_station(farm, office, "remote1", WAY)
    settled(farm, office, koeln)
    return koeln


def add_stick(*computers: Computer) -> Path:
    stick = computers[0].folder / "stick"
    stick.mkdir(exist_ok=True)
    for computer in computers:
        computer.here("account", "add", "stick", "--mailbox", f"folder:{stick / 'mail'}")
    return stick


def status(computer: Computer) -> Any:
    return json.loads(computer.here("status", "--json"))


def test_a_stick_carries_on_while_the_server_is_down(farm: MailFarm, office: Computer, koeln: Computer) -> None:
    stick = add_stick(office, koeln)
    settled(farm, office, koeln)
    farm.postfix.kill()
    farm.dovecot.kill()
    add_customers(office, 100)
    told = office.here("host-run")
    assert "away      mailbox of the account: " in told
    koeln.here("remote-run")
    assert customers_of(koeln) == set(range(100, 120))
    add_customers(koeln, 1000)
    for computer in (koeln, office, koeln):
        computer.here(computer.run_command)
    assert equal(office, koeln)
    assert status(office)["mailboxes"][0]["away_since"] is not None

    farm.start_dovecot()
    farm.start_postfix()
    stick.rename(stick.with_name("in a pocket"))
    settled(farm, office, koeln)
    assert status(office)["mailboxes"][0]["away_since"] is None
    assert status(office)["mailboxes"][1]["away_since"] is not None
    add_customers(office, 200)
    settled(farm, office, koeln)
    assert equal(office, koeln)
    stick.with_name("in a pocket").rename(stick)
    settled(farm, office, koeln)
    assert not list(stick.rglob("*.eml"))
    assert farm.mailboxes.contents("server") == farm.mailboxes.contents("remote1") == []


def test_the_provider_changes_and_the_old_one_is_still_fetched(
    farm: MailFarm, office: Computer, koeln: Computer
) -> None:
    new = mail_options(farm, koeln.folder, "remote2", WAY)
    old = mail_options(farm, koeln.folder, "remote1", WAY)
    old = [*old[:2], "--send", "", *old[4:]]
    koeln.here("account", "set", "--address", farm.address("remote2"), *new)
    koeln.here("account", "add", "old", "--address", farm.address("remote1"), *old)
    add_customers(office, 100)
    office.here("host-run")  # still to the old address
    farm.settle()
    assert len(farm.mailboxes.contents("remote1")) == 1
    add_customers(koeln, 1000)
    settled(farm, koeln, office)
    assert customers_of(koeln) == {*range(100, 120), *range(1000, 1020)}
    office.here("station", "set", "remote1", "--address", farm.address("remote2"))
    add_customers(office, 200)
    settled(farm, office, koeln)
    assert equal(office, koeln)
    koeln.here("account", "remove", "old")
    settled(farm, office, koeln)
    assert all(farm.mailboxes.contents(user) == [] for user in ("server", "remote1", "remote2"))


def test_a_server_that_lets_us_in_no_more_is_a_task_for_a_person(
    farm: MailFarm, office: Computer, koeln: Computer
) -> None:
    add_stick(office, koeln)
    settled(farm, office, koeln)
    password = office.folder / "server.password"
    right = password.read_text(encoding="utf-8")
    password.write_text("changed at the provider's", encoding="utf-8")
    add_customers(office, 100)
    result = office.call("host-run")
    assert result.code == 3, result
    assert "the mailbox of the account can't be used" in result.out
    koeln.here("remote-run")
    assert customers_of(koeln) == set(range(100, 120))
    password.write_text(right, encoding="utf-8")
    settled(farm, office, koeln)
    assert status(office)["needs"] == []


def test_a_dead_server_is_tried_once_in_a_run(
    farm: MailFarm, office: Computer, koeln: Computer, fault_proxy: Any
) -> None:
    add_stick(office, koeln)
    settled(farm, office, koeln)
    fetching, sending = fault_proxy(farm.port["imaps"]), fault_proxy(farm.port["smtps"])
    office.here(
        *("account", "set", "--mailbox", farm.url("imaps", "server", port=fetching.port)),
        *("--send", farm.url("smtps", "server", port=sending.port)),
    )
    office.here("host-run")
    before = (fetching.connections, sending.connections)
    farm.dovecot.kill()
    add_customers(office, 100)
    office.here("host-run")
    assert (fetching.connections, sending.connections) == (before[0] + 1, before[1])
    farm.start_dovecot()


def test_account_test_tries_each_of_them(farm: MailFarm, office: Computer) -> None:
    stick = add_stick(office)
    told = office.here("account", "test")
    assert told.count("round trip  it came back") == 2
    assert "The mailbox stick:" in told
    stick.rename(stick.with_name("in a pocket"))
    result = office.call("account", "test", "stick")
    assert (result.code, "NO  round trip" in result.out) == (1, True)
