"""`account add` and `account remove`: further mailboxes of a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replicator import config_text
from replicator.config_values import checked_mailbox_name
from replicator.errors import StorageTrouble, WrongUse, os_reason
from replicator.operations import account_admin, account_login, account_options, account_sections
from replicator.operations.account_admin import AccountShown
from replicator.operations.account_options import NOTHING, LoginOptions
from replicator.runtime import Runtime
from replicator.store.home import Home


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """What `account add` was given; None: not given."""

    name: str
    mailbox: str | None = None
    """By the table of providers where it is not given."""
    send: str | None = None
    """'': mail is only fetched."""
    address: str | None = None
    title: str = ""
    stations: tuple[str, ...] = ()
    login: LoginOptions = NOTHING


def add_mailbox(home: Home, runtime: Runtime, new: NewMailbox) -> AccountShown:
    """Give the node one more mailbox: a section more in replicator.toml. Its folder is made.

    What no station has acknowledged yet goes by it with the next run. Raises WrongUse, UnknownName and
    ConfigurationError (nothing is changed then), MailboxTrouble where the folder's drive isn't there, AlreadyRunning,
    DatabaseTrouble, StorageTrouble.
    """
    with home.lock():
        before = home.load_configuration()
        _require_new(new.name, set(before.further))
        content = account_sections.content_of(before)
        account_sections.put(content, new.name, _section(new, before.account.address))
        after = account_sections.checked(content, new.name)
        account_sections.require_stations(runtime, after, new.stations)
        account_login.make_folder(after.account_of(new.name), runtime)
        account_sections.write(home, lambda text: config_text.added_text(text, after, new.name))
    return account_admin.show_account(home, new.name)


def remove_mailbox(home: Home, name: str) -> None:
    """Take a further mailbox out of replicator.toml. What lies in it stays there, and what waits for it goes by the
    others, as it did before.

    Raises UnknownName, AlreadyRunning, StorageTrouble.
    """
    with home.lock():
        before = home.load_configuration()
        account = before.account_of(name)
        after = before.model_copy(update={"further": {key: box for key, box in before.further.items() if key != name}})
        account_sections.write(home, lambda text: config_text.removed_text(text, after, name))
        tokens = account_login.token_file(home, account).path
        try:
            tokens.unlink(missing_ok=True)
        except OSError as error:
            raise StorageTrouble(f"cannot remove {tokens}: {os_reason(error)}") from error


def _require_new(name: str, there: set[str]) -> None:
    try:
        checked_mailbox_name(name)
    except ValueError as error:
        raise WrongUse(str(error)) from None
    if name in there:
        raise WrongUse(f"there is a mailbox '{name}' already; change it with: replicator account set {name}")


def _section(new: NewMailbox, own_address: str) -> dict[str, Any]:
    content = account_options.servers(new.address or own_address, new.mailbox, new.send, new.login)
    content |= {key: value for key, value in account_options.login_keys(new.login).items() if value is not None}
    if new.address:
        content["address"] = new.address
    if new.title:
        content["title"] = new.title
    stations = [station for station in new.stations if station]
    if stations:
        content["stations"] = stations
    return content
