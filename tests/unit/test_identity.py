"""The key file: its owner's only, and never shown."""

from __future__ import annotations

import base64
import logging
import stat
from pathlib import Path

import pytest
from nacl.public import PublicKey

from replicator.errors import ConfigurationError
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.identity import Identity, IdentityFile, new_private_key

SECRET = bytes(range(32))


def identity_file(folder: Path) -> IdentityFile:
    return IdentityFile(folder / "identity.key", Files(Runtime(), durable=False))


def fixed(data: bytes) -> Runtime:
    return Runtime(random=lambda count: data[:count])


def test_keys_come_back(tmp_path: Path) -> None:
    file = identity_file(tmp_path)
    host = Identity(new_private_key(Runtime()))
    file.write(host)
    assert file.read() == host
    station = Identity(new_private_key(Runtime()), new_private_key(Runtime()), PublicKey(host.public_key))
    file.write(station)
    assert file.read() == station
    enrolled = Identity(station.private_key, None, PublicKey(host.public_key), retired_key_id=SECRET[:8])
    file.write(enrolled)
    assert file.read() == enrolled
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_the_dice_make_the_key() -> None:
    assert bytes(new_private_key(fixed(SECRET))) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    file = identity_file(tmp_path)
    file.write(Identity(new_private_key(Runtime())))
    file.path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {file.path}"):
        file.read()


def test_missing_damaged_and_newer_files_are_told(tmp_path: Path) -> None:
    file = identity_file(tmp_path)
    with pytest.raises(ConfigurationError, match=r"is missing.*bring the file back from a backup"):
        file.read()
    for content in ("", "[]", '{"format": 1}', '{"format": 1, "secret": "AAAA"}', '{"format": 1, "secret": 5}'):
        file.path.write_text(content)
        file.path.chmod(0o600)
        with pytest.raises(ConfigurationError, match="is damaged"):
            file.read()
    file.path.write_text('{"format": 2, "secret": "?"}')
    with pytest.raises(ConfigurationError, match="newer version"):
        file.read()


def test_the_secret_is_neither_printed_nor_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = identity_file(tmp_path)
    key = new_private_key(fixed(SECRET))
    with caplog.at_level(logging.DEBUG):
        file.write(Identity(key, key, PublicKey(bytes(key.public_key))))
        shown = f"{file.read()} {file.read()!r} {caplog.text}"
    for form in (str(SECRET), SECRET.hex(), base64.b64encode(SECRET).decode()):
        assert form not in shown
