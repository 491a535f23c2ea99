"""What IMAP can and POP3 can't, at a real server: being told of new mail, and the junk folder."""

from __future__ import annotations

import threading
from threading import Event, Timer

import pytest
from mail_accounts import MAGIC, account, mail, payload, payloads

from replicator.transport.mime import compose, extract
from tests.servers.farm import MailFarm
from tests.servers.mailboxes import JUNK
from tests.servers.processes import PATIENCE, wait_until


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


def deliver(farm: MailFarm, number: int = 0) -> None:
    with account(farm) as sender:
        sender.send(mail(farm, number))


@pytest.mark.parametrize("fetches", ["imap", "imaps"])
def test_waiting_ends_when_a_mail_comes(farm: MailFarm, fetches: str) -> None:
    with account(farm, "remote1", fetches=fetches) as mailbox:
        assert payloads(mailbox) == []
        later = Timer(0.7, deliver, (farm,))
        later.start()
        # Without being told it would be False, after these seconds.
        assert mailbox.wait(PATIENCE, Event()) is True
        later.join()
        assert payloads(mailbox) == [payload()]


@pytest.mark.parametrize("fetches", ["imap", "imaps"])
def test_a_mail_that_came_before_the_waiting_is_noticed(farm: MailFarm, fetches: str) -> None:
    with account(farm, "remote1", fetches=fetches) as mailbox:
        assert payloads(mailbox) == []
        deliver(farm)
        farm.settle()
        assert mailbox.wait(PATIENCE, Event()) is True


def test_what_was_seen_already_is_no_news(farm: MailFarm) -> None:
    deliver(farm)
    farm.settle()
    with account(farm, "remote1", fetches="imaps") as mailbox:
        assert payloads(mailbox) == [payload()]
        assert mailbox.wait(1, Event()) is False
        deliver(farm, 1)
        assert mailbox.wait(PATIENCE, Event()) is True


def test_waiting_outlives_the_server(farm: MailFarm) -> None:
    """It can't tell any more then, and just waits; the next run says what is wrong, or works again."""
    stop = Event()
    ended: list[bool] = []
    with account(farm, "remote1", fetches="imaps") as mailbox:
        assert payloads(mailbox) == []
        waiting = threading.Thread(target=lambda: ended.append(mailbox.wait(PATIENCE, stop)))
        waiting.start()
        farm.dovecot.kill()
        farm.start_dovecot()
        assert ended == []
        stop.set()
        waiting.join()
        assert ended == [False]
        deliver(farm)
        farm.settle()
        assert payloads(mailbox) == [payload()]


def test_ours_is_found_in_the_junk_folder_and_other_peoples_is_left_alone(farm: MailFarm) -> None:
    foreign = b"Subject: You have won\n\nReally\n"
    farm.mailboxes.put("remote1", compose(mail(farm, 1)), JUNK)
    farm.mailboxes.put("remote1", foreign, JUNK)
    deliver(farm, 2)
    farm.settle()
    with account(farm, "remote1", fetches="imaps") as mailbox:
        fetched = list(mailbox.fetch())
        found = {extract(each.raw or b"", MAGIC).payloads: each.id for each in fetched}
        assert set(found) == {(payload(1),), (payload(2),)}
        mailbox.delete(found.values())
    assert farm.mailboxes.contents("remote1") == []
    assert farm.mailboxes.contents("remote1", JUNK) == [foreign]


def test_reading_marks_nothing_as_seen(farm: MailFarm) -> None:
    """A person who looks into the mailbox sees foreign mail as new."""
    farm.mailboxes.put("remote1", b"Subject: Hello\n\nHow are you?\n")
    with account(farm, "remote1", fetches="imaps") as mailbox:
        assert len(list(mailbox.fetch())) == 1
    wait_until(lambda: farm.mailboxes.unseen("remote1") == 1, "the mail lies there, not seen")
