"""The password of the database's user: where it comes from, and that it appears nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import keyring
import pytest
from command_line import Place
from keyring.backends import fail

from replicator import databases
from replicator.databases import login_of, open_database
from replicator.errors import ConfigurationError
from replicator.operations.database_login import VARIABLE, open_another
from replicator.runtime import Runtime
from tests.keyrings import LockedKeyring, MemoryKeyring

PASSWORD = "hemlig-7d21/@:xÄ€"
REFUSALS = {"postgresql": "password authentication failed", "mariadb": "refuses the log-in"}


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    kept = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(kept)


@pytest.fixture(params=["postgresql", "mariadb"])
def office(
    request: pytest.FixtureRequest, new_place: Callable[[str, str], Place], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Its user has a password of its own; nothing tells it yet."""
    place: Any = new_place(request.param, "office")
    place.kind = request.param
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.delenv("MYSQL_PWD", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PGPASSFILE", str(place.folder / "none"))
    _set_password(place, PASSWORD)
    yield place
    _set_password(place, "replicator")


def _set_password(place: Any, password: str) -> None:
    with closing(place.server.connect(place.database)) as administrator:
        if place.kind == "postgresql":
            administrator.execute(f"ALTER ROLE replicator PASSWORD '{password}'")
        else:
            administrator.query(f"ALTER USER replicator@'127.0.0.1' IDENTIFIED BY '{password}'")


def file_with(folder: Path, password: str) -> Path:
    file = folder / "database-password"
    file.touch(mode=0o600)
    file.write_text(f"{password}\n")
    return file


def init(office: Any) -> list[str]:
    return ["host-init", *office.options, "--address", "office@example.com"]


def require_secret(office: Any, *texts: str) -> None:
    for text in texts:
        assert PASSWORD not in text
    for file in office.home.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file


def test_a_file(office: Any, tmp_path: Path) -> None:
    file = file_with(tmp_path, PASSWORD)
    done = office.done(*init(office), "--database-password-file", file)
    assert "set up" in done.out
    office.sql("CREATE TABLE things (id integer PRIMARY KEY)")
    told = [office.done("--verbose", "table", "list"), office.done("table", "add", "things"), office.call("host-run")]
    require_secret(office, done.out, *(each.out + each.err for each in told))
    file.write_text("another\n")
    refused = office.refused("status", code=1)
    assert REFUSALS[office.kind] in refused
    assert "another" not in refused
    file.chmod(0o644)
    assert "closed to all others" in office.refused("status")


def test_the_environment(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = office.refused(*init(office), code=1)
    assert "wants a password" in refused
    monkeypatch.setenv(VARIABLE, PASSWORD)
    office.done(*init(office))
    office.done("status")
    require_secret(office)


def test_the_keyring_after_a_question(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
    login = databases.login_of(office.options[1])
    assert login is not None
    assert login.startswith(f"{office.kind}://replicator@127.0.0.1:")
    assert asked == [f"Password for {login}"]
    assert memory.entries == {("replicator", login): PASSWORD}
    office.done("status")
    require_secret(office, done.out)
    memory.entries["replicator", login] = "old"
    assert REFUSALS[office.kind] in office.refused("status", code=1)
    office.done("database", "password")
    office.done("status")
    keyring.set_keyring(LockedKeyring())
    assert "unlock it" in office.refused("status")


def test_another_database_takes_the_environment_where_the_keyring_is_locked(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.set_keyring(LockedKeyring())
    url = office.options[1]
    with pytest.raises(ConfigurationError, match="unlock it"):
        open_another(url, Runtime(), None)
    monkeypatch.setenv(VARIABLE, PASSWORD)
    with closing(open_another(url, Runtime(), None)) as database, database.transaction() as connection:
        assert database.table_names(connection) == []


def test_a_database_without_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path, "office", capsys)
    place.database_file.touch()
    place.done("host-init", *place.options, "--address", "office@example.com")
    assert "needs no password" in place.refused("database", "password")


def test_a_password_in_the_url_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path, "office", capsys)
    for url in (
        f"postgresql://u:{PASSWORD}@host/shop",
        f"postgresql+psycopg://host/shop?password={PASSWORD}",
        f"mariadb://u:{PASSWORD}@host/shop",
        f"mariadb://u@host/shop?passwd={PASSWORD}",
    ):
        mailbox = ["--mailbox", f"folder:{tmp_path / 'mail'}"]
        refused = place.refused("host-init", "--database", url, "--address", "office@example.com", *mailbox)
        assert "must not hold a password" in refused
        assert PASSWORD not in refused


def test_a_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "find_spec", lambda _name: None)
    for name in ("postgresql", "mariadb"):
        with pytest.raises(ConfigurationError, match=rf"pip install 'replicator\[{name}\]'"):
            open_database(f"{name}://u@host/shop", Runtime())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u@host/shop", "MySQL is another database.*write mariadb://USER@HOST/DATABASE"),
        ("mysql+pymysql://u@host/shop", "MySQL is another database"),
        ("mariadb+mysqldb://u@host/shop", "write mariadb://USER@HOST/DATABASE, not mariadb\\+mysqldb"),
        ("mariadb://u@host", "names no database"),
        ("mariadb://u@host/shop?tls=yes", "option tls, which isn't known: take one of .*ssl_ca"),
        ("mariadb://u@host/shop?connect_timeout=soon", "options of the database URL can't be used"),
        ("oracle://u@host/shop", "oracle isn't supported: use one of mariadb, postgresql, sqlite"),
    ],
)
def test_urls_that_are_refused(url: str, words: str) -> None:
    pytest.importorskip("pymysql")
    with pytest.raises(ConfigurationError, match=words):
        open_database(url, Runtime())


@pytest.mark.usefixtures("mariadb_server")
def test_what_a_newcomer_meets_at_mariadb(new_place: Callable[[str, str], Place], mariadb_server: Any) -> None:
    place: Any = new_place("mariadb", "office")
    port = mariadb_server.port
    for where, code, words in (
        (f"127.0.0.1:{port}/nosuch", 1, "may not use the database nosuch on"),
        (f"127.0.0.1:{port}/test%20nosuch", 1, "There is no test nosuch on"),
        ("127.0.0.1:1/shop", 1, "There is no connection to shop on 127.0.0.1:1"),
        (f"127.0.0.1:{port}/test%20x?ssl_ca=/nosuch", 2, "options of the database URL can't be used"),
    ):
        options = ["--database", f"mariadb://replicator@{where}", *place.options[2:]]
        told = place.refused("host-init", *options, "--address", "office@example.com", code=code)
        assert words in told


def test_logins() -> None:
    assert login_of("sqlite:////a/b.db") is None
    assert login_of("postgresql://host/shop") is None
    assert login_of("postgresql+psycopg://u@Host.Example/shop") == "postgresql://u@host.example:5432/shop"
    assert login_of("mariadb+pymysql://u@Host.Example/shop") == "mariadb://u@host.example:3306/shop"
    assert login_of("postgresql://u@h:6543/") == "postgresql://u@h:6543/u"
