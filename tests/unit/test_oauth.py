"""Signing in by the device flow and renewing tokens, with a token server of our own that speaks as Microsoft's does."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from replicator.errors import (
    ConfigurationError,
    LoginRefused,
    MailboxTrouble,
    NotTrusted,
    ReplicatorError,
    TryLater,
    Unreachable,
)
from replicator.transport.oauth import DeviceCode, OAuthLogin, OAuthSettings, sign_in
from tests.servers.certificates import Certificates
from tests.servers.token_server import Form, Reply, TokenServer

USER = "office@example.test"
SECRET = "hemlig-91c2"
CLIENT = "11111111-2222-3333-4444-555555555555"


@dataclass
class Kept:
    """A token store in memory."""

    text: str | None = None
    texts: list[str] = field(default_factory=list)

    def load(self) -> str | None:
        return self.text

    def save(self, text: str) -> None:
        self.text = text
        self.texts.append(text)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates: Certificates) -> Iterator[TokenServer]:
    server = TokenServer(certificates.chain, certificates.key)
    yield server
    server.close()


@pytest.fixture
def settings(server: TokenServer, certificates: Certificates) -> OAuthSettings:
    return OAuthSettings(CLIENT, server.authority, str(certificates.authority))


def by(server: TokenServer, act: Callable[[TokenServer, str], None]) -> Callable[[DeviceCode], None]:
    """A person who sees the code and does something about it at once."""

    def show(code: DeviceCode) -> None:
        assert code.page == f"{server.url}/device"
        assert code.seconds == 900
        assert server.waiting() == [code.code]
        act(server, code.code)

    return show


def approve(server: TokenServer, code: str) -> None:
    server.approve(code, USER)


def signed_in(server: TokenServer, settings: OAuthSettings) -> Kept:
    kept = Kept()
    assert sign_in(settings, kept, by(server, approve)) == USER
    return kept


def count(server: TokenServer, grant: str) -> int:
    return sum(form.get("grant_type") == grant for word, form in server.forms if word == "token")


def is_good(server: TokenServer, token: str) -> bool:
    return bool(server.post("/introspect", {"token": token})[1]["active"])


def test_a_person_signs_in_once_and_later_runs_find_the_token(server: TokenServer, settings: OAuthSettings) -> None:
    kept = signed_in(server, settings)
    asked = next(form for word, form in server.forms if word == "devicecode")
    assert asked["client_id"] == CLIENT
    assert set(asked["scope"].split()) == {
        "https://outlook.office.com/IMAP.AccessAsUser.All",
        "https://outlook.office.com/POP.AccessAsUser.All",
        "https://outlook.office.com/SMTP.Send",
        "offline_access",
        "openid",
        "profile",
    }
    before = len(server.forms)
    for _ in range(2):
        login = OAuthLogin(USER, settings, kept)
        assert is_good(server, login.token())
        assert login.token() == login.token()
    assert [word for word, _ in server.forms[before:]] == ["introspect", "introspect"], "the kept token is used"


def test_a_token_that_the_mail_server_refused_is_renewed(server: TokenServer, settings: OAuthSettings) -> None:
    kept = signed_in(server, settings)
    login = OAuthLogin(USER, settings, kept)
    old = login.token()
    server.end_access()
    assert login.token() == old, "nobody has told of a refusal yet"
    login.renew()
    new = login.token()
    assert new != old
    assert is_good(server, new)
    assert count(server, "refresh_token") == 1
    assert login.token() == new, "once is enough"
    assert OAuthLogin(USER, settings, kept).token() == new, "the new one is kept for the next run"


def test_a_token_that_is_over_is_renewed_without_a_refusal(certificates: Certificates) -> None:
    server = TokenServer(certificates.chain, certificates.key, seconds=1)
    try:
        settings = OAuthSettings(CLIENT, server.authority, str(certificates.authority))
        login = OAuthLogin(USER, settings, signed_in(server, settings))
        first = login.token()
        time.sleep(1.1)
        assert login.token() != first
    finally:
        server.close()


# --- refusals -----------------------------------------------------------------------------------------------------


def refused(kind: type[ReplicatorError], action: Callable[[], object], *secrets: str) -> str:
    with pytest.raises(kind) as caught:
        action()
    assert type(caught.value) is kind
    assert re.fullmatch(r"[A-Z][^\n]+[^.]\.", str(caught.value))
    shown = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in secrets if secret in shown]
    return str(caught.value)


@pytest.mark.parametrize(
    ("act", "word"),
    [(TokenServer.decline, "declined in the browser"), (TokenServer.expire, "not entered in time")],
)
def test_signing_in_that_comes_to_nothing(
    server: TokenServer, settings: OAuthSettings, act: Callable[[TokenServer, str], None], word: str
) -> None:
    kept = Kept()
    assert word in refused(LoginRefused, lambda: sign_in(settings, kept, by(server, act)))
    assert kept.text is None


def test_nobody_has_signed_in(settings: OAuthSettings) -> None:
    sentence = refused(LoginRefused, OAuthLogin(USER, settings, Kept()).token)
    assert sentence == f"Nobody has signed in for {USER} yet: do so with 'replicator account set --auth oauth2'."


def test_an_administrator_who_ended_all_sessions(server: TokenServer, settings: OAuthSettings) -> None:
    login = OAuthLogin(USER, settings, signed_in(server, settings))
    old = login.token()
    server.revoke_all()
    login.renew()
    assert "sign in again with" in refused(LoginRefused, login.token, old)


@pytest.mark.parametrize(
    ("status", "error", "kind", "word"),
    [
        (400, "unauthorized_client", ConfigurationError, "correct oauth_client_id"),
        (401, "invalid_client", ConfigurationError, "correct oauth_client_id"),
        (400, "temporarily_unavailable", TryLater, "try again later"),
        (400, "something_new", LoginRefused, "(something_new)"),
        (400, "<b>ß\n", LoginRefused, "(without a reason)"),
        (500, "server_error", TryLater, "try again later"),
    ],
)
def test_error_codes(
    server: TokenServer,
    settings: OAuthSettings,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: str,
    kind: type[ReplicatorError],
    word: str,
) -> None:
    login = OAuthLogin(USER, settings, signed_in(server, settings))
    login.token()
    login.renew()

    def refuse(path: str, form: Form) -> Reply:
        return status, {"error": error, "error_description": SECRET}

    monkeypatch.setattr(server, "post", refuse)
    assert word in refused(kind, login.token, SECRET)
    assert word in refused(kind, lambda: sign_in(settings, Kept(), lambda code: None), SECRET)


def test_a_tenant_that_is_not_there(
    server: TokenServer, settings: OAuthSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "discovery", lambda: (404, {"error": "invalid_tenant"}))
    assert "correct oauth_authority" in refused(
        ConfigurationError, lambda: sign_in(settings, Kept(), lambda code: None)
    )


def test_a_token_server_that_is_not_trusted(server: TokenServer, settings: OAuthSettings) -> None:
    login = OAuthLogin(USER, replace(settings, ca=None), Kept())
    assert "certificate of the token server localhost is not trusted" in refused(NotTrusted, login.token)


def test_a_token_server_that_is_not_there(settings: OAuthSettings, server: TokenServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        authority = f"https://127.0.0.1:{closed.getsockname()[1]}/organizations"
        login = OAuthLogin(USER, replace(settings, authority=authority), Kept())
        assert "can't be reached" in refused(Unreachable, login.token)
    assert "can't be reached" in refused(
        Unreachable, OAuthLogin(USER, replace(settings, authority="https://nowhere.invalid/x"), Kept()).token
    )


@pytest.mark.parametrize("answer", [["a", "list"], {}, "<html>hemlig</html>", {"user_code": "x"}])
def test_an_answer_that_is_no_token_servers(
    server: TokenServer, settings: OAuthSettings, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    login = OAuthLogin(USER, settings, signed_in(server, settings))
    login.token()
    login.renew()
    monkeypatch.setattr(server, "post", lambda path, form: (200, answer))
    for action in (login.token, lambda: sign_in(settings, Kept(), lambda code: None)):
        with pytest.raises(MailboxTrouble) as caught:
            action()
        assert re.fullmatch(r"[A-Z][^\n]+[^.]\.", str(caught.value))
        assert "hemlig" not in str(caught.value)


def test_tokens_that_are_damaged(settings: OAuthSettings) -> None:
    assert "sign in again" in refused(LoginRefused, OAuthLogin(USER, settings, Kept("{half")).token)


def test_there_is_no_password(settings: OAuthSettings) -> None:
    assert "has no password here" in refused(LoginRefused, OAuthLogin(USER, settings, Kept()).password)


# --- secrets ------------------------------------------------------------------------------------------------------


def test_tokens_appear_in_the_store_only(
    server: TokenServer, settings: OAuthSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        kept = signed_in(server, settings)
        login = OAuthLogin(USER, settings, kept)
        first = login.token()
        login.renew()
        second = login.token()
    secrets = [first, second]
    for text in kept.texts:
        secrets += [
            entry["secret"] for kind in ("AccessToken", "RefreshToken") for entry in json.loads(text)[kind].values()
        ]
    assert len(set(secrets)) >= 4
    told = f"{login!r} {login} {settings!r} {caplog.text}"
    assert "oauth" in told.lower(), "there is something to search"
    assert not [secret for secret in secrets if secret in told]


def test_two_who_wait_for_a_token_at_once(server: TokenServer, settings: OAuthSettings) -> None:
    """Sending and fetching share a login; nothing is asked twice but by chance."""
    login = OAuthLogin(USER, settings, signed_in(server, settings))
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(login.token())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


# --- whom one trusts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_whom_to_trust_is_said_by_the_configuration_and_not_by_what_other_programs_are_told(
    server: TokenServer,
    settings: OAuthSettings,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    for each in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(each, raising=False)
    others = Certificates(tmp_path)
    for bundle in (tmp_path / "missing.pem", others.authority):
        monkeypatch.setenv(name, str(bundle))
        assert OAuthLogin(USER, settings, signed_in(server, settings)).token()
    monkeypatch.setenv(name, str(certificates.authority))
    refused(NotTrusted, lambda: sign_in(replace(settings, ca=None), Kept(), by(server, approve)))
