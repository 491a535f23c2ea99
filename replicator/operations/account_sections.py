"""The mailboxes' sections of replicator.toml: the account's own, [SERVER] or [REMOTE], and [MAILBOX.NAME]."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

from replicator import config
from replicator.config import Configuration
from replicator.config_text import MAILBOX
from replicator.errors import StorageTrouble, WrongUse
from replicator.operations.database_login import open_of
from replicator.runtime import Runtime
from replicator.store import migrate, state
from replicator.store.home import Home
from replicator.types import Role

Content = dict[str, Any]
"""The keys of the file, or of a section."""


def title(configuration: Configuration, name: str) -> str:
    """What stands in the brackets; `name` is empty for the account's own mailbox."""
    return f"{MAILBOX}.{name}" if name else _own(configuration.role)


def content_of(configuration: Configuration) -> Content:
    found: Content = configuration.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def put(content: Content, name: str, section: Content) -> None:
    """Set a mailbox's section within a file's content."""
    if name:
        content.setdefault(MAILBOX, {})[name] = section
    else:
        content[_own(content["role"])] = section


def checked(content: Content, name: str) -> Configuration:
    """Raises ConfigurationError, and WrongUse where the mailbox `name` is another one's, too."""
    configuration = config.make(content)
    this = configuration.account_of(name)
    for other in configuration.accounts:
        if other.name != name and (other.mailbox, other.address) == (this.mailbox, this.address):
            which = f"mailbox {other.name}" if other.name else "account"
            raise WrongUse(f"the {which} fetches from there already: {this.mailbox}")
    return configuration


def require_stations(runtime: Runtime, configuration: Configuration, names: Iterable[str]) -> None:
    """Raises UnknownName for a name that no station has, DatabaseTrouble."""
    wanted = [name for name in names if name]
    if not wanted:
        return
    with (
        closing(open_of(configuration, runtime)) as database,
        database.transaction(write=False) as connection,
    ):
        migrate.check(connection)
        for name in wanted:
            state.find_peer(connection, name)


def write(home: Home, change: Callable[[str], str]) -> None:
    """`change` gets the file's text and gives the new one. Raises StorageTrouble."""
    data = home.files.read(home.configuration_file, config.FILE_LIMIT)
    if data is None:  # it was there a moment ago, under our lock
        raise StorageTrouble(f"cannot read {home.configuration_file}: it does not exist")
    home.files.write(home.configuration_file, change(data.decode("utf-8-sig")).encode())


def _own(role: str) -> str:
    return "SERVER" if role == Role.HOST else "REMOTE"
