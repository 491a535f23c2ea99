"""`account test` at real servers: what works is said line by line, what doesn't in one sentence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from command_line import Place, Result

from replicator.operations import account_check
from replicator.operations.account_check import Finding
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.keyrings import MemoryKeyring
from tests.servers.farm import ODD_PASSWORD_USER, MailFarm
from tests.servers.fault_proxy import FaultProxy
from tests.servers.mailboxes import JUNK

CLIENT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryKeyring]:
    monkeypatch.delenv("REPLICATOR_PASSWORD", raising=False)
    kept, backend = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(kept)


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str], farm: MailFarm) -> Place:
    return new_office(tmp_path, capsys, farm)


def new_office(
    folder: Path, capture: pytest.CaptureFixture[str], farm: MailFarm, fetch: str = "imaps", send: str = "smtps"
) -> Place:
    place = Place(folder, "office", capture)
    place.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    place.done(
        "host-init",
        *("--database", f"sqlite:///{place.database_file}", "--address", farm.address("server")),
        *("--mailbox", server(farm, fetch), "--send", server(farm, send), "--ca", farm.authority),
    )
    return place


def server(farm: MailFarm, kind: str, port: int | None = None) -> str:
    """Without the user, who is the address then."""
    return f"{kind}://localhost:{port or farm.port[kind]}"


def know(memory: MemoryKeyring, farm: MailFarm, kind: str, password: str | None = None) -> None:
    key = f"{farm.address('server')}@localhost:{farm.port[kind]}"
    memory.entries["replicator", key] = password or farm.password("server")


def findings(office: Place, code: int) -> list[dict[str, Any]]:
    """The same for people and for programs."""
    plain = office.call("account", "test")
    assert (plain.code, plain.err) == (code, ""), plain
    found: Result = office.call("account", "test", "--json")
    assert found.code == code
    assert found.json["works"] is (code == 0)
    lines: list[dict[str, Any]] = found.json["findings"]
    assert len(plain.out.splitlines()) == len(lines) + 1
    for text, line in zip(plain.out.splitlines(), lines, strict=False):
        assert text[4:16].strip() == line["part"]
        assert text[:4].strip() == {True: "ok", False: "NO", None: ""}[line["good"]]
    return lines


def sentences(lines: list[dict[str, Any]], part: str) -> list[str]:
    return [line["sentence"] for line in lines if line["part"] == part]


def faults(lines: list[dict[str, Any]]) -> list[str]:
    return [line["sentence"] for line in lines if line["good"] is False]


@pytest.mark.parametrize("send", ["smtps", "smtp"])
@pytest.mark.parametrize("fetch", ["imaps", "imap", "pop3s", "pop3"])
def test_an_account_that_works(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    farm: MailFarm,
    memory: MemoryKeyring,
    fetch: str,
    send: str,
) -> None:
    office = new_office(tmp_path, capsys, farm, fetch, send)
    know(memory, farm, fetch)
    lines = findings(office, 0)
    sending, fetching, trip = (sentences(lines, part) for part in ("sending", "fetching", "round trip"))
    assert sending[0].startswith("localhost is 127.0.0.1")
    for part, kind in ((sending, send), (fetching, fetch)):
        assert part[1].startswith(f"{server(farm, kind)} speaks TLSv1.")
        assert "certificate of localhost, by Replicator tests, until 3000-01-01" in part[1]
        assert part[2].startswith(f"logged in as {farm.address('server')}")
    assert sending[3] == "mails of up to 16.8 MB can be sent"
    assert ("folder for junk: looked into, too: Junk" in fetching) is fetch.startswith("imap")
    assert any("(IDLE): yes" in sentence for sentence in fetching) is fetch.startswith("imap")
    assert any("POP3 has no folders" in sentence for sentence in fetching) is fetch.startswith("pop3")
    assert "whole, and was deleted" in trip[-1]
    farm.settle()
    assert farm.mailboxes.contents("server") == []


def test_the_size_limit_is_the_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], memory: MemoryKeyring
) -> None:
    with MailFarm(size_limit=5_000_000) as farm:
        office = new_office(tmp_path, capsys, farm)
        know(memory, farm, "imaps")
        assert "mails of up to 5.0 MB can be sent" in sentences(findings(office, 0), "sending")


def test_other_mail_stays_and_what_an_earlier_test_left_goes(
    office: Place, farm: MailFarm, memory: MemoryKeyring
) -> None:
    know(memory, farm, "imaps")
    letter = b"From: aunt@example.com\nSubject: Hello\n\nHow are you?\n"
    farm.mailboxes.put("server", letter)
    farm.mailboxes.put("server", b"Subject: junk\n\n" + b"x" * 300_000)
    before = farm.mailboxes.contents("server")
    lines = findings(office, 0)
    assert f"logged in as {farm.address('server')}; mails in the inbox: 2" in sentences(lines, "fetching")
    assert farm.mailboxes.contents("server") == before


def test_a_test_mail_that_is_taken_for_junk_is_found(office: Place, farm: MailFarm, memory: MemoryKeyring) -> None:
    know(memory, farm, "imaps")
    moved = threading.Event()

    def pause(seconds: float) -> None:
        raise AssertionError("nothing is waited for here")

    def spam_filter(place: str) -> None:
        """Moves what has just been sent, before we look."""
        if place == "mail:after":
            farm.settle()
            for raw in farm.mailboxes.contents("server"):
                farm.mailboxes.remove_all("server")
                farm.mailboxes.put("server", raw, JUNK)
                moved.set()

    told: list[Finding] = []
    runtime = Runtime(reached=spam_filter, pause=pause)
    assert account_check.check_account(home_of(office), runtime, told.append)
    assert moved.is_set()
    assert farm.mailboxes.contents("server", JUNK) == []


def home_of(office: Place) -> Home:
    return Home(office.home, Files(Runtime()))


def test_a_mail_that_does_not_come_back(office: Place, farm: MailFarm, memory: MemoryKeyring) -> None:
    know(memory, farm, "imaps")
    office.done("account", "set", "--address", farm.address("remote1"), "--mailbox", with_user(farm, "imaps"))
    office.done("account", "set", "--send", with_user(farm, "smtps"))
    told: list[Finding] = []
    assert not account_check.check_account(home_of(office), Runtime(), told.append, patience=0.5)
    assert told[-1].good is False
    assert "it did not come back within 0 seconds" in told[-1].sentence
    assert f"whether {farm.address('remote1')} is this mailbox's address" in told[-1].sentence


def with_user(farm: MailFarm, kind: str) -> str:
    return farm.url(kind, "server")


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_password_that_is_refused(office: Place, farm: MailFarm, memory: MemoryKeyring) -> None:
    know(memory, farm, "imaps", "Wr0ng-hemlig")
    lines = findings(office, 1)
    assert [sentence.partition(": ")[0] for sentence in faults(lines)] == [
        f"{server(farm, kind)} refuses the user or password of {farm.address('server')}" for kind in ("smtps", "imaps")
    ]
    assert "Wr0ng-hemlig" not in str(lines)
    assert not sentences(lines, "round trip"), "nothing is sent then"


def test_sending_with_a_password_of_its_own(office: Place, farm: MailFarm, memory: MemoryKeyring) -> None:
    know(memory, farm, "imaps")
    know(memory, farm, "smtps", "Wr0ng-hemlig")
    (fault,) = faults(findings(office, 1))
    assert fault.startswith(server(farm, "smtps"))
    know(memory, farm, "smtps")
    know(memory, farm, "imaps", "Wr0ng-hemlig")
    (fault,) = faults(findings(office, 1))
    assert fault.startswith(server(farm, "imaps"))


def test_a_password_that_is_nowhere(office: Place) -> None:
    for fault in faults(findings(office, 1)):
        assert "there is no password for" in fault
        assert "account set" in fault


def test_a_password_with_signs_of_all_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str], farm: MailFarm) -> None:
    """From a file, as they come."""
    file = tmp_path / "password"
    file.write_text(farm.password(ODD_PASSWORD_USER), encoding="utf-8")
    file.chmod(0o600)
    place = Place(tmp_path, "office", capsys)
    place.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    place.done(
        "host-init",
        *("--database", f"sqlite:///{place.database_file}", "--address", farm.address(ODD_PASSWORD_USER)),
        *("--mailbox", server(farm, "pop3"), "--send", server(farm, "smtp")),
        *("--ca", farm.authority, "--password-file", file),
    )
    findings(place, 0)


def test_a_certificate_of_an_unknown_authority(
    office: Place, farm: MailFarm, memory: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(memory, farm, "imaps")
    office.done("account", "set", "--ca", "")
    for fault, kind in zip(faults(findings(office, 1)), ("smtps", "imaps"), strict=True):
        assert fault.startswith(f"The certificate of {server(farm, kind)} is not trusted")
        assert "--ca FILE" in fault
    monkeypatch.setenv("SSL_CERT_FILE", str(farm.authority))
    findings(office, 0)


def test_servers_that_are_not_there(
    office: Place, farm: MailFarm, memory: MemoryKeyring, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    know(memory, farm, "imaps")
    proxy = fault_proxy(farm.port["imaps"])
    port = proxy.port
    proxy.close()
    office.done("account", "set", "--mailbox", server(farm, "imaps", port), "--send", "smtps://mail.invalid")
    first, second = faults(findings(office, 1))
    assert first.startswith("The host mail.invalid is unknown") or "can't be looked up" in first
    assert "refuses the connection" in second


def test_ports_mixed_up(office: Place, farm: MailFarm, memory: MemoryKeyring) -> None:
    know(memory, farm, "imaps")
    office.done("account", "set", "--mailbox", server(farm, "imaps", farm.port["pop3"]))
    office.done("account", "set", "--send", server(farm, "smtp", farm.port["imap"]))
    first, second = faults(findings(office, 1))
    assert "answers, but not as a mail server of this kind" in first
    assert "does not speak TLS" in second


# --- OAuth2 -----------------------------------------------------------------------------------------------------------


def signs_in(farm: MailFarm, user: str) -> threading.Thread:
    """A person who enters the code as soon as it is shown."""

    def act() -> None:
        while not (codes := farm.tokens.waiting()):
            threading.Event().wait(0.02)
        farm.tokens.approve(codes[0], farm.address(user))

    person = threading.Thread(target=act)
    person.start()
    return person


def oauth_options(farm: MailFarm) -> tuple[str, ...]:
    return ("--auth", "oauth2", "--oauth-client-id", CLIENT, "--oauth-authority", farm.tokens.authority)


@pytest.mark.parametrize(("fetch", "send"), [("imaps", "smtps"), ("pop3", "smtp")])
def test_oauth_from_signing_in_to_a_mail_that_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], farm: MailFarm, fetch: str, send: str
) -> None:
    office = new_office(tmp_path, capsys, farm, fetch, send)
    person = signs_in(farm, "server")
    result = office.call("account", "set", *oauth_options(farm))
    person.join()
    assert result.code == 0, result
    assert f"Open {farm.tokens.url}/device in any browser and enter the code " in result.err
    assert f"Signed in as {farm.address('server')}." in result.out
    tokens = office.home / "tokens"
    assert tokens.stat().st_mode & 0o777 == 0o600
    findings(office, 0)
    assert office.done("account", "show", "--json").json["fetching"]["secret_from"] == f"tokens in {tokens}"
    # An hour later; then the administrator ends all sessions.
    farm.tokens.end_access()
    findings(office, 0)
    farm.tokens.revoke_all()
    for fault in faults(findings(office, 1)):
        assert "sign in again with 'replicator account set" in fault
    log = (office.home / "log" / "replicator.log").read_text(encoding="utf-8")
    assert "access-" not in log + result.out + result.err
    assert "access-" in tokens.read_text(encoding="utf-8")


def test_nobody_has_signed_in(office: Place, farm: MailFarm) -> None:
    person = signs_in(farm, "server")
    office.call("account", "set", *oauth_options(farm))
    person.join()
    (office.home / "tokens").unlink()
    for fault in faults(findings(office, 1)):
        assert fault.startswith(f"Nobody has signed in for {farm.address('server')} yet")


def test_signed_in_as_somebody_else(office: Place, farm: MailFarm) -> None:
    person = signs_in(farm, "remote1")
    told = office.call("account", "set", *oauth_options(farm)).out
    person.join()
    assert f"Signed in as {farm.address('remote1')}" in told
    assert f"The mailbox is {farm.address('server')}'s: unless it is shared" in told
    assert len(faults(findings(office, 1))) == 2
