"""The POP3 fetcher, at servers that do what a real one can't be made to do. The usual course: tests/conformance."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fake_mail_servers import PASSWORD, USER, FakePop3, HangUp, Talk, serving

from replicator.errors import LoginRefused, MailboxTrouble, NotTrusted, TryLater
from replicator.runtime import Runtime
from replicator.transport import Absence, tls
from replicator.transport.login import PasswordLogin
from replicator.transport.pop3 import REOPENED, Pop3Fetcher
from replicator.transport.urls import ServerUrl


@contextmanager
def fetcher(fake: FakePop3, password: str = PASSWORD, options: str = "?encryption=none") -> Iterator[Pop3Fetcher]:
    with serving(fake) as port:
        url = ServerUrl.parse(f"pop3://127.0.0.1:{port}{options}")
        made = Pop3Fetcher(url, PasswordLogin(USER, lambda: password), tls.context(), Runtime())
        yield made
        made.close()


def mail(number: int, body: bytes = b"") -> bytes:
    return f"Subject: {number}\r\n\r\n".encode() + body + b"\r\n"


def hang_up(talk: Talk) -> None:
    talk.say("+OK")
    talk.say_raw(b"Subject: half a m")
    raise HangUp


def refuse(talk: Talk) -> None:
    talk.say("-ERR [SYS/TEMP] can not read it")


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 300_000,
        b".",
        b"..",
        b".\r\n.x\r\n..",
        b"\xff\x00\x80",
        b"a\nb\n.c\nd",
        b"a\n.\nb",
        b"",
        b"\r\r\n",
        # The longest piece that is read at once, and the line end around its end.
        *(b"x" * (65536 - less) + b"\r\n.\r\nabc\r\n." for less in range(4)),
    ],
)
def test_any_line_comes_as_it_is(body: bytes) -> None:
    """A line of more than 2,048 bytes makes poplib give up."""
    fake = FakePop3([mail(1, body), mail(2)])
    with fetcher(fake) as pop3:
        assert [item.raw for item in pop3.fetch()] == [mail(1, body), mail(2)]
    assert fake.connections == 1


def test_deleted_at_quit_only() -> None:
    fake = FakePop3([mail(number) for number in range(3)])
    with fetcher(fake) as pop3:
        fetched = list(pop3.fetch())
        pop3.delete([fetched[1].id])
        assert len(fake.mails) == 3
        pop3.close()
        assert fake.mails == [mail(0), mail(2)]


@pytest.mark.parametrize("bad", [hang_up, refuse])
@pytest.mark.parametrize("has_uidl", [True, False])
def test_a_bad_mail_spoils_nothing(bad: object, has_uidl: bool) -> None:
    fake = FakePop3([mail(0), bad, mail(2)], has_uidl=has_uidl)
    with fetcher(fake) as pop3:
        fetched = list(pop3.fetch())
    assert [item.raw for item in fetched] == [mail(0), None, mail(2)]
    assert fetched[1].absence is Absence.UNREADABLE


def test_marks_are_made_again_after_a_broken_connection() -> None:
    fake = FakePop3([mail(0), mail(1), hang_up, mail(3)])
    with fetcher(fake) as pop3:
        for item in pop3.fetch():
            if item.raw:
                pop3.delete([item.id])
    assert fake.connections == 2
    assert fake.mails == [hang_up]


def test_without_uidl_nothing_is_deleted_by_a_number_of_another_connection() -> None:
    """Between the two connections somebody else has taken the first mail away, so the numbers name other mails."""
    fake = FakePop3([mail(0), mail(1), hang_up, mail(3)], has_uidl=False)

    def someone_else(talk: Talk, line: str) -> bool:
        if line == "RETR 3" and fake.connections == 1:
            del fake.mails[0]
        return False

    fake.before = someone_else
    with fetcher(fake) as pop3:
        kept = list(pop3.fetch())
        pop3.delete([item.id for item in kept[:2]])
    assert fake.mails == [mail(1), hang_up, mail(3)]


def test_a_mail_that_is_gone_after_a_broken_connection_is_left_out() -> None:
    fake = FakePop3([mail(0), hang_up, mail(2)])

    def hang_up_and_remove(talk: Talk) -> None:
        fake.mails[:] = [each for each in fake.mails if each is not hang_up_and_remove]
        raise HangUp

    fake.mails[1] = hang_up_and_remove
    with fetcher(fake) as pop3:
        assert [item.raw for item in pop3.fetch()] == [mail(0), mail(2)]


def test_a_connection_that_breaks_again_and_again_ends_the_session() -> None:
    fake = FakePop3([hang_up for _ in range(50)])
    with fetcher(fake) as pop3, pytest.raises(MailboxTrouble, match="was lost"):
        list(pop3.fetch())
    assert fake.connections == 1 + REOPENED


def test_unique_ids_that_all_change_bring_nothing_twice_in_a_session_and_delete_nothing_wrong() -> None:
    fake = FakePop3([mail(0), hang_up, mail(2)])

    def renumber(talk: Talk, line: str) -> bool:
        fake.prefix = f"epoch{fake.connections}-"
        return False

    fake.before = renumber
    with fetcher(fake) as pop3:
        fetched = list(pop3.fetch())
        pop3.delete([item.id for item in fetched])
    assert [item.raw for item in fetched] == [mail(0)]
    assert len(fake.mails) == 3
    fake.before = None
    fake.mails[1] = mail(1)
    with fetcher(fake) as pop3:
        again = list(pop3.fetch())
    assert [item.raw for item in again] == [mail(0), mail(1), mail(2)]
    assert again[0].hint != fetched[0].hint


def test_hints_without_uidl_come_from_the_content() -> None:
    fake = FakePop3([mail(0), mail(1)], has_uidl=False)
    with fetcher(fake) as pop3:
        hints = [item.hint for item in pop3.fetch()]
        assert len(set(hints)) == 2
        assert list(pop3.fetch(skip=frozenset(hints))) == []
        fake.mails.append(mail(2))
        assert [item.raw for item in pop3.fetch(skip=frozenset(hints))] == [mail(2)]


def test_deleting_after_the_server_has_hung_up_for_our_silence() -> None:
    fake = FakePop3([mail(0), mail(1)])
    with fetcher(fake) as pop3:
        fetching = pop3.fetch()
        first = next(fetching)

        def gone(talk: Talk, line: str) -> bool:
            fake.before = None
            raise HangUp

        fake.before = gone
        pop3.delete([first.id])
        assert [item.raw for item in fetching] == [mail(1)]
    assert fake.mails == [mail(1)]


def test_quit_that_is_lost_deletes_nothing_and_raises_nothing() -> None:
    fake = FakePop3([mail(0)])

    def lose_quit(talk: Talk, line: str) -> bool:
        if line == "QUIT":
            raise HangUp
        return False

    fake.before = lose_quit
    with fetcher(fake) as pop3:
        pop3.delete([item.id for item in pop3.fetch()])
        pop3.close()
        assert [item.raw for item in pop3.fetch()] == [mail(0)]


def test_a_size_that_is_told_wrong() -> None:
    """Some servers estimate. What is larger than we may take is read to its end, and not kept."""
    fake = FakePop3([mail(0, b"x\r\n" * 1000), mail(1)], listing=["1 20", "2 10"])
    with fetcher(fake) as pop3:
        fetched = list(pop3.fetch(largest=2000))
    assert [(item.absence, item.raw) for item in fetched] == [(Absence.TOO_LARGE, None), (None, mail(1))]
    assert fetched[0].size == len(fake.mails[0])
    assert fake.connections == 1


def test_a_mail_without_an_end_is_not_read_for_ever() -> None:
    def endless(talk: Talk) -> None:
        talk.say("+OK")
        while True:
            talk.say_raw(b"x" * 65536)

    fake = FakePop3([endless, mail(1)])
    with fetcher(fake) as pop3:
        fetched = list(pop3.fetch(largest=100_000))
    assert [item.absence for item in fetched] == [Absence.UNREADABLE, None]


@pytest.mark.parametrize("listing", [["x y"], ["1"], [""], ["-1 5"], ["1 five"], ["1 ²", "² 1"], ["1 " + "9" * 5000]])
def test_a_listing_of_nonsense(listing: list[str]) -> None:
    with fetcher(FakePop3([], listing=listing)) as pop3:
        assert list(pop3.fetch()) == []


@pytest.mark.parametrize("sasl", ["PLAIN", "", "CRAM-MD5"])
def test_ways_to_log_in(sasl: str) -> None:
    fake = FakePop3([], sasl=sasl, has_capa=bool(sasl))
    with fetcher(fake, "Grüße %u") as pop3:
        assert list(pop3.fetch()) == []
    if sasl == "PLAIN":
        assert base64.b64decode(fake.heard[2]).decode() == f"\0{USER}\0Grüße %u"
    else:
        assert fake.heard[1:3] == [f"USER {USER}", "PASS Grüße %u"]


def test_no_stls_no_password() -> None:
    fake = FakePop3([])
    with fetcher(fake, options="") as pop3, pytest.raises(NotTrusted, match="offers no encryption"):
        list(pop3.fetch())
    assert fake.heard == ["CAPA"]


@pytest.mark.parametrize(
    ("reply", "kind"), [("-ERR [IN-USE] busy", TryLater), ("-ERR [AUTH] no", LoginRefused), ("-ERR no", LoginRefused)]
)
def test_a_refused_login(reply: str, kind: type[MailboxTrouble]) -> None:
    def refuse_password(talk: Talk, line: str) -> bool:
        if line.startswith("PASS"):
            talk.say(f"{reply} {line}")
            return True
        return False

    fake = FakePop3([], sasl="", before=refuse_password)
    with fetcher(fake) as pop3, pytest.raises(kind) as refused:
        list(pop3.fetch())
    assert PASSWORD not in str(refused.value)
    assert "PASS ***" in str(refused.value)


def test_a_password_with_a_line_end_is_not_sent() -> None:
    fake = FakePop3([], sasl="")
    with fetcher(fake, "secret\r\nDELE 1") as pop3, pytest.raises(LoginRefused, match="line end"):
        list(pop3.fetch())
    assert not any("secret" in line or "DELE" in line for line in fake.heard)


def test_what_is_no_pop3() -> None:
    def web_server(talk: Talk) -> None:
        talk.say("HTTP/1.1 400 Bad Request", "")

    with fetcher(web_server) as pop3, pytest.raises(MailboxTrouble):  # type: ignore[arg-type]
        list(pop3.fetch())
