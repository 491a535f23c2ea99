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


class Changing:
    """A login whose password may change."""

    user = "remote1@example.test"

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.asked = 0

    def password(self) -> str:
        self.asked += 1
        return self.secret

    def token(self) -> str | None:
        return None

    def renew(self) -> None:
        """There is no token."""


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


def test_waiting_goes_on_at_a_server_that_was_restarted(farm: MailFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.transport.imap.RECONNECT_SECONDS", 0.1)
    ended: list[bool] = []
    with account(farm, "remote1", fetches="imaps") as mailbox:
        assert payloads(mailbox) == []
        waiting = threading.Thread(target=lambda: ended.append(mailbox.wait(PATIENCE, Event())))
        waiting.start()
        farm.dovecot.kill()
        farm.start_dovecot()
        assert ended == []
        deliver(farm)
        waiting.join()
        assert ended == [True]
        assert payloads(mailbox) == [payload()]


def test_a_server_that_no_longer_lets_us_in_is_not_asked_again_and_again(farm: MailFarm) -> None:
    """It might lock the account."""
    login = Changing(farm.password("remote1"))
    with account(farm, "remote1", fetches="imap", login=login) as mailbox:
        assert payloads(mailbox) == []
        mailbox.close()
        login.secret = "wrong"
        asked = login.asked
        assert mailbox.wait(1, Event()) is False
        assert login.asked == asked + 1


def test_waiting_ends_when_it_shall_though_the_server_is_away(farm: MailFarm) -> None:
    stop = Event()
    ended: list[bool] = []
    with account(farm, "remote1", fetches="imaps") as mailbox:
        assert payloads(mailbox) == []
        waiting = threading.Thread(target=lambda: ended.append(mailbox.wait(PATIENCE, stop)))
        waiting.start()
        farm.dovecot.kill()
        assert ended == []
        stop.set()
        waiting.join()
        assert ended == [False]
        farm.start_dovecot()
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
