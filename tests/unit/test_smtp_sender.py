"""The sender, at servers that do what a real one can't be made to do. The usual course: tests/conformance."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from fake_mail_servers import PASSWORD, USER, FakeSmtp, Talk, serving

from replicator.errors import (
    ConfigurationError,
    LoginRefused,
    MailboxTrouble,
    MailRefused,
    MailTooLarge,
    NotTrusted,
    RecipientLater,
    RecipientRefused,
    TryLater,
    Unreachable,
)
from replicator.runtime import Runtime
from replicator.transport import Mail, smtp, tls
from replicator.transport.login import Login, PasswordLogin
from replicator.transport.smtp import SmtpSender
from replicator.transport.urls import ServerUrl

TO = "you@example.test"


def mail(size: int = 10, sender: str = USER, recipient: str = TO) -> Mail:
    return Mail(sender, recipient, "subject", "sentence", (b"x" * size,), "<1@example.test>", 0)


@dataclass
class TokenLogin:
    """Gives token-Number-1, then 2 and so on."""

    user: str = USER
    renewed: int = 1

    def password(self) -> str:
        raise AssertionError("there is a token")

    def token(self) -> str:
        return f"token-Number-{self.renewed}"

    def renew(self) -> None:
        self.renewed += 1


@dataclass
class Places:
    passed: list[str] = field(default_factory=list)


@contextmanager
def sender(
    fake: FakeSmtp, login: Login | None = None, options: str = "?encryption=none", places: Places | None = None
) -> Iterator[SmtpSender]:
    with serving(fake) as port:
        url = ServerUrl.parse(f"smtp://127.0.0.1:{port}{options}")
        runtime = Runtime(reached=places.passed.append) if places else Runtime()
        made = SmtpSender(url, login or PasswordLogin(USER, lambda: PASSWORD), tls.context(), runtime)
        yield made
        made.close()


def test_one_connection_for_many_mails() -> None:
    fake, places = FakeSmtp(), Places()
    with sender(fake, places=places) as smtp_sender:
        for _ in range(3):
            smtp_sender.send(mail())
    assert (fake.connections, len(fake.contents)) == (1, 3)
    assert places.passed == ["mail:before", "mail:after"] * 3
    assert fake.commands()[-1] == "quit"
    assert fake.commands().count(f"mail from:<{USER}> size={len(fake.contents[0]) + 2}") == 3


def test_the_limit_is_learnt_and_kept_to() -> None:
    fake = FakeSmtp(features=("SIZE 2000", "AUTH PLAIN"))
    with sender(fake) as smtp_sender:
        with pytest.raises(MailTooLarge) as refused:
            smtp_sender.send(mail(5000))
        assert refused.value.limit == smtp_sender.size_limit == 2000
        smtp_sender.send(mail(10))
        with pytest.raises(MailTooLarge):
            smtp_sender.send(mail(5000))
        smtp_sender.send(mail(20))
    assert fake.connections == 1
    assert len(fake.contents) == 2


@pytest.mark.parametrize(
    "feature", ["SIZE", "SIZE 0", "SIZE many", "SIZE ²", "SIZE 999999999999", "SIZE " + "9" * 5000]
)
def test_a_server_without_a_limit(feature: str) -> None:
    fake = FakeSmtp(features=(feature, "AUTH PLAIN"))
    with sender(fake) as smtp_sender:
        smtp_sender.send(mail())
        assert smtp_sender.size_limit == smtp.LARGEST_MAIL


@pytest.mark.parametrize("verb", ["MAIL", "DATA", "."])
@pytest.mark.parametrize("answer", ["552 5.3.4 too large", "552 too large"])
def test_too_large_at_any_place_and_the_next_mail_goes(verb: str, answer: str) -> None:
    fake = FakeSmtp({verb: [answer]})
    with sender(fake) as smtp_sender:
        with pytest.raises(MailTooLarge):
            smtp_sender.send(mail())
        before = len(fake.contents)
        smtp_sender.send(mail())
    assert fake.connections == 1
    assert len(fake.contents) == before + 1


@pytest.mark.parametrize(
    ("verb", "answer", "kind"),
    [
        ("MAIL", "450 4.7.1 slowly", TryLater),
        ("MAIL", "553 5.7.1 not your address", MailboxTrouble),
        ("RCPT", "450 4.2.0 greylisted", RecipientLater),
        ("RCPT", "550 5.1.1 unknown", RecipientRefused),
        ("RCPT", "452 4.2.2 full", RecipientRefused),
        ("DATA", "451 4.3.0 later", TryLater),
        (".", "451 4.3.0 later", TryLater),
        (".", "554 5.7.1 spam", MailRefused),
    ],
)
def test_after_a_refused_mail_the_next_one_goes(verb: str, answer: str, kind: type[MailboxTrouble]) -> None:
    fake, places = FakeSmtp({verb: [answer]}), Places()
    with sender(fake, places=places) as smtp_sender:
        with pytest.raises(MailboxTrouble) as refused:
            smtp_sender.send(mail())
        assert type(refused.value) is kind
        assert "mail:after" not in places.passed
        smtp_sender.send(mail())
    assert fake.connections == 1
    assert "rset" in fake.commands()


@pytest.mark.parametrize("verb", ["GREETING", "AUTH", "MAIL", "RCPT", "DATA", "."])
def test_a_lost_connection_is_a_failure_at_any_place(verb: str) -> None:
    fake, places = FakeSmtp({verb: [None]}), Places()
    with sender(fake, places=places) as smtp_sender:
        with pytest.raises(MailboxTrouble, match="was lost"):
            smtp_sender.send(mail())
        assert "mail:after" not in places.passed
        smtp_sender.send(mail())
    assert fake.connections == 2


def test_the_reply_to_a_content_is_swallowed_and_the_mail_goes_twice() -> None:
    """Doubt is failure: the server has the mail, and we can't know."""
    fake = FakeSmtp({".": [None]})
    with sender(fake) as smtp_sender:
        with pytest.raises(MailboxTrouble):
            smtp_sender.send(mail())
        smtp_sender.send(mail())
    assert len(fake.contents) == 2
    assert fake.contents[0] == fake.contents[1]


@pytest.mark.parametrize(
    ("early", "kind"),
    [
        ("552 5.3.4 too large", MailTooLarge),
        ("421 4.3.2 later", TryLater),
        ("250 2.0.0 taken", MailboxTrouble),
        ("", MailboxTrouble),
    ],
)
def test_a_server_that_hangs_up_in_the_midst_of_a_content(early: str, kind: type[MailboxTrouble]) -> None:
    fake, places = FakeSmtp(early=early, features=("AUTH PLAIN",)), Places()
    with sender(fake, places=places) as smtp_sender:
        with pytest.raises(MailboxTrouble) as refused:
            smtp_sender.send(mail(10_000_000))
        assert type(refused.value) is kind
        assert "mail:after" not in places.passed
        smtp_sender.send(mail())
    assert len(fake.contents) == 1


@pytest.mark.parametrize("answer", ["421 4.4.2 timeout", None])
def test_a_connection_that_died_since_the_last_mail_is_replaced(answer: str | None) -> None:
    fake = FakeSmtp({"MAIL": ["250 fine", answer]})
    with sender(fake) as smtp_sender:
        smtp_sender.send(mail())
        smtp_sender.send(mail())
    assert fake.connections == 2
    assert len(fake.contents) == 2


def test_a_server_that_sends_us_away_is_not_asked_again_and_again() -> None:
    fake = FakeSmtp({"MAIL": ["421 4.7.0 enough"] * 9})
    with sender(fake) as smtp_sender, pytest.raises(TryLater):
        smtp_sender.send(mail())
    assert fake.connections == 1


def test_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT", 0.2)

    def silent(talk: Talk) -> None:
        talk.hear()

    with serving(silent) as port:
        url = ServerUrl.parse(f"smtp://127.0.0.1:{port}?encryption=none")
        silent_sender = SmtpSender(url, PasswordLogin(USER, lambda: PASSWORD), tls.context(), Runtime())
        with pytest.raises(Unreachable, match="does not answer"):
            silent_sender.send(mail())


@pytest.mark.parametrize("answer", ["nonsense", "2", "-ERR", "100 go on"])
def test_what_is_no_smtp(answer: str) -> None:
    with sender(FakeSmtp({"RCPT": [answer]})) as smtp_sender, pytest.raises(MailboxTrouble):
        smtp_sender.send(mail())


def test_no_starttls_no_password() -> None:
    fake = FakeSmtp()
    with sender(fake, options="") as smtp_sender, pytest.raises(NotTrusted, match="offers no encryption"):
        smtp_sender.send(mail())
    assert not any(line.startswith("AUTH") for line in fake.heard)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_ways_to_log_in(mechanism: str) -> None:
    fake = FakeSmtp(features=(f"AUTH {mechanism}",))
    login = PasswordLogin("jörg@example.test", lambda: "Grüße %u")
    with sender(fake, login) as smtp_sender:
        smtp_sender.send(mail())
    began = next(number for number, line in enumerate(fake.heard) if line.startswith("AUTH"))
    lines = fake.heard[began : began + (2 if mechanism == "LOGIN" else 1)]
    spoken = [base64.b64decode(line.split()[-1]).decode() for line in lines]
    assert (
        spoken
        == {
            "PLAIN": ["\0jörg@example.test\0Grüße %u"],
            "LOGIN": ["jörg@example.test", "Grüße %u"],
        }[mechanism]
    )


def test_no_way_to_log_in() -> None:
    for login, word in ((None, "by password"), (TokenLogin(), "OAuth2")):
        fake = FakeSmtp(features=("AUTH GSSAPI",))
        with sender(fake, login) as smtp_sender, pytest.raises(LoginRefused, match=word):
            smtp_sender.send(mail())


def test_a_refused_token_is_renewed_once() -> None:
    login = TokenLogin()
    fake = FakeSmtp({"AUTH": ["334 eyJzdGF0dXMiOiI0MDAifQ=="]})
    with sender(fake, login) as smtp_sender:
        smtp_sender.send(mail())
    assert login.renewed == 2
    tokens = [base64.b64decode(line.split()[2]).decode() for line in fake.heard if line.startswith("AUTH XOAUTH2")]
    assert tokens == [f"user={USER}\1auth=Bearer token-Number-{number}\1\1" for number in (1, 2)]


def test_a_token_that_is_refused_for_good() -> None:
    login = TokenLogin()
    fake = FakeSmtp({"AUTH": ["535 5.7.8 no"] * 9})
    with sender(fake, login) as smtp_sender, pytest.raises(LoginRefused, match="sign in again"):
        smtp_sender.send(mail())
    assert fake.connections == 2


def test_a_server_that_repeats_the_password() -> None:
    encoded = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    for echo in (PASSWORD, encoded, f"AUTH PLAIN {encoded}"):
        with sender(FakeSmtp({"AUTH": [f"535 5.7.8 <{echo}> is wrong"]})) as smtp_sender:
            with pytest.raises(LoginRefused) as refused:
                smtp_sender.send(mail())
            told = "".join(traceback.format_exception(refused.value))
        assert PASSWORD not in told
        assert encoded not in told


def test_bounces_go_to_the_login() -> None:
    for user, expected in (("login@example.test", "login@example.test"), ("login", USER)):
        fake = FakeSmtp()
        with sender(fake, PasswordLogin(user, lambda: PASSWORD)) as smtp_sender:
            smtp_sender.send(mail())
        assert any(line.startswith(f"mail from:<{expected}>") for line in fake.commands())


@pytest.mark.parametrize(
    "recipient", ["kölle@example.test", "a b@example.test", "a>\r\nRSET@x.test", "nobody", "a@b c"]
)
def test_an_address_that_can_not_be_written(recipient: str) -> None:
    fake = FakeSmtp()
    with sender(fake) as smtp_sender, pytest.raises(ConfigurationError, match="no address such as"):
        smtp_sender.send(mail(recipient=recipient))
    assert fake.heard == []


def test_a_domain_with_umlauts() -> None:
    fake = FakeSmtp()
    with sender(fake) as smtp_sender:
        smtp_sender.send(mail(recipient="you@müller.test"))
    assert "rcpt to:<you@xn--mller-kva.test>" in fake.commands()


def test_lines_that_begin_with_a_dot_arrive() -> None:
    fake = FakeSmtp()
    with sender(fake) as smtp_sender:
        smtp_sender.send(Mail(USER, TO, "s", "." * 70 + " .x " * 30, (b"payload",), "<1@x>", 0))
    assert len(fake.contents) == 1
    assert b"\r\n..." in fake.contents[0]


def test_a_crash_in_the_midst_leaves_no_half_used_connection() -> None:
    class Crash(BaseException):
        pass

    def reached(place: str) -> None:
        crashes.append(place)
        if len(crashes) == 1:
            raise Crash

    crashes: list[str] = []
    fake = FakeSmtp()
    with serving(fake) as port:
        url = ServerUrl.parse(f"smtp://127.0.0.1:{port}?encryption=none")
        crashing = SmtpSender(url, PasswordLogin(USER, lambda: PASSWORD), tls.context(), Runtime(reached=reached))
        with pytest.raises(Crash):
            crashing.send(mail())
        crashing.send(mail())
        crashing.close()
    assert fake.connections == 2
    assert len(fake.contents) == 1
