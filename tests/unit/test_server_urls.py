"""URLs of mail servers, and what `open_mailbox` makes of them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import ConfigurationError
from replicator.runtime import Runtime
from replicator.transport import ServerUrl, open_mailbox, tls
from replicator.transport.imap import ImapFetcher
from replicator.transport.login import PasswordLogin
from replicator.transport.pop3 import Pop3Fetcher
from replicator.transport.server import ServerMailbox
from replicator.transport.smtp import SmtpSender
from replicator.transport.urls import Encryption

LOGIN = PasswordLogin("a@example.test", lambda: "never-Shown-99")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtps://mail.example.com", ("smtps", None, "mail.example.com", 465, Encryption.TLS)),
        ("smtp://mail.example.com", ("smtp", None, "mail.example.com", 587, Encryption.STARTTLS)),
        ("pop3s://u@mail.example.com/", ("pop3s", "u", "mail.example.com", 995, Encryption.TLS)),
        ("pop3://u@mail.example.com", ("pop3", "u", "mail.example.com", 110, Encryption.STARTTLS)),
        ("IMAPS://U@Mail.Example.com", ("imaps", "U", "mail.example.com", 993, Encryption.TLS)),
        ("imap://mail.example.com:1143", ("imap", None, "mail.example.com", 1143, Encryption.STARTTLS)),
        ("imaps://me%40example.com@host", ("imaps", "me@example.com", "host", 993, Encryption.TLS)),
        ("imaps://me@example.com@host", ("imaps", "me@example.com", "host", 993, Encryption.TLS)),
        ("imaps://a%3Ab%2F%C3%A4@host", ("imaps", "a:b/ä", "host", 993, Encryption.TLS)),
        ("pop3://u@[::1]:1110", ("pop3", "u", "::1", 1110, Encryption.STARTTLS)),
        ("imaps://u@müller.example", ("imaps", "u", "xn--mller-kva.example", 993, Encryption.TLS)),
        ("imap://u@host?encryption=none", ("imap", "u", "host", 143, Encryption.NONE)),
        ("  smtp://u@host:25?encryption=none ", ("smtp", "u", "host", 25, Encryption.NONE)),
    ],
)
def test_understood(text: str, expected: tuple[str, str | None, str, int, Encryption]) -> None:
    url = ServerUrl.parse(text)
    assert (url.scheme, url.user, url.host, url.port, url.encryption) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "imaps",
        "imaps:",
        "imaps:host",
        "imaps://",
        "imaps://user@",
        "imaps://@host",
        "http://host",
        "imaps://user@host:0",
        "imaps://user@host:99999",
        "imaps://user@host:port",
        "imaps://user@host/INBOX",
        "imaps://user@host#x",
        "imaps://user@host?encryption=none",
        "imap://user@host?encryption=off",
        "imap://user@host?encryption",
        "imap://user@host?user=x",
        "imaps://us er@host",
        "imaps://user@ho st",
        "imaps://user%0D%0A@host",
        "imaps://user@host\r\nx",
        "imaps://user@-host",
        "imaps://user@[::1",
        "imaps://user@..",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"URL of a mail server can't be used: .*Give it as .*://USER@HOST"):
        ServerUrl.parse(text)


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.sampled_from(["imaps", "smtp", "pop3"]))
def test_any_text_is_understood_or_refused(rest: str, scheme: str) -> None:
    for text in (rest, f"{scheme}:{rest}", f"{scheme}://{rest}", f"{scheme}://user@{rest}"):
        try:
            url = ServerUrl.parse(text)
        except ConfigurationError:
            continue
        assert url.host.isascii()
        assert 1 <= url.port <= 65535


@pytest.mark.parametrize("secret", ["hunter2-Geheim", "12345/hunter2-Geheim", "hunter2-Geheim@x", "?hunter2-Geheim"])
def test_a_password_is_refused_and_not_repeated(secret: str) -> None:
    for text in (f"imaps://user:{secret}@host", f"what://user:{secret}@host", f"imaps://user@host?password={secret}"):
        with pytest.raises(ConfigurationError) as refused:
            ServerUrl.parse(text)
        assert "hunter2" not in str(refused.value)


def test_printed_it_shows_no_user() -> None:
    assert str(ServerUrl.parse("imaps://me%40example.com@host")) == "imaps://host:993"
    assert str(ServerUrl.parse("pop3://me@[::1]")) == "pop3://[::1]:110"


def test_plain_text_comes_with_a_warning() -> None:
    assert ServerUrl.parse("imap://u@host").warning is None
    assert ServerUrl.parse("imaps://u@host").warning is None
    assert "not encrypted" in (ServerUrl.parse("imap://u@host?encryption=none").warning or "")


@pytest.mark.parametrize(
    ("url", "kind"),
    [("imaps://u@host", ImapFetcher), ("imap://u@host", ImapFetcher), ("pop3s://u@host", Pop3Fetcher)],
)
def test_a_mailbox_of_servers(url: str, kind: type[object]) -> None:
    with open_mailbox(url, "a@example.test", Runtime(), send="smtps://v@host", login=LOGIN) as mailbox:
        assert isinstance(mailbox, ServerMailbox)
        assert isinstance(mailbox.fetcher, kind)
        assert isinstance(mailbox.sender, SmtpSender)
        assert mailbox.sender.user == "v"


def test_sending_may_go_another_way_than_fetching(tmp_path: Path) -> None:
    with open_mailbox(f"folder:{tmp_path}", "a@example.test", Runtime(), send="smtp://host", login=LOGIN) as mailbox:
        assert list(mailbox.fetch()) == []
        assert isinstance(mailbox, ServerMailbox)
        assert isinstance(mailbox.sender, SmtpSender)
        assert mailbox.sender.user == LOGIN.user


@pytest.mark.parametrize(
    ("url", "send", "login", "word"),
    [
        ("imaps://u@host", None, LOGIN, "where mail is sent"),
        ("imaps://u@host", "smtps://host", None, "user and a password"),
        ("smtps://u@host", "smtps://host", LOGIN, "not known here"),
        ("imaps://u@host", "imaps://host", LOGIN, "not known here"),
        ("gopher://host", None, LOGIN, "'gopher' is not known"),
        ("imaps://u:x1y2z3@host", "smtps://host", LOGIN, "must not hold a password"),
    ],
)
def test_what_can_not_be_opened(url: str, send: str | None, login: PasswordLogin | None, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word) as refused:
        open_mailbox(url, "a@example.test", Runtime(), send=send, login=login)
    assert "x1y2z3" not in str(refused.value)


def test_an_authority_must_be_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name, word in (("ca.pem", "holds no certificate"), ("missing.pem", "does not exist")):
        with pytest.raises(ConfigurationError, match=word):
            open_mailbox(
                "imaps://host", "a@example.test", Runtime(), send="smtps://host", login=LOGIN, ca=str(tmp_path / name)
            )


def test_a_login_shows_no_secret() -> None:
    assert "never-Shown-99" not in f"{LOGIN!r} {LOGIN}"
    assert LOGIN.password() == "never-Shown-99"


def test_certificates_are_verified() -> None:
    context = tls.context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
