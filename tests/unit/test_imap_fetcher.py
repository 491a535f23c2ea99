"""The IMAP fetcher, at a server that does what a real one can't be made to do. The usual course: tests/conformance."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from threading import Event

import pytest
from fake_imap import FakeImap, fetcher, mail
from fake_mail_servers import PASSWORD, USER, HangUp, Talk

from replicator.errors import LoginRefused, MailboxTrouble, NotTrusted, TryLater
from replicator.transport import Absence
from replicator.transport.imap import REOPENED
from replicator.transport.imap_connection import LONGEST_LITERAL
from replicator.transport.imap_folders import junk_folder


def hang_up(talk: Talk) -> None:
    talk.say_raw(b"* 1 FETCH (UID 2 BODY[] {5000}\r\nSubject: half a m")
    raise HangUp


def too_long(talk: Talk) -> None:
    talk.say_raw(f"* 1 FETCH (UID 2 BODY[] {{{LONGEST_LITERAL + 1}}}\r\n".encode())
    talk.hear()


def nonsense(talk: Talk) -> None:
    talk.say("+++", "* what * is {", "this")


@pytest.mark.parametrize("bad", [hang_up, too_long, nonsense])
def test_a_bad_mail_spoils_nothing(bad: Callable[[Talk], None]) -> None:
    fake = FakeImap({1: mail(1), 2: bad, 3: mail(3)})
    with fetcher(fake) as imap:
        fetched = list(imap.fetch())
    assert [item.raw for item in fetched] == [mail(1), None, mail(3)]
    assert fetched[1].absence is Absence.UNREADABLE


def test_a_mail_that_the_server_refuses_is_unreadable_and_one_that_has_gone_is_left_out() -> None:
    fake = FakeImap({1: mail(1), 2: mail(2), 3: mail(3)})

    def refuse(talk: Talk, tag: str, line: str) -> bool:
        if "BODY" in line and "2" in line.split()[2]:
            talk.say(f"{tag} NO [SERVERBUG] it is broken")
            return True
        if "BODY" in line and "3" in line.split()[2]:
            talk.say(f"{tag} OK nothing there")
            return True
        return False

    fake.before = refuse
    with fetcher(fake) as imap:
        assert [(item.raw, item.absence) for item in imap.fetch()] == [
            (mail(1), None),
            (None, Absence.UNREADABLE),
        ]
    assert fake.connections == 1


def test_a_connection_that_breaks_again_and_again_ends_the_session() -> None:
    fake = FakeImap(dict.fromkeys(range(1, 50), hang_up))
    with fetcher(fake) as imap, pytest.raises(MailboxTrouble, match="was lost"):
        list(imap.fetch())
    assert fake.connections == 1 + REOPENED


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 AUTH=PLAIN UIDPLUS", "IMAP4rev1 AUTH=PLAIN"])
def test_deleting_with_and_without_uidplus(capabilities: str) -> None:
    fake = FakeImap({uid: mail(uid) for uid in range(1, 6)}, capabilities)
    with fetcher(fake) as imap:
        fetched = list(imap.fetch())
        imap.delete([fetched[0].id, fetched[3].id, "INBOX/7/999", "anything"])
        imap.close()
    assert sorted(fake.mails) == [2, 3, 5]
    assert ("UID EXPUNGE 1,4" in fake.heard) == ("UIDPLUS" in capabilities)


def test_many_are_deleted_in_the_midst() -> None:
    fake = FakeImap({uid: mail(uid) for uid in range(1, 251)})
    with fetcher(fake) as imap:
        for number, item in enumerate(imap.fetch(), 1):
            imap.delete([item.id])
            assert len(fake.mails) == 250 - number // 100 * 100
    assert fake.mails == {}


def test_numbers_that_all_change_delete_nothing_wrong() -> None:
    fake = FakeImap({1: mail(1), 2: hang_up, 3: mail(3)})

    def renumber(talk: Talk, tag: str, line: str) -> bool:
        if line.startswith("SELECT") and fake.connections == 2:
            fake.validity = 8
        return False

    fake.before = renumber
    with fetcher(fake) as imap:
        fetched = list(imap.fetch())
        imap.delete([item.id for item in fetched])
        imap.close()
    # After the break the UIDs mean nothing any more; the mails come again at the next fetch.
    assert [item.raw for item in fetched] == [mail(1), None]
    assert len(fake.mails) == 3
    fake.mails[2] = mail(2)
    with fetcher(fake) as imap:
        again = list(imap.fetch())
    assert [item.raw for item in again] == [mail(1), mail(2), mail(3)]
    assert again[0].hint != fetched[0].hint


def test_deleting_after_the_server_has_hung_up_for_our_silence() -> None:
    fake = FakeImap({1: mail(1), 2: mail(2)})
    with fetcher(fake) as imap:
        imap.delete([item.id for item in imap.fetch()])

        def gone(talk: Talk, tag: str, line: str) -> bool:
            fake.before = None
            raise HangUp

        fake.before = gone
        imap.close()
    assert fake.mails == {}


def test_a_size_that_is_told_wrong() -> None:
    fake = FakeImap({1: mail(1), 2: mail(2) * 1000})

    def lie(talk: Talk, tag: str, line: str) -> bool:
        if "RFC822.SIZE" in line:
            talk.say("* 1 FETCH (UID 1 RFC822.SIZE 10)", "* 2 FETCH (RFC822.SIZE 10 UID 2)", f"{tag} OK done")
            return True
        return False

    fake.before = lie
    with fetcher(fake) as imap:
        fetched = list(imap.fetch(largest=2000))
    assert [(item.raw, item.absence) for item in fetched] == [(mail(1), None), (None, Absence.TOO_LARGE)]


def test_no_starttls_no_password() -> None:
    fake = FakeImap()
    with fetcher(fake, options="") as imap, pytest.raises(NotTrusted, match="offers no encryption"):
        list(imap.fetch())
    assert not any(line.startswith(("AUTH", "LOGIN")) for line in fake.heard)


@pytest.mark.parametrize(
    ("capabilities", "spoken"),
    [
        ("IMAP4rev1 AUTH=PLAIN", base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()),
        ("IMAP4rev1", f'LOGIN "{USER}" "{PASSWORD}"'),
    ],
)
def test_ways_to_log_in(capabilities: str, spoken: str) -> None:
    fake = FakeImap({}, capabilities)
    with fetcher(fake) as imap:
        assert list(imap.fetch()) == []
    assert spoken in fake.heard


def test_no_way_to_log_in() -> None:
    fake = FakeImap({}, "IMAP4rev1 LOGINDISABLED AUTH=GSSAPI")
    with fetcher(fake) as imap, pytest.raises(LoginRefused, match="It offers: GSSAPI"):
        list(imap.fetch())


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("NO [UNAVAILABLE] later", TryLater),
        ("NO [AUTHENTICATIONFAILED] no", LoginRefused),
        ("NO no", LoginRefused),
        ("BAD what", LoginRefused),
    ],
)
def test_a_refused_login(capabilities: str, answer: str, kind: type[MailboxTrouble]) -> None:
    with (
        fetcher(FakeImap({}, capabilities, login_answer=f"{answer} {PASSWORD}")) as imap,
        pytest.raises(MailboxTrouble) as refused,
    ):
        list(imap.fetch())
    assert type(refused.value) is kind
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ([("INBOX", "/", ()), ("Werbung", "/", ("\\junk",)), ("Spam", "/", ())], "Werbung"),
        ([("INBOX", ".", ()), ("INBOX.Spam", ".", ("\\hasnochildren",))], "INBOX.Spam"),
        ([("Junk E-Mail", "/", ())], "Junk E-Mail"),
        ([("Spam", "/", ("\\noselect",)), ("Archive", "/", ())], None),
        ([("Junkers", "/", ()), ("Spamalot", "", ())], None),
        ([], None),
    ],
)
def test_the_junk_folder(folders: list[tuple[str, str, tuple[str, ...]]], expected: str | None) -> None:
    assert junk_folder(folders) == expected


def test_a_junk_folder_that_is_closed_to_us_stops_nothing() -> None:
    fake = FakeImap({1: mail(1)}, folders=('(\\HasNoChildren \\Junk) "/" Junk',))

    def closed(talk: Talk, tag: str, line: str) -> bool:
        if re.match(r'SELECT "?Junk', line):
            talk.say(f"{tag} NO [NOPERM] not for you")
            return True
        return False

    fake.before = closed
    with fetcher(fake) as imap:
        assert [item.raw for item in imap.fetch()] == [mail(1)]


class Idling:
    """Answers IDLE, and does something while it idles."""

    def __init__(self, fake: FakeImap, *deeds: Callable[[Talk], None], at_once: bool = False) -> None:
        self.fake = fake
        self.deeds = list(deeds)
        self.times = 0
        self.at_once = at_once

    def __call__(self, talk: Talk, tag: str, line: str) -> bool:
        if line != "IDLE":
            return False
        self.times += 1
        if self.deeds and self.at_once:
            # In one packet, as far as that can be had.
            deed = self.deeds.pop(0)
            talk.begin()
            talk.say("+ idling")
            deed(talk)
            talk.end()
        else:
            talk.say("+ idling")
            if self.deeds:
                time.sleep(0.05)
                self.deeds.pop(0)(talk)
        assert talk.hear() == "DONE"
        talk.say(f"{tag} OK Idle done")
        return True


def arrive(fake: FakeImap) -> Callable[[Talk], None]:
    def do(talk: Talk) -> None:
        fake.mails[max(fake.mails, default=0) + 1] = mail(9)
        talk.say(f"* {len(fake.mails)} EXISTS")

    return do


@pytest.mark.parametrize("at_once", [True, False])
def test_told_of_new_mail(at_once: bool) -> None:
    fake = FakeImap({1: mail(1)})
    fake.before = idling = Idling(fake, lambda talk: talk.say("* OK Still here"), arrive(fake), at_once=at_once)
    with fetcher(fake) as imap:
        assert len(list(imap.fetch())) == 1
        imap.close()
        assert imap.wait(60, Event()) is True
        assert len(list(imap.fetch())) == 2
    assert idling.times == 2


def test_mail_that_came_before_we_began_to_idle() -> None:
    fake = FakeImap({1: mail(1)})
    fake.before = idling = Idling(fake)
    with fetcher(fake) as imap:
        assert len(list(imap.fetch())) == 1
        fake.mails[2] = mail(2)
        assert imap.wait(60, Event()) is True
    assert idling.times == 0


def test_a_mail_that_went_is_no_news() -> None:
    fake = FakeImap({1: mail(1), 2: mail(2)})

    def remove(talk: Talk) -> None:
        del fake.mails[1]
        talk.say("* 1 EXPUNGE")
        stop.set()

    stop = Event()
    fake.before = Idling(fake, remove)
    with fetcher(fake) as imap:
        assert len(list(imap.fetch())) == 2
        assert imap.wait(60, stop) is False


@pytest.mark.parametrize("capabilities", ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 AUTH=PLAIN IDLE"])
def test_waiting_without_idle_or_on_a_connection_that_is_lost_just_waits(capabilities: str) -> None:
    def lose(talk: Talk) -> None:
        raise HangUp

    fake = FakeImap({1: mail(1)}, capabilities)
    fake.before = Idling(fake, lose)
    with fetcher(fake) as imap:
        assert len(list(imap.fetch())) == 1
        began = time.monotonic()
        assert imap.wait(0.3, Event()) is False
        assert time.monotonic() - began >= 0.25


def test_what_is_no_imap() -> None:
    def web_server(talk: Talk) -> None:
        talk.say("HTTP/1.1 400 Bad Request", "")

    with fetcher(web_server) as imap, pytest.raises(MailboxTrouble):  # type: ignore[arg-type]
        list(imap.fetch())
