"""`account set` and `account show`, and how set-up comes to mail servers: what is written down, asked for and told."""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from command_line import Place, join, new_office
from keyring.backends import fail
from processes import command

from replicator.store.home import Home
from tests.keyrings import MemoryKeyring

SECRET = "hemlig-4c0e"
IMAP, SMTP = "imaps://imap.example.com", "smtps://smtp.example.com"
NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever keyring this machine has stays untouched, and whatever password its user has set."""
    monkeypatch.delenv("REPLICATOR_PASSWORD", raising=False)
    kept = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(kept)


@pytest.fixture
def memory() -> MemoryKeyring:
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return new_office(tmp_path, capsys)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    return file


def section(place: Place, name: str = "SERVER") -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((place.home / "replicator.toml").read_text(encoding="utf-8"))[name]
    return found


def set_up(folder: Path, capture: pytest.CaptureFixture[str], *arguments: str | Path) -> Place:
    place = Place(folder, "office", capture)
    place.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    place.done("host-init", "--database", f"sqlite:///{place.database_file}", *arguments)
    return place


# --- unrecognised mail ------------------------------------------------------------------------------------------------


def test_what_becomes_of_unrecognised_mail_is_set_and_shown(office: Place) -> None:
    assert "unrecognised mail  is left in the mailbox" in " ".join(office.done("account", "show").out.split("\n"))
    office.done("account", "set", "--unrecognised", "move", "--unrecognised-folder", "Other/Mail")
    assert "is moved to the folder Other/Mail" in office.done("account", "show").out
    office.done("account", "set", "--unrecognised", "forward", "--unrecognised-to", "anna@example.com")
    found = section(office)
    assert [found[f"unrecognised{key}"] for key in ("", "_folder", "_to")] == [
        "forward",
        "Other/Mail",
        "anna@example.com",
    ]
    assert "is forwarded to anna@example.com and deleted" in office.done("account", "show").out
    shown = office.done("account", "show", "--json").json
    assert (shown["unrecognised"], shown["unrecognised_to"]) == ("forward", "anna@example.com")
    office.done("account", "set", "--unrecognised", "", "--unrecognised-folder", "", "--unrecognised-to", "")
    assert office.done("account", "show", "--json").json["unrecognised_folder"] == "Unrecognised"
    assert "unrecognised_to" not in section(office)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--unrecognised", "delete"], "SERVER.unrecognised: input should be 'leave', 'move' or 'forward'"),
        (["--unrecognised", "forward"], "the key 'unrecognised_to' is missing"),
        (["--unrecognised-to", "Office@Example.com"], "unrecognised_to is this node's own address"),
        (["--unrecognised-to", "anna"], "not an e-mail address"),
        (["--unrecognised-folder", "../x"], "not the name of a folder"),
        (["--unrecognised-folder", "inbox"], "this folder has another use already"),
        (["--unrecognised-folder", "new/x"], "this folder has another use already"),
        (
            ["--mailbox", "pop3s://pop.example.com", "--send", SMTP, "--unrecognised", "move"],
            "needs folders, and POP3 knows none: fetch by IMAP",
        ),
    ],
)
def test_what_can_not_be_done_with_it_is_one_sentence(office: Place, arguments: list[str], word: str) -> None:
    before = (office.home / "replicator.toml").read_text(encoding="utf-8")
    assert word in office.refused("account", "set", *arguments)
    assert (office.home / "replicator.toml").read_text(encoding="utf-8") == before


# --- set-up -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "mailbox", "send", "auth"),
    [
        (["--address", "a@gmx.de"], "imaps://imap.gmx.net", "smtps://mail.gmx.net", "password"),
        (["--address", "a@web.de"], "imaps://a@imap.web.de", "smtps://a@smtp.web.de", "password"),
        (
            ["--address", "a@gmx.de", "--mailbox", "pop3s://pop.gmx.net"],
            "pop3s://pop.gmx.net",
            "smtps://mail.gmx.net",
            "password",
        ),
        (
            ["--address", "a@example.com", "--provider", "IONOS"],
            "imaps://imap.ionos.de",
            "smtps://smtp.ionos.de",
            "password",
        ),
        (["--address", "a@example.com", "--mailbox", IMAP, "--send", SMTP], IMAP, SMTP, "password"),
    ],
)
def test_servers_come_from_the_options_or_the_provider(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], mailbox: str, send: str, auth: str
) -> None:
    place = set_up(tmp_path, capsys, *arguments)
    found = section(place)
    assert (found["mailbox"], found["send"], found.get("auth", "password")) == (mailbox, send, auth)


def test_a_station_takes_its_address_from_the_invitation(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    office.done("station", "add", "west", "--address", "west@posteo.net", "--out", office.folder / "w.invitation")
    station = Place(office.folder, "west", capsys)
    told = station.done(
        "remote-init", office.folder / "w.invitation", "--database", f"sqlite:///{station.database_file}"
    )
    assert section(station, "REMOTE")["mailbox"] == "imaps://posteo.de"
    assert "The password is still missing, and there is no terminal to ask at" in told.out
    assert "--password-file" in told.out
    assert 'Posteo: The "additional email account protection"' in told.out
    assert "Then try the mail account: replicator account test\n" in told.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--address", "a@example.com"], "give --mailbox and --send, or --provider with one of gmx, web.de"),
        (["--address", "a@example.com", "--provider", "yahoo"], "there is no provider 'yahoo': give one of gmx"),
        (["--address", "a@example.com", "--mailbox", IMAP], "the key 'send' is missing"),
        (["--address", "a@x.onmicrosoft.com"], "the key 'oauth_client_id' is missing"),
        (["--address", "a@example.com", "--mailbox", f"{IMAP}/INBOX", "--send", SMTP], "nothing may follow the host"),
        (["--address", "a@gmx.de", "--ca", "nowhere.pem"], "nowhere.pem can't be read"),
        (["--address", "a@gmx.de", "--password-file", "nowhere"], "nowhere: it does not exist"),
        (["--address", "a@gmx.de", "--auth", "magic"], "input should be 'password' or 'oauth2'"),
        (["--address", "a@gmx.de", "--mailbox", f"imaps://a:{SECRET}@x.de"], "must not hold a password"),
    ],
)
def test_what_set_up_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    place = Place(tmp_path, "office", capsys)
    place.sql("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    sentence = place.refused("host-init", "--database", f"sqlite:///{place.database_file}", *arguments)
    assert word in sentence
    assert SECRET not in sentence
    assert not place.home.exists()


# --- set --------------------------------------------------------------------------------------------------------------


def test_a_change_keeps_what_people_wrote(office: Place) -> None:
    file = office.home / "replicator.toml"
    before = file.read_text(encoding="utf-8").replace("[SERVER]", "# ours, since spring\n[SERVER]")
    file.write_text(before, encoding="utf-8")
    told = office.done("account", "set", "--title", "Büro", "--disable")
    assert "switched off" in told.out
    after = file.read_text(encoding="utf-8")
    assert after == before.replace('# title = ""', 'title = "Büro"').replace("# enabled = true", "enabled = false")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert office.done("host-run").out.count("switched off") == 1
    office.done("account", "set", "--enable", "--title", "")
    assert file.read_text(encoding="utf-8") == before.replace("# enabled = true", "enabled = true").replace(
        '# title = ""', 'title = ""'
    )


def test_from_a_folder_to_servers_and_back(office: Place, password_file: Path) -> None:
    folder = section(office)["mailbox"]
    assert "the key 'send' is missing" in office.refused("account", "set", "--mailbox", IMAP)
    assert section(office)["mailbox"] == folder
    office.done("account", "set", "--mailbox", IMAP, "--send", SMTP, "--password-file", password_file)
    assert section(office) == {
        "address": "office@example.com",
        "mailbox": IMAP,
        "send": SMTP,
        "password_file": str(password_file),
    }
    office.done("account", "set", "--provider", "strato", "--password-file", "")
    assert section(office)["send"] == "smtps://smtp.strato.de"
    office.done("account", "set", "--mailbox", folder)
    assert section(office) == {"address": "office@example.com", "mailbox": folder}
    office.done("host-run")


def test_relative_paths_are_written_down_whole(
    office: Place, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(office.folder)
    office.done("account", "set", "--password-file", "password", "--mailbox", "folder:mail")
    assert section(office)["password_file"] == str(password_file)
    assert section(office)["mailbox"] == f"folder:{office.folder / 'mail'}"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--address", "nowhere"], "e-mail address"),
        (["--mailbox", "carrier-pigeon:x"], "folder:"),
        (["--mailbox", f"imaps://max:{SECRET}@example.com", "--send", SMTP], "password"),
        (["--send", f"smtps://{SECRET}:{SECRET}@example.com"], "password"),
        (["--provider", "nobody"], "there is no provider 'nobody'"),
        (["--ca", "/dev/null"], "holds no certificate"),
        (["--auth", "oauth2"], "the key 'oauth_client_id' is missing"),
        (["--oauth-authority", "http://x/y"], "not a URL that begins with https:"),
        (["--send", "ftp://x"], "not a URL that begins with folder:, smtp:"),
    ],
)
def test_what_cannot_be_changes_nothing(office: Place, arguments: list[str], word: str) -> None:
    file = office.home / "replicator.toml"
    before = file.read_bytes()
    sentence = office.refused("account", "set", *arguments)
    assert word in sentence
    assert SECRET not in sentence
    assert file.read_bytes() == before


def test_a_password_file_that_others_may_read_is_refused(office: Place, password_file: Path) -> None:
    password_file.chmod(0o644)
    sentence = office.refused("account", "set", "--password-file", password_file)
    assert "must be yours and closed to all others: 'chmod 600' it" in sentence
    assert "password_file" not in section(office)


def test_nothing_is_set_while_a_run_goes_on(office: Place) -> None:
    from replicator.runtime import Runtime
    from replicator.store.files import Files

    with Home(office.home, Files(Runtime())).lock():
        assert "another process" in office.refused("account", "set", "--title", "x", code=1)
        office.done("account", "show")


def test_a_new_address_is_what_mails_come_from(office: Place, capsys: pytest.CaptureFixture[str]) -> None:
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    station = join(office.folder, capsys)
    told = station.done("account", "set", "--address", "neu@example.com").out
    assert "Tell the head office: replicator station set NAME --address neu@example.com" in told
    assert station.done("status", "--json").json["address"] == "neu@example.com"
    station.run()
    (mail,) = (office.folder / "mail" / "office@example.com" / "new").iterdir()
    assert b"From: neu@example.com" in mail.read_bytes()
    office.done("station", "set", "Köln", "--address", "neu@example.com")
    office.run()
    station.run()
    assert station.sql("SELECT * FROM customers") == office.sql("SELECT * FROM customers") != []
    assert "let it forward" in office.done("account", "set", "--address", "zentrale@example.com").out


# --- show -------------------------------------------------------------------------------------------------------------


def servers(office: Place, *arguments: str | Path) -> None:
    office.done("account", "set", "--mailbox", IMAP, "--send", "smtps://max@smtp.example.com", *arguments)


def shown(office: Place) -> dict[str, Any]:
    plain, found = office.done("account", "show").out, office.done("account", "show", "--json")
    assert SECRET not in plain + found.out
    content: dict[str, Any] = found.json
    return content


def test_show_tells_where_the_password_comes_from(
    office: Place, memory: MemoryKeyring, password_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers(office)
    assert [shown(office)[half]["secret_from"] for half in ("fetching", "sending")] == [None, None]
    assert "none yet: replicator account set" in office.done("account", "show").out
    memory.entries["replicator", "office@example.com@imap.example.com:993"] = SECRET
    assert [shown(office)[half]["secret_from"] for half in ("fetching", "sending")] == ["keyring", None]
    memory.entries["replicator", "max@smtp.example.com:465"] = SECRET
    assert shown(office)["sending"]["secret_from"] == "keyring"
    office.done("account", "set", "--password-file", password_file)
    assert shown(office)["fetching"]["secret_from"] == f"password file {password_file}"
    password_file.chmod(0o604)
    assert "chmod 600" in shown(office)["fetching"]["trouble"]
    monkeypatch.setenv("REPLICATOR_PASSWORD", SECRET)
    assert shown(office)["fetching"]["secret_from"] == "REPLICATOR_PASSWORD"


def test_one_password_does_for_one_user_but_goes_to_no_other_one(office: Place, memory: MemoryKeyring) -> None:
    memory.entries["replicator", "office@example.com@imap.example.com:993"] = SECRET
    servers(office)
    assert shown(office)["sending"]["secret_from"] is None
    office.done("account", "set", "--send", SMTP)
    assert shown(office)["sending"]["secret_from"] == "keyring"


def test_show_warns_of_plain_text_and_tells_the_providers_hint(office: Place) -> None:
    told = office.done("account", "set", "--mailbox", "imap://10.0.0.1?encryption=none", "--send", SMTP)
    assert "is not encrypted" in told.out
    assert "is not encrypted" in shown(office)["fetching"]["warning"]
    office.done("account", "set", "--address", "a@gmx.de", "--provider", "gmx")
    assert "has to be switched on" in shown(office)["hint"]
    assert "GMX" in office.done("account", "show").out


def test_a_folder_has_no_secret(office: Place) -> None:
    found = shown(office)
    assert (found["fetching"], found["sending"], found["provider"]) == (None, None, None)
    assert "none yet: replicator account set" not in office.done("account", "show").out


# --- asked for at a terminal ------------------------------------------------------------------------------------------


def at_a_terminal(place: Place, *arguments: str | Path, answers: str, environment: dict[str, str]) -> tuple[int, str]:
    """The command as a process whose terminal this test types at; how it ended, and all that the terminal showed."""
    pty = pytest.importorskip("pty")
    words = [*command(), "--home", str(place.home), *map(str, arguments)]
    paths = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])}
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(words[0], words, {**os.environ, **paths, **environment})
    output, typed = b"", False
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux tells the end of a terminal so
            break
        if not piece:
            break
        output += piece
        # The space comes once the terminal shows no more what is typed; what is typed before that is thrown away.
        if not typed and output.endswith(b": "):
            os.write(terminal, answers.encode())
            typed = True
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output.decode()


def test_the_password_is_asked_for_and_kept_in_the_keyring(office: Place, tmp_path: Path) -> None:
    environment = {"PYTHON_KEYRING_BACKEND": "tests.keyrings.FileKeyring", "TEST_KEYRING": str(tmp_path / "keyring")}
    servers = ("--mailbox", IMAP, "--send", SMTP)
    code, told = at_a_terminal(office, "account", "set", *servers, answers=f"{SECRET}\n", environment=environment)
    assert code == 0, told
    assert "Password for office@example.com@imap.example.com:993:" in told
    assert told.count("is in the keyring") == 1
    assert SECRET not in told, "what is typed does not show"
    assert (tmp_path / "keyring").read_text() == f'{{"replicator office@example.com@imap.example.com:993": "{SECRET}"}}'
    # A further change has no need of it; the bare command asks anew.
    code, told = at_a_terminal(office, "account", "set", "--title", "x", answers="", environment=environment)
    assert (code, "Password" in told) == (0, False)
    code, told = at_a_terminal(office, "account", "set", answers="another\n", environment=environment)
    assert code == 0, told
    assert "another" in (tmp_path / "keyring").read_text()
    for file in office.home.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_a_machine_without_a_keyring_names_the_other_ways(office: Place) -> None:
    servers = ("--mailbox", IMAP, "--send", SMTP)
    code, told = at_a_terminal(office, "account", "set", *servers, answers="", environment=NO_KEYRING)
    assert code == 0
    assert "this machine has no keyring for it: set REPLICATOR_PASSWORD, or name a file of mode 0600" in " ".join(
        told.split()
    )


# --- a folder is tested, too ------------------------------------------------------------------------------------------


def test_a_folder_account_is_tested(office: Place) -> None:
    inbox = office.folder / "mail" / "office@example.com" / "new"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "letter.eml").write_bytes(b"Subject: Hello\r\n\r\nHow are you?\r\n")
    told = office.done("account", "test").out
    assert "it came back after" in told
    assert told.endswith("The account works.\n")
    assert [file.name for file in inbox.iterdir()] == ["letter.eml"]
    found = office.done("account", "test", "--json").json
    assert found["works"] is True
    assert [each["part"] for each in found["findings"]] == ["round trip", "round trip"]


def test_a_folder_that_is_away_fails_the_test(office: Place) -> None:
    office.done("account", "set", "--mailbox", f"folder:{office.folder}/nowhere/mail")
    result = office.call("account", "test")
    assert (result.code, result.err) == (1, "")
    assert result.out.startswith("NO  round trip")
    assert result.out.endswith("The account does not work yet: see the lines that begin with NO.\n")
    assert office.call("account", "test", "--json").json["works"] is False
