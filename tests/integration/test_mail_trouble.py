"""What befalls connections to mail servers: they are cut, an answer is lost, a server dies. No mail may be lost by it.

A mail may come twice: the receiver tells duplicates by what is sealed inside. What servers refuse is in
test_mail_refusals.py, what hinders a connection in test_mail_connecting.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from mail_accounts import FETCHES, SENDS, account, arrived, deliver, mail, ours, payload, payloads, told

from replicator.errors import MailboxTrouble, Unreachable
from replicator.runtime import Runtime
from replicator.transport import Absence, Fetched
from tests.servers.farm import MailFarm
from tests.servers.fault_proxy import FaultProxy, Faults

SIZE = 200_000
MIDDLE = 100_000
"""A place within such a mail: in base64 it has 270,000 bytes."""

Proxies = Callable[[int], FaultProxy]


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


# --- sending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sends", SENDS)
def test_a_reply_that_is_lost_after_the_final_dot(farm: MailFarm, fault_proxy: Proxies, sends: str) -> None:
    proxy = fault_proxy(farm.port[sends])
    proxy.faults = Faults(swallow_reply_after=MIDDLE)
    passed: list[str] = []
    with account(farm, sends=sends, send_port=proxy.port, runtime=Runtime(reached=passed.append)) as sender:
        with told(farm, MailboxTrouble):
            sender.send(mail(farm, size=SIZE))
        assert passed == ["mail:before"]
        assert arrived(farm) == [payload(size=SIZE)]
        proxy.faults = Faults()
        sender.send(mail(farm, size=SIZE))
    assert arrived(farm) == [payload(size=SIZE)] * 2


@pytest.mark.parametrize("sends", SENDS)
@pytest.mark.parametrize("place", [1, 100, 700, MIDDLE])
def test_a_cut_while_sending(farm: MailFarm, fault_proxy: Proxies, sends: str, place: int) -> None:
    """In the greeting, within TLS's own talk, at the log-in, within the mail."""
    proxy = fault_proxy(farm.port[sends])
    proxy.faults = Faults(cut_up_after=place)
    with account(farm, sends=sends, send_port=proxy.port) as sender:
        with told(farm, MailboxTrouble):
            sender.send(mail(farm, size=SIZE))
        assert arrived(farm) == []
        proxy.faults = Faults()
        sender.send(mail(farm, size=SIZE))
    assert arrived(farm) == [payload(size=SIZE)]


@pytest.mark.parametrize("sends", SENDS)
def test_a_sending_server_that_is_killed_within_a_mail(farm: MailFarm, fault_proxy: Proxies, sends: str) -> None:
    proxy = fault_proxy(farm.port[sends])
    proxy.faults = Faults(at_up=(MIDDLE, farm.postfix.kill))
    with account(farm, sends=sends, send_port=proxy.port) as sender:
        with told(farm, MailboxTrouble):
            sender.send(mail(farm, size=SIZE))
        with told(farm, MailboxTrouble):
            sender.send(mail(farm, size=SIZE))
        farm.start_postfix()
        assert arrived(farm) == []
        sender.send(mail(farm, size=SIZE))
    assert arrived(farm) == [payload(size=SIZE)]


@pytest.mark.parametrize("sends", SENDS)
def test_a_connection_that_died_between_two_mails_is_replaced(farm: MailFarm, fault_proxy: Proxies, sends: str) -> None:
    proxy = fault_proxy(farm.port[sends])
    with account(farm, sends=sends, send_port=proxy.port) as sender:
        sender.send(mail(farm, 1))
        proxy.reset_all()
        farm.settle()
        sender.send(mail(farm, 2))
    assert arrived(farm) == [payload(1), payload(2)]
    assert proxy.connections == 2


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fetches", FETCHES)
@pytest.mark.parametrize("place", [1, 100, 3000, 400_000])
def test_a_cut_while_fetching(farm: MailFarm, fault_proxy: Proxies, fetches: str, place: int) -> None:
    """In the greeting, within TLS's own talk, before and within the second mail: each connection ends there."""
    sent = deliver(farm, 3, SIZE)
    proxy = fault_proxy(farm.port[fetches])
    proxy.faults = Faults(cut_down_after=place)
    with account(farm, "remote1", fetches=fetches, fetch_port=proxy.port) as mailbox:
        came: list[Fetched] = []
        with contextlib.suppress(MailboxTrouble):
            came += mailbox.fetch()
        whole = [found for fetched in came for found in ours(fetched)]
        assert len(whole) < 3
        assert set(whole) <= set(sent)
        assert all(fetched.absence in (None, Absence.UNREADABLE) for fetched in came)
        proxy.faults = Faults()
        assert payloads(mailbox) == sent


@pytest.mark.parametrize("fetches", FETCHES)
def test_a_fetching_server_that_is_killed_within_a_mail(farm: MailFarm, fault_proxy: Proxies, fetches: str) -> None:
    sent = deliver(farm, 3, SIZE)
    proxy = fault_proxy(farm.port[fetches])
    proxy.faults = Faults(at_down=(400_000, farm.dovecot.kill))
    with account(farm, "remote1", fetches=fetches, fetch_port=proxy.port) as mailbox:
        came: list[Fetched] = []
        with told(farm, MailboxTrouble):
            came.extend(mailbox.fetch())
        # Of the second mail all may have been on its way already.
        assert [found for fetched in came for found in ours(fetched)] in (sent[:1], sent[:2])
        farm.start_dovecot()
        assert payloads(mailbox) == sent


@pytest.mark.parametrize("fetches", ["pop3", "pop3s"])
def test_a_goodbye_that_is_lost_after_deleting(farm: MailFarm, fault_proxy: Proxies, fetches: str) -> None:
    """POP3 deletes at QUIT: without it the mails come again."""
    sent = deliver(farm, 2)
    proxy = fault_proxy(farm.port[fetches])
    with account(farm, "remote1", fetches=fetches, fetch_port=proxy.port) as mailbox:
        fetched = list(mailbox.fetch())
        mailbox.delete([each.id for each in fetched])
        proxy.reset_all()
        mailbox.close()
        again = list(mailbox.fetch())
        assert [found for each in again for found in ours(each)] == sent
        mailbox.delete([each.id for each in again])
        mailbox.close()
    assert arrived(farm) == []


@pytest.mark.parametrize("fetches", FETCHES)
def test_a_connection_that_died_before_deleting(farm: MailFarm, fault_proxy: Proxies, fetches: str) -> None:
    """Applying took so long that the server hung up. What is deleted then is what was meant, or nothing."""
    sent = deliver(farm, 3)
    proxy = fault_proxy(farm.port[fetches])
    with account(farm, "remote1", fetches=fetches, fetch_port=proxy.port) as mailbox:
        fetched = list(mailbox.fetch())
        proxy.reset_all()
        with contextlib.suppress(MailboxTrouble):
            mailbox.delete([fetched[1].id])
        mailbox.close()
    assert arrived(farm) in ([sent[0], sent[2]], sent)


@pytest.mark.parametrize("fetches", FETCHES)
def test_a_mail_at_which_the_connection_breaks_hides_no_other(
    farm: MailFarm, fault_proxy: Proxies, fetches: str
) -> None:
    sent = deliver(farm, 3, SIZE)
    proxy = fault_proxy(farm.port[fetches])

    def break_once() -> None:
        proxy.faults = Faults()
        proxy.reset_all()

    proxy.faults = Faults(at_down=(MIDDLE * 4, break_once))
    with account(farm, "remote1", fetches=fetches, fetch_port=proxy.port) as mailbox:
        came = list(mailbox.fetch())
    assert [ours(fetched) for fetched in came] == [(sent[0],), (), (sent[2],)]
    assert [fetched.absence for fetched in came] == [None, Absence.UNREADABLE, None]


@pytest.mark.parametrize("fetches", FETCHES)
@pytest.mark.parametrize("line", [5_000, 3_000_000])
def test_a_mail_with_an_endless_line_spoils_only_itself(farm: MailFarm, fetches: str, line: int) -> None:
    (first,) = deliver(farm, 1)
    farm.mailboxes.put("remote1", b"Subject: long\n\n" + b"x" * line + b"\n.\n..\nend\n")
    with account(farm) as sender:
        sender.send(mail(farm, 1))
    farm.settle()
    with account(farm, "remote1", fetches=fetches) as mailbox:
        came = list(mailbox.fetch())
        assert [found for fetched in came for found in ours(fetched)] == [first, payload(1)]
        assert len(came) == 3
        mailbox.delete([fetched.id for fetched in came if ours(fetched)])
        mailbox.close()
        (left,) = mailbox.fetch()
        assert left.raw is None or b"x" * line + b"\r\n.\r\n..\r\nend" in left.raw


# --- networks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fetches", FETCHES)
@pytest.mark.parametrize("sends", SENDS)
def test_a_slow_network_is_no_trouble(farm: MailFarm, fault_proxy: Proxies, sends: str, fetches: str) -> None:
    into, out_of = fault_proxy(farm.port[sends]), fault_proxy(farm.port[fetches])
    into.faults = out_of.faults = Faults(delay=0.02, bytes_per_second=2_000_000)
    with account(farm, sends=sends, send_port=into.port) as sender:
        sender.send(mail(farm, size=SIZE))
    farm.settle()
    with account(farm, "remote1", fetches=fetches, fetch_port=out_of.port) as mailbox:
        assert payloads(mailbox) == [payload(size=SIZE)]


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_network_that_swallows_everything(
    farm: MailFarm, fault_proxy: Proxies, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("smtp", "pop3_connection", "imap_connection"):
        monkeypatch.setattr(f"replicator.transport.{module}.TIMEOUT", 0.5)
    proxy = fault_proxy(farm.port[kind])
    proxy.faults = Faults(black_hole=True)
    ways = {"sends": kind, "send_port": proxy.port} if kind in SENDS else {"fetches": kind, "fetch_port": proxy.port}
    with account(farm, **ways) as mailbox, told(farm, Unreachable):
        mailbox.send(mail(farm)) if kind in SENDS else list(mailbox.fetch())
