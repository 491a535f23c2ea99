"""Opening the node's database, with the password where one is needed.

A password comes from REPLICATOR_DATABASE_PASSWORD, from the file that replicator.toml names, or from the keyring, in
this order. Where there is none of these, the driver may know a way of its own (a password file of PostgreSQL's, a
socket that needs none).
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from replicator.config import Configuration
from replicator.databases import absolute_url, login_of, open_database
from replicator.databases.base import Database
from replicator.errors import ConfigurationError, WrongUse
from replicator.runtime import Runtime
from replicator.store import credentials
from replicator.store.home import Home

VARIABLE = "REPLICATOR_DATABASE_PASSWORD"

OTHER_WAYS = f"set {VARIABLE}, or name a file of mode 0600 as database_password_file in replicator.toml"


def open_of(configuration: Configuration, runtime: Runtime, *, create: bool = True) -> Database:
    """The node's database; nothing is opened yet. Raises ConfigurationError: URL, password file or keyring."""
    return open_database(configuration.database, runtime, create=create, password=_password(configuration))


def open_another(url: str, runtime: Runtime, password_file: Path | None) -> Database:
    """A database that is no node's, such as one to be filled; nothing is opened yet. The password is looked for in the
    file, in the keyring, and last in the environment, which has that of the node's own database.

    Raises ConfigurationError: URL, password file or keyring.
    """
    password = None
    if password_file is not None:
        password = credentials.read_password_file(password_file)
    elif (login := login_of(url)) is not None:
        found = os.environ.get(VARIABLE)
        try:
            password = _kept(login)
        except ConfigurationError:
            if not found:
                raise
        if password is None and found:
            password = SecretStr(found)
    return open_database(absolute_url(url), runtime, password=password)


def _password(configuration: Configuration) -> SecretStr | None:
    if configuration.database.startswith("sqlite"):
        return None
    if found := os.environ.get(VARIABLE):
        return SecretStr(found)
    if configuration.database_password_file:
        return credentials.read_password_file(Path(configuration.database_password_file))
    login = login_of(configuration.database)
    return None if login is None else _kept(login)


def _kept(login: str) -> SecretStr | None:
    """What the keyring has for it."""
    try:
        kept = credentials.find_password([login])
    except ConfigurationError:
        raise ConfigurationError(f"the keyring can't be used: unlock it, or {OTHER_WAYS}") from None
    return None if kept is None else kept.secret


def keyring_login(url: str) -> str | None:
    """The login that a password may be kept for in this machine's keyring; None: there is no login, or no keyring."""
    login = login_of(url)
    return login if login is not None and credentials.has_keyring() else None


def login_of_node(home: Home) -> str:
    """The login that a node's password is kept for. Raises WrongUse where it would not be asked for."""
    configuration = home.load_configuration()
    login = login_of(configuration.database)
    if login is None:
        raise WrongUse("the database of this node knows no user, and needs no password")
    if configuration.database_password_file:
        raise WrongUse(f"the password is read from {configuration.database_password_file}: write it there")
    return login


def keep_password(login: str, secret: SecretStr) -> None:
    """Put it into the keyring. Raises ConfigurationError where there is none."""
    credentials.store_password(login, secret)
