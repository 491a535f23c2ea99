"""`account set` and `account show`: the mail account of a node, changed and told. No result holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from replicator import config, config_text
from replicator.config import Account, Configuration, Environment
from replicator.databases import open_database
from replicator.errors import ConfigurationError, StorageTrouble
from replicator.operations import account_login, account_options
from replicator.operations.account_login import AccountServer
from replicator.operations.account_options import AS_IT_IS, NOTHING, LoginOptions, UnrecognisedOptions
from replicator.operations.opening import require_own
from replicator.runtime import Runtime
from replicator.store import credentials, migrate, state
from replicator.store.credentials import Source
from replicator.store.home import Home
from replicator.transport import oauth
from replicator.transport.oauth import DeviceCode
from replicator.transport.providers import provider_of
from replicator.types import Role


@dataclass(frozen=True, slots=True)
class ServerShown:
    """One server of the account."""

    url: str
    user: str
    encryption: str
    secret_from: str | None
    """REPLICATOR_PASSWORD, password file, keyring, tokens; None: from nowhere."""
    trouble: str | None
    """Why the secret can't be had, in one sentence."""
    warning: str | None
    """Where the connection is not encrypted."""


@dataclass(frozen=True, slots=True)
class AccountShown:
    """The account, as its owner may see it on any screen."""

    section: str
    """SERVER or REMOTE."""
    title: str
    enabled: bool
    address: str
    mailbox: str
    send: str | None
    auth: str
    ca: str | None
    password_file: str | None
    oauth_client_id: str | None
    oauth_authority: str | None
    """None where no OAuth2 is used."""
    unrecognised: str
    """leave, move or forward."""
    unrecognised_folder: str
    unrecognised_to: str | None
    fetching: ServerShown | None
    """None: a folder."""
    sending: ServerShown | None
    provider: str | None
    hint: str | None
    """What the provider wants first."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What `account set` was given; None: stays. '' takes the sending server, a file or an id out."""

    address: str | None = None
    mailbox: str | None = None
    send: str | None = None
    title: str | None = None
    enabled: bool | None = None
    login: LoginOptions = NOTHING
    unrecognised: UnrecognisedOptions = AS_IT_IS

    @property
    def touches_login(self) -> bool:
        """Whether another password may be needed now."""
        return any((self.address, self.mailbox, self.send, self.login.provider, self.login.auth))

    @property
    def is_empty(self) -> bool:
        return self == AccountChange()


def set_account(home: Home, runtime: Runtime, change: AccountChange) -> AccountShown:
    """Change the account's section of replicator.toml; all else in the file stays as people wrote it.

    Raises ConfigurationError and WrongUse (a value that can't be; nothing is changed then), AlreadyRunning,
    DatabaseTrouble, StorageTrouble.
    """
    with home.lock():
        before = home.load_configuration()
        section = _section(before)
        content = before.model_dump(mode="json", by_alias=True, exclude_none=True)
        content[section] = _merged(before.account, change)
        after = config.make({key: value for key, value in content.items() if value is not None})
        if after.account.address != before.account.address:
            _readdress(home, runtime, after)
        keys = {key for key in Account.model_fields if getattr(after.account, key) != getattr(before.account, key)}
        if keys:
            text = config_text.changed_text(_text(home), after, section, keys)
            home.files.write(home.configuration_file, text.encode())
    return _shown(after, home)


def show_account(home: Home) -> AccountShown:
    """Raises ConfigurationError (no node here, a file that can't be used), StorageTrouble."""
    return _shown(home.load_configuration(), home)


def password_keys(home: Home) -> list[str]:
    """The keyring's keys for which `account set` asks a password, each 'user@host:port'; none where one isn't used.

    One for both servers where the same user logs in at both. Nothing is asked while REPLICATOR_PASSWORD or a password
    file is used, as that would come first anyway.
    """
    account = home.load_configuration().account
    if account.auth == "oauth2" or account.password_file or Environment().password is not None:
        return []
    fetch, send = account_login.fetch_server(account), account_login.send_server(account)
    servers = [server for server in (fetch, send) if server is not None]
    if fetch is not None and send is not None and fetch.key in send.keys:
        servers = [fetch]
    return list(dict.fromkeys(server.key for server in servers))


def lacks_password(home: Home) -> bool:
    """Whether some server's password is nowhere to be found. Raises ConfigurationError."""
    account = home.load_configuration().account
    if account.auth == "oauth2":
        return False
    servers = (account_login.fetch_server(account), account_login.send_server(account))
    return any(server is not None and account_login.find_password(account, server) is None for server in servers)


def keep_password(key: str, secret: SecretStr) -> None:
    """Put a password into the keyring. Raises ConfigurationError, which names the other ways, where there is none."""
    credentials.store_password(key, secret)


def can_keep_passwords() -> bool:
    """Whether this machine has a keyring. Raises ConfigurationError where it is there and can't be used."""
    return credentials.has_keyring()


def uses_oauth(home: Home) -> bool:
    return home.load_configuration().account.auth == "oauth2"


def has_tokens(home: Home) -> bool:
    """Whether somebody has signed in. Raises StorageTrouble."""
    return account_login.token_file(home).load() is not None


def sign_in(home: Home, show: Callable[[DeviceCode], None]) -> str:
    """The device flow of OAuth2: `show` tells a person the page and the code. Gives who signed in.

    Raises LoginRefused, NotTrusted, Unreachable, TryLater, ConfigurationError, StorageTrouble.
    """
    account = home.load_configuration().account
    return oauth.sign_in(account_login.oauth_settings(account), account_login.token_file(home), show)


# --- changing -----------------------------------------------------------------------------------------------------


def _section(configuration: Configuration) -> str:
    return "SERVER" if configuration.role is Role.HOST else "REMOTE"


def _merged(account: Account, change: AccountChange) -> dict[str, Any]:
    content: dict[str, Any] = account.model_dump(mode="json")
    address = change.address or account.address
    if change.login.provider:
        content |= account_options.provider_servers(change.login.provider, address)
    content |= account_options.login_keys(change.login)
    content |= account_options.unrecognised_keys(change.unrecognised)
    content["address"] = address
    if change.mailbox is not None:
        content["mailbox"] = account_options.mailbox_url(change.mailbox)
        if change.mailbox.startswith(account_options.FOLDER) and change.send is None:
            content["send"] = None  # a folder is fetched from and sent to
    if change.send is not None:
        content["send"] = account_options.send_url(change.send) or None
    for key in ("title", "enabled"):
        if (value := getattr(change, key)) is not None:
            content[key] = value
    return {key: value for key, value in content.items() if value is not None}


def _readdress(home: Home, runtime: Runtime, configuration: Configuration) -> None:
    """The address that our mails come from stands in the database, too: in its row of this node."""
    with closing(open_database(configuration.database, runtime)) as database, database.transaction() as connection:
        migrate.check(connection)
        node = state.load_node(connection)
        require_own(node, configuration, home)
        node.address = configuration.account.address
        state.save_node(connection, node)


def _text(home: Home) -> str:
    data = home.files.read(home.configuration_file, config.FILE_LIMIT)
    if data is None:  # it was there a moment ago, under our lock
        raise StorageTrouble(f"cannot read {home.configuration_file}: it does not exist")
    return data.decode("utf-8-sig")


# --- telling ------------------------------------------------------------------------------------------------------


def _shown(configuration: Configuration, home: Home) -> AccountShown:
    account = configuration.account
    fetch, send = account_login.fetch_server(account), account_login.send_server(account)
    provider = provider_of(account.address) if fetch is not None else None
    return AccountShown(
        section=_section(configuration),
        title=account.title,
        enabled=account.enabled,
        address=account.address,
        mailbox=account.mailbox,
        send=account.send,
        auth=account.auth,
        ca=account.ca,
        password_file=account.password_file,
        oauth_client_id=account.oauth_client_id,
        oauth_authority=account.oauth_authority if account.auth == "oauth2" else None,
        unrecognised=account.unrecognised,
        unrecognised_folder=account.unrecognised_folder,
        unrecognised_to=account.unrecognised_to,
        fetching=None if fetch is None else _server(account, fetch, home),
        sending=None if send is None else _server(account, send, home),
        provider=provider.title if provider else None,
        hint=provider.hint if provider else None,
    )


def _server(account: Account, server: AccountServer, home: Home) -> ServerShown:
    source, trouble = None, None
    try:
        source = _secret_from(account, server, home)
    except (ConfigurationError, StorageTrouble) as error:
        trouble = str(error)
    return ServerShown(
        url=str(server.url),
        user=server.user,
        encryption=str(server.url.encryption),
        secret_from=source,
        trouble=trouble,
        warning=server.url.warning,
    )


def _secret_from(account: Account, server: AccountServer, home: Home) -> str | None:
    if account.auth == "oauth2":
        return f"tokens in {home.path / account_login.TOKENS}" if account_login.token_file(home).load() else None
    found = account_login.find_password(account, server)
    if found is None:
        return None
    return f"{found.source} {account.password_file}" if found.source is Source.FILE else str(found.source)
