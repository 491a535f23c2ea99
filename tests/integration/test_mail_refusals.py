"""Mails that a server refuses: each refusal is told in one sentence, sorted by the reply's code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from mail_accounts import account, arrived, at, certificate_of, mail, payload, told

from replicator.errors import MailboxTrouble, MailTooLarge, RecipientLater, RecipientRefused, TryLater
from tests.servers.farm import SMALL_QUOTA, SMALL_QUOTA_USER, MailFarm
from tests.servers.fault_proxy import FaultProxy
from tests.servers.postfix import SMALL_LIMIT
from tests.servers.recipient_policy import Greylisting
from tests.servers.scripted import ScriptedServer


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


# --- recipients -------------------------------------------------------------------------------------------------------


def test_greylisting(farm: MailFarm) -> None:
    farm.policy.answer = Greylisting()
    with account(farm) as sender:
        with told(farm, TryLater):
            sender.send(mail(farm))
        sender.send(mail(farm))
    assert arrived(farm) == [payload()]


def test_a_full_mailbox_stops_no_other(farm: MailFarm) -> None:
    farm.mailboxes.put(SMALL_QUOTA_USER, b"Subject: Filling\n\n" + b"x\n" * (SMALL_QUOTA // 2))
    with account(farm) as sender:
        with told(farm, RecipientRefused) as refused:
            sender.send(mail(farm, to=SMALL_QUOTA_USER))
        assert isinstance(refused.value, RecipientRefused)
        assert (refused.value.address, refused.value.full) == (farm.address(SMALL_QUOTA_USER), True)
        sender.send(mail(farm, 1))
    assert arrived(farm) == [payload(1)]


def test_an_unknown_address_stops_no_other(farm: MailFarm) -> None:
    with account(farm) as sender:
        with told(farm, RecipientRefused) as refused:
            sender.send(mail(farm, to="nobody"))
        assert isinstance(refused.value, RecipientRefused)
        assert (refused.value.address, refused.value.full) == (farm.address("nobody"), False)
        sender.send(mail(farm, 1))
    assert arrived(farm) == [payload(1)]


@pytest.mark.parametrize(
    ("reply", "kind", "full"),
    [
        ("421 4.7.0 Too many connections", TryLater, None),
        ("450 4.7.1 Rate limit", RecipientLater, None),
        ("451 4.3.0 Temporary trouble", RecipientLater, None),
        ("550 5.1.1 User unknown", RecipientRefused, False),
        ("550 5.7.1 Not wanted here", RecipientRefused, False),
        ("552 5.2.2 Over quota", RecipientRefused, True),
        ("554 5.7.1 Spam", RecipientRefused, False),
    ],
)
def test_replies_to_a_recipient_are_told_by_their_codes(
    farm: MailFarm, reply: str, kind: type[MailboxTrouble], full: bool | None
) -> None:
    farm.policy.answer = lambda _: reply
    with account(farm) as sender:
        with told(farm, kind) as refused:
            sender.send(mail(farm))
        assert type(refused.value) is kind
        assert getattr(refused.value, "full", None) is full
        farm.policy.answer = None
        sender.send(mail(farm, 1))
    assert arrived(farm) == [payload(1)]


def test_an_address_that_is_not_the_logins(farm: MailFarm) -> None:
    """Another account's address as the sender: the server wants the log-in's own, in the envelope at least."""
    with account(farm, "server") as sender:
        with contextlib.suppress(MailboxTrouble):
            sender.send(mail(farm, sender="remote2"))
        sender.send(mail(farm, 1))
    assert payload(1) in arrived(farm)


# --- size -------------------------------------------------------------------------------------------------------------


def test_a_mail_that_is_too_large_by_what_the_server_tells_is_not_sent(
    farm: MailFarm, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    proxy = fault_proxy(farm.port["small"])
    with account(farm, sends="small", send_port=proxy.port) as sender:
        with told(farm, MailTooLarge) as refused:
            sender.send(mail(farm, size=SMALL_LIMIT))
        assert isinstance(refused.value, MailTooLarge)
        assert refused.value.limit == sender.size_limit == SMALL_LIMIT
        assert proxy.up < 10_000
        sender.send(mail(farm, 1, SMALL_LIMIT // 2))
    assert arrived(farm) == [payload(1, SMALL_LIMIT // 2)]


def test_a_mail_that_is_too_large_by_the_answer_to_it(farm: MailFarm) -> None:
    with account(farm, sends="silent") as sender:
        with told(farm, MailTooLarge):
            sender.send(mail(farm, size=SMALL_LIMIT))
        sender.send(mail(farm, 1, SMALL_LIMIT // 2))
    assert arrived(farm) == [payload(1, SMALL_LIMIT // 2)]


@pytest.mark.parametrize("place", ["MAIL", "DATA"])
def test_552_at_mail_and_at_data(farm: MailFarm, place: str) -> None:
    """From a server that takes less than it says."""
    receiving = False

    def answer(line: str) -> str | None:
        nonlocal receiving
        if receiving:
            receiving = line != "."
            return None if receiving else "552 5.3.4 too big"
        match line.split()[0].upper():
            case "EHLO":
                return "250-here\n250-AUTH PLAIN\n250 SIZE 5000000"
            case "AUTH":
                return "235 2.7.0 come in"
            case "MAIL" if place == "MAIL":
                return "552 5.3.4 too big"
            case "DATA":
                receiving = True
                return "354 go on"
        return "250 2.0.0 good"

    with (
        ScriptedServer("220 here", answer, certificate_of(farm)) as server,
        at(farm, "smtps", server.port) as sender,
        told(farm, MailTooLarge),
    ):
        sender.send(mail(farm))
