"""Where the password of a mail account comes from: REPLICATOR_PASSWORD, a file of the user's own, or the keyring.

In this order. A password is looked for at the moment it is needed and handed on as a SecretStr, so that no repr, log
or traceback shows it; no sentence of ours quotes one, nor what a keyring says of its troubles.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr

from replicator.errors import ConfigurationError, os_reason
from replicator.store.files import Files

SERVICE = "replicator"
"""The keyring's name for us: entries are (service, 'user@host:port')."""

PASSWORD_LIMIT = 4096
"""Bytes of a password file; a longer one is something else."""

TOKENS_LIMIT = 1_000_000
"""Bytes of the file with OAuth2 tokens that are read at most."""

VARIABLE = "REPLICATOR_PASSWORD"
"""The environment's; that of a further mailbox is named after it."""


def variable_of(mailbox: str) -> str:
    """`mailbox`: a further one, whose server must never get another one's password; empty: the account's own."""
    return f"{VARIABLE}{'_' if mailbox else ''}{mailbox.upper().replace('-', '_')}"


def _other_ways(mailbox: str = "") -> str:
    command = f"replicator account set{' ' if mailbox else ''}{mailbox}"
    return f"set {variable_of(mailbox)}, or name a file of mode 0600 with '{command} --password-file FILE'"


_OTHER_WAYS = _other_ways()


class Source(StrEnum):
    """Where a password was found; what `account show` says."""

    ENVIRONMENT = "REPLICATOR_PASSWORD"
    FILE = "password file"
    KEYRING = "keyring"


@dataclass(frozen=True, slots=True)
class Password:
    """A password that was found; printed, it shows as stars."""

    secret: SecretStr
    source: Source


def keyring_key(user: str, host: str, port: int) -> str:
    """How the keyring names a login: 'office@example.com@imap.example.com:993'."""
    return f"{user}@{host.lower()}:{port}"


def find_password(
    keys: Sequence[str], *, environment: SecretStr | None = None, file: Path | None = None
) -> Password | None:
    """The password for a login, or None where there is none. The first of the keyring's `keys` that has one counts.

    Raises ConfigurationError: a password file that others may read or that can't be read, a keyring that is locked.
    A machine without a keyring is no error here: there is just nothing in it.
    """
    if environment is not None:
        return Password(environment, Source.ENVIRONMENT)
    if file is not None:
        return Password(read_password_file(file), Source.FILE)
    for key in keys:
        if (found := _from_keyring(key)) is not None:
            return Password(found, Source.KEYRING)
    return None


def require_password(
    keys: Sequence[str], *, environment: SecretStr | None = None, file: Path | None = None, mailbox: str = ""
) -> Password:
    """As `find_password`; where there is none, a ConfigurationError names the ways to give one to this mailbox."""
    found = find_password(keys, environment=environment, file=file)
    if found is None:
        ways = _other_ways(mailbox)
        if has_keyring():
            command = f"replicator account set{' ' if mailbox else ''}{mailbox}"
            ways = f"put it into the keyring with '{command}', {ways}"
        raise ConfigurationError(f"there is no password for {keys[0]}: {ways}")
    return found


# --- a file -------------------------------------------------------------------------------------------------------


def read_password_file(path: Path) -> SecretStr:
    """The one line of the file. Raises ConfigurationError unless it is the user's own and closed to all others."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            _require_private(path, os.fstat(file.fileno()))
            data = file.read(PASSWORD_LIMIT + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read the password file {path}: {os_reason(error)}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"the password file {path} is not UTF-8 text; save it as such") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or len(data) > PASSWORD_LIMIT or "\n" in password or "\0" in password:
        raise ConfigurationError(f"the password file {path} must hold one line: the password, and nothing else")
    return SecretStr(password)


def _open_without_waiting(path: str, flags: int) -> int:
    """A pipe that nobody writes to would keep us for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"the password file {path} is not a file; name another with --password-file")
    if os.name == "nt":  # other rights there, and the user's folders are closed to others
        return
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o177:
        raise ConfigurationError(
            f"the password file {path} must be yours and closed to all others: 'chmod 600' it, as the user who runs us"
        )


# --- the keyring --------------------------------------------------------------------------------------------------


def has_keyring() -> bool:
    """Whether this machine has a keyring that takes passwords."""
    import keyring
    from keyring.backends import fail, null

    with _keyring_troubles():
        return not isinstance(keyring.get_keyring(), fail.Keyring | null.Keyring)


def store_password(key: str, secret: SecretStr) -> None:
    """Put it into the keyring, in place of what is there. Raises ConfigurationError where there is no keyring."""
    import keyring

    if not has_keyring():
        raise ConfigurationError(f"this machine has no keyring to put the password into: {_OTHER_WAYS}")
    with _keyring_troubles():
        keyring.set_password(SERVICE, key, secret.get_secret_value())


def _from_keyring(key: str) -> SecretStr | None:
    if not has_keyring():
        return None
    import keyring

    with _keyring_troubles():
        found = keyring.get_password(SERVICE, key)
    return SecretStr(found) if found else None


@contextmanager
def _keyring_troubles() -> Iterator[None]:
    # Imported where it is used: looking for backends takes a tenth of a second, which a folder needs not wait for.
    from keyring.errors import KeyringError

    try:
        yield
    except (KeyringError, RuntimeError, OSError) as error:
        # Without the cause: backends are strangers, and what they say may hold what they were given.
        raise ConfigurationError(
            f"the keyring can't be used ({type(error).__name__}): unlock it, or {_OTHER_WAYS}"
        ) from None


# --- OAuth2 -------------------------------------------------------------------------------------------------------


class TokenFile:
    """OAuth2 tokens in a file of the home folder, 0600: a keyring takes no text of their length everywhere.

    Both methods raise StorageTrouble.
    """

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files

    def load(self) -> str | None:
        """None where nobody has signed in yet. What is not UTF-8 comes as text that is no JSON."""
        data = self._files.read(self.path, TOKENS_LIMIT)
        return None if data is None else data.decode("utf-8", "replace")

    def save(self, text: str) -> None:
        self._files.write(self.path, text.encode())
