"""The password of the database's user: where it comes from, and that it appears nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import keyring
import pytest
from command_line import Place
from keyring.backends import fail

from replicator import databases
from replicator.databases import login_of, open_database
from replicator.errors import ConfigurationError
from replicator.operations.database_login import VARIABLE
from replicator.runtime import Runtime
from tests.keyrings import LockedKeyring, MemoryKeyring

PASSWORD = "hemlig-7d21/@:x"


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    kept = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(kept)


@pytest.fixture
def office(new_place: Callable[[str, str], Place], monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Its role has a password of its own; nothing tells it yet."""
    place = new_place("postgresql", "office")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PGPASSFILE", str(place.folder / "none"))
    _set_password(place, PASSWORD)
    yield place
    _set_password(place, "replicator")


def _set_password(place: Place, password: str) -> None:
    with closing(place.server.connect(place.database)) as administrator:  # type: ignore[attr-defined]
        administrator.execute(f"ALTER ROLE replicator PASSWORD '{password}'")


def file_with(folder: Path, password: str) -> Path:
    file = folder / "database-password"
    file.touch(mode=0o600)
    file.write_text(f"{password}\n")
    return file


def init(office: Place) -> list[str]:
    return ["host-init", *office.options, "--address", "office@example.com"]


def require_secret(office: Place, *texts: str) -> None:
    for text in texts:
        assert PASSWORD not in text
    for file in office.home.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_a_file(office: Place, tmp_path: Path) -> None:
    file = file_with(tmp_path, PASSWORD)
    done = office.done(*init(office), "--database-password-file", file)
    assert "set up" in done.out
    office.sql("CREATE TABLE things (id integer PRIMARY KEY)")
    told = [office.done("--verbose", "table", "list"), office.done("table", "add", "things"), office.call("host-run")]
    require_secret(office, done.out, *(each.out + each.err for each in told))
    file.write_text("another\n")
    refused = office.refused("status", code=1)
    assert "password authentication failed" in refused
    assert "another" not in refused
    file.chmod(0o644)
    assert "closed to all others" in office.refused("status")


def test_the_environment(office: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = office.refused(*init(office), code=1)
    assert "wants a password" in refused
    monkeypatch.setenv(VARIABLE, PASSWORD)
    office.done(*init(office))
    office.done("status")
    require_secret(office)


def test_the_keyring_after_a_question(office: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    asked: list[str] = []

    def ask(question: str, **_options: object) -> str:
        asked.append(question)
        return PASSWORD

    monkeypatch.setattr("typer.prompt", ask)
    assert "wants a password" in office.refused(*init(office), code=1)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    done = office.done(*init(office))
    login = f"postgresql://replicator@127.0.0.1:{office.server.port}/{office.database}"  # type: ignore[attr-defined]
    assert asked == [f"Password for {login}"]
    assert memory.entries == {("replicator", login): PASSWORD}
    office.done("status")
    require_secret(office, done.out)
    memory.entries["replicator", login] = "old"
    assert "password authentication failed" in office.refused("status", code=1)
    office.done("database", "password")
    office.done("status")
    keyring.set_keyring(LockedKeyring())
    assert "unlock it" in office.refused("status")


def test_a_database_without_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path, "office", capsys)
    place.database_file.touch()
    place.done("host-init", *place.options, "--address", "office@example.com")
    assert "needs no password" in place.refused("database", "password")


def test_a_password_in_the_url_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path, "office", capsys)
    for url in (f"postgresql://u:{PASSWORD}@host/shop", f"postgresql+psycopg://host/shop?password={PASSWORD}"):
        mailbox = ["--mailbox", f"folder:{tmp_path / 'mail'}"]
        refused = place.refused("host-init", "--database", url, "--address", "office@example.com", *mailbox)
        assert "must not hold a password" in refused
        assert PASSWORD not in refused


def test_a_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'replicator\[postgresql\]'"):
        open_database("postgresql://u@host/shop", Runtime())


def test_logins() -> None:
    assert login_of("sqlite:////a/b.db") is None
    assert login_of("postgresql://host/shop") is None
    assert login_of("postgresql+psycopg://u@Host.Example/shop") == "postgresql://u@host.example:5432/shop"
    assert login_of("postgresql://u@h:6543/") == "postgresql://u@h:6543/u"
