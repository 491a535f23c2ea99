"""Servers that number their mails anew, or give all of them again: numbers are hints, and no wrong mail is deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from mail_accounts import FETCHES, account, arrived, deliver, ours, payloads

from replicator.errors import MailboxTrouble
from tests.servers.farm import MailFarm
from tests.servers.fault_proxy import FaultProxy

Proxies = Callable[[int], FaultProxy]


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.mark.parametrize("fetches", FETCHES)
def test_all_numbers_are_new_at_the_next_session(farm: MailFarm, fetches: str) -> None:
    sent = deliver(farm, 3)
    with account(farm, "remote1", fetches=fetches) as mailbox:
        hints = [fetched.hint for fetched in mailbox.fetch()]
        assert len(set(hints)) == 3
        mailbox.close()
        farm.mailboxes.renumber("remote1")
        fetched = list(mailbox.fetch())
        assert [found for each in fetched for found in ours(each)] == sent
        assert not set(hints) & {each.hint for each in fetched}
        mailbox.delete([fetched[1].id])
        mailbox.close()
    assert arrived(farm) == [sent[0], sent[2]]


@pytest.mark.parametrize("fetches", FETCHES)
def test_all_numbers_are_new_within_a_session(farm: MailFarm, fault_proxy: Proxies, fetches: str) -> None:
    """The connection is lost, and on the next one the number that we know is another mail's, which must stay."""
    # The numbers begin at 1, so that the old and the new ones meet.
    farm.mailboxes.renumber("remote1")
    sent = deliver(farm, 3)
    proxy = fault_proxy(farm.port[fetches])
    with account(farm, "remote1", fetches=fetches, fetch_port=proxy.port) as mailbox:
        fetched = list(mailbox.fetch())
        proxy.reset_all()
        farm.dovecot.stop()
        farm.mailboxes.renumber("remote1")
        farm.mailboxes.remove_oldest("remote1")
        farm.start_dovecot()
        with contextlib.suppress(MailboxTrouble):
            mailbox.delete([fetched[1].id])
        mailbox.close()
    assert arrived(farm) in ([sent[2]], sent[1:])


@pytest.mark.parametrize("fetches", FETCHES)
def test_a_server_that_gives_everything_again(farm: MailFarm, fetches: str) -> None:
    """A restored backup: deleted mails lie there once more, under new numbers."""
    sent = deliver(farm, 2)
    kept = farm.mailboxes.contents("remote1")
    with account(farm, "remote1", fetches=fetches) as mailbox:
        mailbox.delete([fetched.id for fetched in mailbox.fetch()])
        mailbox.close()
        assert farm.mailboxes.contents("remote1") == []
        for raw in kept:
            farm.mailboxes.put("remote1", raw)
        farm.mailboxes.renumber("remote1")
        assert payloads(mailbox) == sent


@pytest.mark.parametrize("fetches", FETCHES)
def test_another_program_deletes_while_the_connection_is_lost(
    farm: MailFarm, fault_proxy: Proxies, fetches: str
) -> None:
    """POP3 counts from one at each log-in: the second mail is the first one then."""
    sent = deliver(farm, 3)
    proxy = fault_proxy(farm.port[fetches])
    with account(farm, "remote1", fetches=fetches, fetch_port=proxy.port) as mailbox:
        fetched = list(mailbox.fetch())
        proxy.reset_all()
        farm.mailboxes.remove_oldest("remote1")
        with contextlib.suppress(MailboxTrouble):
            mailbox.delete([fetched[1].id])
        mailbox.close()
    assert arrived(farm) in ([sent[2]], sent[1:])
