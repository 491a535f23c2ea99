"""What stands between us and a mail server: passwords and tokens, certificates, names and ports."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

import pytest
from mail_accounts import FETCHES, SENDS, account, at, certificate_of, mail, payload, payloads, told, use

from replicator.errors import LoginRefused, MailboxTrouble, NotTrusted, Unreachable
from replicator.runtime import Runtime
from replicator.transport import open_mailbox
from replicator.transport.login import PasswordLogin
from tests.servers.farm import ODD_PASSWORD_USER, MailFarm
from tests.servers.scripted import HANG_UP, ScriptedServer

WRONG = "Wrong-passw0rd"


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


# --- logging in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_wrong_password(farm: MailFarm, kind: str) -> None:
    login = PasswordLogin(farm.address("server"), lambda: WRONG)
    with at(farm, kind, login=login) as mailbox, told(farm, LoginRefused, WRONG):
        use(farm, kind, mailbox)


@pytest.mark.parametrize("fetches", FETCHES)
@pytest.mark.parametrize("sends", SENDS)
def test_a_password_with_signs_of_all_kinds(farm: MailFarm, sends: str, fetches: str) -> None:
    user = ODD_PASSWORD_USER
    with account(farm, user, sends=sends, fetches=fetches) as mailbox:
        mailbox.send(mail(farm, sender=user, to=user))
        farm.settle()
        assert payloads(mailbox) == [payload()]


@dataclass
class GrownOld:
    """A token that is over, and good ones after `renew`, or never."""

    farm: MailFarm
    curable: bool
    user: str = "server@example.test"
    renewed: int = 0
    given: list[str] = field(default_factory=list)

    def password(self) -> str:
        raise AssertionError("there is a token")

    def token(self) -> str:
        seconds = 3600 if self.curable and self.renewed else -1
        self.given.append(self.farm.tokens.issue(self.user, seconds=seconds))
        return self.given[-1]

    def renew(self) -> None:
        self.renewed += 1


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_token_that_is_over_is_renewed_once(farm: MailFarm, kind: str) -> None:
    login = GrownOld(farm, curable=True)
    with at(farm, kind, login=login) as mailbox:
        use(farm, kind, mailbox)
    assert login.renewed == 1


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_token_that_is_refused_for_good(farm: MailFarm, kind: str) -> None:
    login = GrownOld(farm, curable=False)
    with at(farm, kind, login=login) as mailbox:
        with told(farm, LoginRefused) as refused:
            use(farm, kind, mailbox)
        assert login.renewed == 1
        assert not any(token in str(refused.value) for token in login.given)


@pytest.mark.parametrize(
    ("kind", "greeting", "refusal"),
    [("smtps", "220 here", "535 5.7.8 not {}"), ("pop3s", "+OK here", "-ERR not {}"), ("imaps", "* OK here", "{}")],
)
def test_a_server_that_repeats_the_password(farm: MailFarm, kind: str, greeting: str, refusal: str) -> None:
    """What it says is quoted for the person, but not that."""
    capabilities = {
        "EHLO": "250-here\n250 AUTH PLAIN LOGIN",
        "CAPA": "+OK\nUSER\n.",
    }

    def answer(line: str) -> str:
        words = line.split()
        if kind == "imaps":
            if len(words) > 1 and words[1].upper() == "CAPABILITY":
                return f"* CAPABILITY IMAP4rev1\n{words[0]} OK done"
            return f"{words[0]} NO [AUTHENTICATIONFAILED] not {line}"
        if words[0].upper() == "USER":
            return "+OK"
        return capabilities.get(words[0].upper()) or refusal.format(line)

    login = PasswordLogin(farm.address("server"), lambda: WRONG)
    with (
        ScriptedServer(greeting, answer, certificate_of(farm)) as server,
        at(farm, kind, server.port, login=login) as mailbox,
        told(farm, LoginRefused, WRONG),
    ):
        use(farm, kind, mailbox)
    assert server.told


# --- encryption -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_certificate_whose_authority_is_unknown(farm: MailFarm, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with at(farm, kind, ca=None) as mailbox:
        with told(farm, NotTrusted) as refused:
            use(farm, kind, mailbox)
        assert "localhost" in str(refused.value)
    monkeypatch.setenv("SSL_CERT_FILE", str(farm.authority))
    with at(farm, kind, ca=None) as mailbox:
        use(farm, kind, mailbox)


@pytest.mark.parametrize("kind", ["smtps", "pop3s", "imaps"])
@pytest.mark.parametrize("fault", ["expired", "for_another_host"])
def test_a_certificate_with_a_fault(farm: MailFarm, kind: str, fault: str) -> None:
    with ScriptedServer("", lambda _: HANG_UP, getattr(farm.certificates, fault)()) as server:
        with at(farm, kind, server.port) as mailbox, told(farm, NotTrusted):
            use(farm, kind, mailbox)
        assert server.told == []


@pytest.mark.parametrize(
    ("kind", "greeting"), [("smtp", "220 here"), ("pop3", "+OK here"), ("imap", "* OK [CAPABILITY IMAP4rev1] here")]
)
def test_a_server_without_encryption_is_told_no_password(farm: MailFarm, kind: str, greeting: str) -> None:
    def answer(line: str) -> str:
        words = line.upper().split()
        if kind == "smtp":
            return "250-here\n250 AUTH PLAIN LOGIN"
        if kind == "pop3":
            return "+OK\nUSER\nSASL PLAIN LOGIN\n." if words == ["CAPA"] else "+OK"
        return f"* CAPABILITY IMAP4rev1 AUTH=PLAIN\n{words[0]} OK done"

    with ScriptedServer(greeting, answer) as server:
        with at(farm, kind, server.port) as mailbox, told(farm, NotTrusted):
            use(farm, kind, mailbox)
        assert server.told
        assert not any(word in " ".join(server.told).upper() for word in ("AUTH ", "USER ", "LOGIN ", "PASS "))


# --- reaching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_port_where_nobody_listens(farm: MailFarm, kind: str) -> None:
    with socket.socket() as closed:
        # Bound, so that nobody else gets it.
        closed.bind(("127.0.0.1", 0))
        with at(farm, kind, closed.getsockname()[1]) as mailbox, told(farm, Unreachable):
            use(farm, kind, mailbox)


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_host_that_does_not_exist(farm: MailFarm, kind: str) -> None:
    url = f"{kind}://mail.nowhere.invalid"
    good = farm.url("pop3s" if kind in SENDS else "smtps", "server")
    fetches, sends = (good, url) if kind in SENDS else (url, good)
    login = PasswordLogin(farm.address("server"), lambda: farm.password("server"))
    with open_mailbox(
        fetches, farm.address("server"), Runtime(), send=sends, login=login, ca=str(farm.authority)
    ) as mailbox:
        with told(farm, Unreachable) as refused:
            use(farm, kind, mailbox)
        assert "mail.nowhere.invalid" in str(refused.value)


@pytest.mark.parametrize("kind", [*SENDS, *FETCHES])
def test_a_server_that_speaks_something_else(farm: MailFarm, kind: str) -> None:
    certificate = certificate_of(farm) if kind.endswith("s") else None
    with (
        ScriptedServer("HTTP/1.1 400 Bad Request", lambda _: HANG_UP, certificate) as server,
        at(farm, kind, server.port) as mailbox,
        told(farm, MailboxTrouble),
    ):
        use(farm, kind, mailbox)
