"""Where a password comes from, in which order, and that nothing shows it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from pydantic import SecretStr

from replicator.errors import ConfigurationError
from replicator.store import credentials
from replicator.store.credentials import Source, find_password, require_password, store_password
from tests.keyrings import LockedKeyring, MemoryKeyring

SECRET = "hemlig-7f3a"
FETCH, SEND = "office@example.com@imap.example.com:993", "office@example.com@smtp.example.com:465"


@pytest.fixture(autouse=True)
def before() -> Iterator[None]:
    """Whatever keyring this machine has stays untouched."""
    kept = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(kept)


def use(backend: KeyringBackend) -> None:
    keyring.set_keyring(backend)


@pytest.fixture
def memory() -> MemoryKeyring:
    backend = MemoryKeyring()
    use(backend)
    return backend


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def test_the_environment_comes_before_the_file_and_that_before_the_keyring(memory: MemoryKeyring, file: Path) -> None:
    store_password(FETCH, SecretStr("of the keyring"))
    found = find_password([FETCH], environment=SecretStr("of the environment"), file=file)
    assert found is not None
    assert (found.secret.get_secret_value(), found.source) == ("of the environment", Source.ENVIRONMENT)
    found = require_password([FETCH], file=file)
    assert (found.secret.get_secret_value(), found.source) == (SECRET, Source.FILE)
    found = require_password([FETCH])
    assert (found.secret.get_secret_value(), found.source) == ("of the keyring", Source.KEYRING)
    assert memory.entries == {("replicator", FETCH): "of the keyring"}


def test_sending_may_have_a_password_of_its_own(memory: MemoryKeyring) -> None:
    store_password(FETCH, SecretStr("for both"))
    assert require_password([SEND, FETCH]).secret.get_secret_value() == "for both"
    store_password(SEND, SecretStr("for sending"))
    assert require_password([SEND, FETCH]).secret.get_secret_value() == "for sending"
    assert require_password([FETCH]).secret.get_secret_value() == "for both"


def test_a_key_names_user_host_and_port() -> None:
    assert credentials.keyring_key("office@example.com", "IMAP.example.com", 993) == FETCH


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring()])
def test_a_machine_without_a_keyring_is_told_the_other_ways(backend: KeyringBackend) -> None:
    use(backend)
    assert find_password([FETCH]) is None
    for refused in (lambda: require_password([FETCH]), lambda: store_password(FETCH, SecretStr(SECRET))):
        with pytest.raises(ConfigurationError) as caught:
            refused()
        assert "REPLICATOR_PASSWORD" in str(caught.value)
        assert "--password-file" in str(caught.value)
        assert "account set'," not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_where_there_is_a_keyring_it_is_the_first_way(memory: MemoryKeyring) -> None:
    with pytest.raises(ConfigurationError, match="put it into the keyring with 'replicator account set', set REPL"):
        require_password([FETCH])


def test_a_locked_keyring_is_one_sentence_without_what_it_says() -> None:
    use(LockedKeyring())
    for refused in (lambda: find_password([FETCH]), lambda: store_password(FETCH, SecretStr(SECRET))):
        with pytest.raises(ConfigurationError) as caught:
            refused()
        assert str(caught.value).startswith("the keyring can't be used (KeyringLocked): unlock it, or set REPL")
        assert SECRET not in "".join(traceback.format_exception(caught.value))


# --- the file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"a b", "a b"),
        (b" a \r\n", " a "),
        ("\ufeffgr\u00fc\u00df\n".encode(), "grüß"),
    ],
)
def test_the_line_of_a_file_is_the_password(file: Path, content: bytes, password: str) -> None:
    file.write_bytes(content)
    assert require_password([FETCH], file=file).secret.get_secret_value() == password


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"hemlig-7f3a\nmore\n", b"hemlig-7f3a\0", b"hemlig-7f3a\xff", b"x" * 5000]
)
def test_other_content_is_refused_and_not_quoted(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="the password file") as caught:
        find_password([FETCH], file=file)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.skipif(os.name == "nt", reason="other rights there")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o700])
def test_a_file_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match="must be yours and closed to all others: 'chmod 600' it"):
        find_password([FETCH], file=file)
    file.chmod(0o400)
    assert find_password([FETCH], file=file) is not None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(file: Path) -> None:
    os.chown(file, 65534, 65534)
    with pytest.raises(ConfigurationError, match="must be yours"):
        find_password([FETCH], file=file)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the password file .*: it does not exist"):
        find_password([FETCH], file=tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match=r"cannot read the password file .*: a folder stands"):
        find_password([FETCH], file=tmp_path)
    with pytest.raises(ConfigurationError, match="is not a file"):
        find_password([FETCH], file=Path(os.devnull))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigurationError, match="is not a file"):
            find_password([FETCH], file=tmp_path / "pipe")


def test_nothing_that_is_printed_shows_a_password(file: Path) -> None:
    found = require_password([FETCH], file=file)
    for text in (repr(found), str(found), f"{found.secret!r} {found.secret}"):
        assert SECRET not in text
