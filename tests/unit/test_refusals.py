"""What servers refuse and networks do, as errors of ours: sorted by codes, and without our secrets."""

from __future__ import annotations

import base64
import errno
import socket
import ssl

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from replicator.errors import (
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
from replicator.transport.fetch_refusals import command_refusal, login_refusal, response_code
from replicator.transport.login import TokenRefused, plain, sendable, xoauth2
from replicator.transport.refusals import QUOTED, Server, cut
from replicator.transport.smtp_refusals import Reply, Stage, smtp_refusal
from replicator.transport.urls import ServerUrl

URL = ServerUrl.parse("smtps://mail.example.com")


def refused(stage: Stage, code: int, text: str = "", *, by_token: bool = False) -> MailboxTrouble:
    reply = Reply(stage, code, text.encode(), "me@example.com", "you@example.com")
    return smtp_refusal(Server(URL), reply, "me@example.com", by_token=by_token)


@pytest.mark.parametrize(
    ("stage", "code", "text", "kind"),
    [
        (Stage.SENDER, 552, "5.3.4 Message size exceeds fixed limit", MailTooLarge),
        (Stage.SENDER, 552, "size", MailTooLarge),
        (Stage.CONTENT, 552, "", MailTooLarge),
        (Stage.CONTENT, 552, "5.3.4 too big", MailTooLarge),
        (Stage.CONTENT, 550, "5.3.4 too big", MailTooLarge),
        (Stage.CONTENT, 554, "5.2.3 larger than the recipient takes", MailTooLarge),
        (Stage.CONTENT, 552, "5.7.0 the content is a security issue", MailRefused),
        (Stage.CONTENT, 552, "5.2.2 over quota", RecipientRefused),
        (Stage.RECIPIENT, 552, "over quota", RecipientRefused),
        (Stage.RECIPIENT, 452, "4.2.2 over quota", RecipientRefused),
        (Stage.RECIPIENT, 550, "5.1.1 no such user", RecipientRefused),
        (Stage.RECIPIENT, 550, "no such user", RecipientRefused),
        (Stage.RECIPIENT, 554, "5.7.1 relay denied", RecipientRefused),
        (Stage.CONTENT, 550, "5.1.1 no such user", RecipientRefused),
        (Stage.RECIPIENT, 450, "4.2.0 greylisted", RecipientLater),
        (Stage.RECIPIENT, 451, "", RecipientLater),
        (Stage.RECIPIENT, 452, "4.5.3 too many", RecipientLater),
        (Stage.RECIPIENT, 421, "4.7.0 closing", TryLater),
        (Stage.SENDER, 421, "4.7.0 rate", TryLater),
        (Stage.CONTENT, 451, "4.3.0", TryLater),
        (Stage.CONTENT, 550, "5.4.5 daily limit", TryLater),
        (Stage.GREETING, 421, "", TryLater),
        (Stage.STARTTLS, 454, "", TryLater),
        (Stage.LOGIN, 454, "4.7.0", TryLater),
        (Stage.LOGIN, 432, "4.7.12 a new password is needed", LoginRefused),
        (Stage.LOGIN, 535, "5.7.8", LoginRefused),
        (Stage.LOGIN, 534, "5.7.9 app password", LoginRefused),
        (Stage.LOGIN, 538, "", LoginRefused),
        (Stage.LOGIN, 500, "", LoginRefused),
        (Stage.SENDER, 530, "5.7.0 log in first", LoginRefused),
        (Stage.SENDER, 553, "5.7.1 not your address", MailboxTrouble),
        (Stage.CONTENT, 550, "5.7.60 not your address", MailboxTrouble),
        (Stage.CONTENT, 554, "5.7.1 spam", MailRefused),
        (Stage.GREETING, 554, "", Unreachable),
        (Stage.STARTTLS, 501, "", NotTrusted),
    ],
)
def test_a_reply_of_smtp(stage: Stage, code: int, text: str, kind: type[MailboxTrouble]) -> None:
    trouble = refused(stage, code, text)
    assert type(trouble) is kind
    assert text in str(trouble)


def test_a_full_mailbox_is_told_from_an_unknown_address() -> None:
    for text, full in (("5.2.2 full", True), ("5.1.1 unknown", False), ("5.7.1 policy", False), ("5.2.1 off", False)):
        trouble = refused(Stage.RECIPIENT, 550, text)
        assert isinstance(trouble, RecipientRefused)
        assert (trouble.address, trouble.full) == ("you@example.com", full)
        assert "you@example.com" in str(trouble)


def test_a_code_within_the_text_tells_nothing() -> None:
    assert type(refused(Stage.RECIPIENT, 550, "see 4.2.2 or 5.2.2 and 552")) is RecipientRefused
    assert "unknown" in str(refused(Stage.RECIPIENT, 550, "see 5.2.2"))


def test_a_refused_token_is_told_from_a_refused_password() -> None:
    assert type(refused(Stage.LOGIN, 535, by_token=True)) is TokenRefused
    assert "password" not in str(refused(Stage.LOGIN, 535, by_token=True))
    assert "app password" in str(refused(Stage.LOGIN, 535))


@settings(deadline=None)
@given(st.sampled_from(Stage), st.integers(200, 599), st.binary(max_size=300))
def test_any_reply_gives_one_line_that_says_what_to_do(stage: Stage, code: int, text: bytes) -> None:
    trouble = smtp_refusal(Server(URL), Reply(stage, code, text, "me@example.com", "you@example.com"), "me")
    assert isinstance(trouble, MailboxTrouble)
    assert "\n" not in str(trouble)
    assert str(trouble).isprintable()
    assert len(str(trouble)) < 500 + QUOTED


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"-ERR [IN-USE] busy", "IN-USE"),
        (b"-ERR [SYS/TEMP] x", "SYS/TEMP"),
        (b"[AUTHENTICATIONFAILED] x", "AUTHENTICATIONFAILED"),
        (b"[badcharset (UTF-8)] x", "BADCHARSET"),
        (b"-ERR wrong", ""),
        (b"", ""),
    ],
)
def test_response_codes(text: bytes, code: str) -> None:
    assert response_code(text) == code


@pytest.mark.parametrize(
    ("text", "at_login", "otherwise"),
    [
        (b"-ERR [IN-USE] Do you have another session?", TryLater, TryLater),
        (b"-ERR [LOGIN-DELAY] minimum time", TryLater, TryLater),
        (b"-ERR [SYS/TEMP] disk", TryLater, TryLater),
        (b"[UNAVAILABLE] x", TryLater, TryLater),
        (b"[LIMIT] x", TryLater, TryLater),
        (b"-ERR [AUTH] no", LoginRefused, MailboxTrouble),
        (b"[AUTHENTICATIONFAILED] no", LoginRefused, MailboxTrouble),
        (b"-ERR no", LoginRefused, MailboxTrouble),
        (b"[OVERQUOTA] full", LoginRefused, MailboxTrouble),
    ],
)
def test_a_reply_of_pop3_or_imap(text: bytes, at_login: type[Exception], otherwise: type[Exception]) -> None:
    server = Server(ServerUrl.parse("imaps://host"))
    assert type(login_refusal(server, text, "me", by_token=False)) is at_login
    assert type(command_refusal(server, text)) is otherwise


def certificate_error(code: int, message: str = "as OpenSSL says") -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "tls")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (certificate_error(10), NotTrusted, "expired"),
        (certificate_error(20), NotTrusted, "authority is unknown"),
        (certificate_error(62), NotTrusted, "not for mail.example.com"),
        (certificate_error(64), NotTrusted, "not for mail.example.com"),
        (certificate_error(66), NotTrusted, "as OpenSSL says"),
        (tls_error("WRONG_VERSION_NUMBER"), Unreachable, "does not speak TLS"),
        (tls_error("UNSUPPORTED_PROTOCOL"), NotTrusted, "old versions of TLS"),
        (tls_error("SOMETHING_ELSE"), NotTrusted, "SOMETHING_ELSE"),
        (ssl.SSLEOFError(8, "eof"), MailboxTrouble, "was lost"),
        (socket.gaierror(socket.EAI_NONAME, "?"), Unreachable, "is unknown"),
        (socket.gaierror(socket.EAI_AGAIN, "?"), Unreachable, "looked up"),
        (TimeoutError(), Unreachable, "does not answer"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "?"), Unreachable, "refuses the connection"),
        (ConnectionResetError(errno.ECONNRESET, "?"), MailboxTrouble, "was lost"),
        (BrokenPipeError(errno.EPIPE, "?"), MailboxTrouble, "was lost"),
        (EOFError(), MailboxTrouble, "was lost"),
        (None, MailboxTrouble, "was lost"),
        (OSError(errno.ENETUNREACH, "?"), Unreachable, "no network"),
        (OSError(errno.EHOSTUNREACH, "?"), Unreachable, "no way"),
        (OSError(errno.EMFILE, "?"), Unreachable, "too many files"),
        (ValueError("?"), MailboxTrouble, "does not understand"),
    ],
)
def test_what_befalls_a_connection(error: BaseException | None, kind: type[Exception], words: str) -> None:
    trouble = Server(URL).trouble(error)
    assert type(trouble) is kind
    assert words in str(trouble)
    assert "mail.example.com" in str(trouble)


SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=6, max_size=40)


@settings(deadline=None)
@given(SECRETS, st.binary(max_size=60), st.binary(max_size=60))
@example("  spaced  ", b"", b"")
@example('quo"te"d', b"", b"")
@example("***-***-***", b"", b"")
def test_no_sentence_holds_a_secret_that_the_server_repeats(secret: str, before: bytes, after: bytes) -> None:
    server = Server(URL)
    messages = (plain("me@example.com", secret), xoauth2("me@example.com", secret))
    server.keep_secret(secret, *messages)
    harmless = [
        smtp_refusal(server, Reply(Stage.LOGIN, 535, before + after), "me@example.com"),
        login_refusal(server, before + after, "me@example.com", by_token=False),
        command_refusal(server, before + after),
    ]
    # Else it says nothing about what we keep out: the secret is a piece of our own words, or of the server's.
    assume(not any(secret.lower() in str(sentence).lower() for sentence in harmless))
    encoded = [base64.b64encode(text.encode()).decode() for text in (secret, *messages)]
    for echo in (secret, secret.upper() if secret.upper().lower() == secret.lower() else secret, *messages, *encoded):
        text = before + echo.encode() + after
        for trouble in (
            smtp_refusal(server, Reply(Stage.LOGIN, 535, text), "me@example.com"),
            smtp_refusal(server, Reply(Stage.CONTENT, 554, text), "me@example.com"),
            login_refusal(server, text, "me@example.com", by_token=False),
            command_refusal(server, text),
        ):
            assert secret not in str(trouble)
            assert not any(each.rstrip("=") in str(trouble) for each in encoded)


def test_a_servers_text_is_cut_and_on_one_line() -> None:
    assert cut("a\r\n\tb\x00\x1b[31mc") == "a b[31mc"
    assert len(cut("x" * 10_000)) == QUOTED
    assert cut('say "hello"') == "say 'hello'"


@pytest.mark.parametrize("secret", ["pass\r\nQUIT", "pass\nx", "nul\0"])
def test_a_secret_can_not_begin_a_command(secret: str) -> None:
    for attempt in (lambda: sendable(secret), lambda: plain("me", secret), lambda: xoauth2(secret, "token")):
        with pytest.raises(LoginRefused) as refusal:
            attempt()
        assert secret[:3] not in str(refusal.value).replace("password", "")
