"""Unrecognised mail at real servers: moved, forwarded, given back, answered by what answers all, never in a circle."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from mail_accounts import account
from mail_nodes import add_customers, customers_of, new_host, new_station, settled
from processes import PATIENCE, Computer, equal

from tests.servers.dovecot import PREFIX
from tests.servers.farm import PREFIX_USER, SMALL_QUOTA, SMALL_QUOTA_USER, MailFarm
from tests.servers.mailboxes import JUNK

LETTER = b"Return-Path: <remote2@example.test>\nFrom: aunt@example.net\nSubject: Greetings\n\nHow are you?\n"
ANNA = "remote3"
"""Who gets what is forwarded."""
FOLDER = "Unrecognised"

ANSWERS_EVERYTHING = """
require ["vacation", "copy", "enotify", "variables", "envelope"];
redirect :copy "{office}";
notify :message "I am away" "mailto:{office}";
vacation :days 1 :addresses ["{own}", "{office}"] "I am away.";
"""
"""Gives all mail back; and would write a mail of its own for each, and a vacation notice, did it not know RFC 3834."""


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.fixture
def office(farm: MailFarm, tmp_path: Path) -> Computer:
    return new_host(farm, tmp_path, ("imaps", "smtps"))


def forwards(computer: Computer, farm: MailFarm, to: str = ANNA) -> None:
    computer.here("account", "set", "--unrecognised", "forward", "--unrecognised-to", farm.address(to))


def run(computer: Computer, farm: MailFarm) -> str:
    told = computer.here(computer.run_command)
    farm.settle()
    return told


def unfolded(mails: list[bytes]) -> int:
    """How many of these mails have the letter in them."""
    return sum(b"How are you?" in mail for mail in mails)


def test_what_is_moved_lies_in_the_folder_of_a_server_that_keeps_folders_below_the_inbox(farm: MailFarm) -> None:
    farm.mailboxes.put(PREFIX_USER, LETTER)
    with account(farm, PREFIX_USER, fetches="imaps") as mailbox:
        assert mailbox.move([each.id for each in mailbox.fetch()], "Other/Strangers") == {}
    assert farm.mailboxes.contents(PREFIX_USER) == []
    # On the disk the prefix is not to be seen.
    assert farm.mailboxes.contents(PREFIX_USER, "Other.Strangers") == [LETTER]
    assert PREFIX == "INBOX."


def test_a_letter_is_forwarded_bit_for_bit_and_deleted(farm: MailFarm, office: Computer) -> None:
    forwards(office, farm)
    farm.mailboxes.put("server", LETTER)
    farm.mailboxes.put("server", LETTER + b"x" * 2_000 + b"\xff\n")
    assert "was forwarded to remote3@example.test" in run(office, farm)
    assert farm.mailboxes.contents("server") == []
    whole, encoded = farm.mailboxes.contents(ANNA)
    assert LETTER in whole
    assert b"Content-Type: application/octet-stream" in encoded
    assert run(office, farm) == "nothing to do\n"


@pytest.mark.parametrize("way", ["move", "forward"])
def test_what_lies_in_the_folder_for_junk_is_neither_moved_nor_forwarded(
    farm: MailFarm, office: Computer, way: str
) -> None:
    office.here("account", "set", "--unrecognised", way, "--unrecognised-to", farm.address(ANNA))
    junk = b"From: x@example.net\nSubject: Replicator at half the price\n\nBuy\n"
    farm.mailboxes.put("server", junk, JUNK)
    assert "is left alone" in run(office, farm)
    assert run(office, farm) == "nothing to do\n"
    assert farm.mailboxes.contents("server", JUNK) == [junk]
    assert farm.mailboxes.contents(ANNA) == []


@pytest.mark.parametrize("fetches", ["imaps", "pop3s"])
def test_an_address_that_answers_everything_makes_no_circle(farm: MailFarm, tmp_path: Path, fetches: str) -> None:
    office = new_host(farm, tmp_path, (fetches, "smtps"))
    forwards(office, farm)
    for user in (ANNA, "remote2"):
        farm.sieve(user, ANSWERS_EVERYTHING.format(office=farm.address("server"), own=farm.address(user)))
    # Dovecot gives back the same mail once only, also when it has forgotten all others.
    farm.mailboxes.put("server", LETTER + fetches.encode())
    for _ in range(5):
        run(office, farm)
    assert unfolded(farm.mailboxes.contents(ANNA)) == 1
    came_back = farm.mailboxes.contents("server") + farm.mailboxes.contents("server", FOLDER)
    assert unfolded(came_back) == len(came_back) == 1
    assert farm.mailboxes.contents("remote2") == [], "nothing is answered to a sender"
    assert run(office, farm) == "nothing to do\n"


def test_two_nodes_that_forward_to_each_other_stop_at_once(farm: MailFarm, office: Computer) -> None:
    station = new_station(farm, office, "remote1", ("pop3s", "smtp"))
    forwards(office, farm, "remote1")
    forwards(station, farm, "server")
    farm.mailboxes.put("server", LETTER)
    farm.mailboxes.put("remote1", LETTER.replace(b"aunt", b"uncle"))
    add_customers(office, 100)
    settled(farm, office, station)
    add_customers(station, 1000)
    settled(farm, station, office)
    assert customers_of(office) == customers_of(station) == {*range(100, 120), *range(1000, 1020)}
    assert equal(office, station)
    at_office = farm.mailboxes.contents("server") + farm.mailboxes.contents("server", FOLDER)
    assert (unfolded(at_office), unfolded(farm.mailboxes.contents("remote1"))) == (1, 1)
    assert b"uncle" in at_office[0]
    assert run(office, farm) == run(station, farm) == "nothing to do\n"


def test_an_address_whose_mailbox_is_full_by_the_time_the_mail_arrives(farm: MailFarm, office: Computer) -> None:
    """The sending server has taken it, and gives it back."""
    forwards(office, farm, SMALL_QUOTA_USER)
    for number in range(5):
        farm.mailboxes.put(SMALL_QUOTA_USER, b"Subject: %d\n\n" % number + b"x" * (SMALL_QUOTA // 5 - 1_000) + b"\n")
    farm.policy.answer = lambda attributes: "OK"
    letter = LETTER + b"y\n" * 10_000
    farm.mailboxes.put("server", letter)
    run(office, farm)
    farm.mailboxes.put("server", LETTER)
    result = office.call("host-run")
    assert "has come back, as the mailbox there is full" in result.out
    assert office.call("status").code == 3
    assert farm.mailboxes.contents("server") == [LETTER], "it waits for a person"
    (kept,) = (path for path in (office.home / "aside").iterdir() if path.is_file())
    assert kept.read_bytes().replace(b"\r\n", b"\n") == letter
    farm.mailboxes.remove_all(SMALL_QUOTA_USER)
    (need,) = office.sql("SELECT id FROM replicator_notice WHERE waiting <> 0")
    office.here("status", "--done", str(need[0]))
    run(office, farm)
    assert unfolded(farm.mailboxes.contents(SMALL_QUOTA_USER)) == 1
    assert farm.mailboxes.contents("server") == []


def test_an_address_whose_mailbox_is_full_already(farm: MailFarm, office: Computer) -> None:
    forwards(office, farm, SMALL_QUOTA_USER)
    farm.mailboxes.put(SMALL_QUOTA_USER, b"Subject: x\n\n" + b"x" * SMALL_QUOTA + b"\n")
    farm.mailboxes.put("server", LETTER)
    assert "unrecognised mail can't be forwarded to remote4@example.test" in office.call("host-run").out
    assert farm.mailboxes.contents("server") == [LETTER]
    farm.mailboxes.remove_all(SMALL_QUOTA_USER)
    run(office, farm)
    assert unfolded(farm.mailboxes.contents(SMALL_QUOTA_USER)) == 1
    assert office.call("status").code == 0


@pytest.mark.parametrize("fetches", ["imaps", "pop3s"])
def test_killed_between_forwarding_and_deleting(farm: MailFarm, tmp_path: Path, fetches: str) -> None:
    office = new_host(farm, tmp_path, (fetches, "smtps"))
    forwards(office, farm)
    letters = [LETTER + b"%d\n" % number for number in range(12)]
    for letter in letters:
        farm.mailboxes.put("server", letter)
    process = office.start("host-run")
    end = time.monotonic() + PATIENCE
    while not farm.mailboxes.contents(ANNA) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    farm.settle()
    arrived = farm.mailboxes.contents(ANNA)
    lie = farm.mailboxes.contents("server")
    assert all(any(letter in mail for mail in arrived) or letter in lie for letter in letters)
    run(office, farm)
    run(office, farm)
    arrived = farm.mailboxes.contents(ANNA)
    assert all(any(letter in mail for mail in arrived) for letter in letters)
    assert len(arrived) in (12, 13), "but for one at most they are known to have gone"
    assert farm.mailboxes.contents("server") == []
