"""Keyrings for tests: one in memory, one that is locked, one in a file for other processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

_CHOSEN_ONLY = -1
"""Below that of `fail.Keyring`, 0, so that it is never taken by itself: where a machine has no keyring, the first look
decides for the whole process, and must not find these here."""


class MemoryKeyring(KeyringBackend):
    priority = _CHOSEN_ONLY

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


class LockedKeyring(KeyringBackend):
    """Says more than it should of what it was given."""

    priority = _CHOSEN_ONLY

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("locked")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked(f"cannot store {password}")

    def delete_password(self, service: str, username: str) -> None:
        raise KeyringLocked("locked")


class FileKeyring(KeyringBackend):
    """In the file that TEST_KEYRING names: {'service user': password}. For PYTHON_KEYRING_BACKEND."""

    priority = _CHOSEN_ONLY

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file().write_text(json.dumps({**self._entries(), f"{service} {username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        del entries[f"{service} {username}"]
        self._file().write_text(json.dumps(entries))

    def _file(self) -> Path:
        return Path(os.environ["TEST_KEYRING"])

    def _entries(self) -> dict[str, str]:
        return dict(json.loads(self._file().read_text())) if self._file().exists() else {}
