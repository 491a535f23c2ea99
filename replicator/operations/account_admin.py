"""`account set` and `account show`: the mail account of a node, changed and told. No result holds a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from replicator import config_text
from replicator.config import Configuration, MailAccess
from replicator.errors import ConfigurationError, StorageTrouble, WrongUse
from replicator.operations import account_facts, account_login, account_options, account_sections
from replicator.operations.account_login import AccountServer
from replicator.operations.account_options import AS_IT_IS, NOTHING, LoginOptions, UnrecognisedOptions
from replicator.runtime import Runtime
from replicator.store import credentials
from replicator.store.credentials import Source
from replicator.store.home import Home
from replicator.transport import oauth
from replicator.transport.oauth import DeviceCode
from replicator.transport.providers import provider_of


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
    """SERVER, REMOTE or MAILBOX.NAME."""
    name: str
    """Of a further mailbox; empty: the account's own."""
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
    unrecognised: str | None
    """leave, move or forward; None for a further mailbox, as it is set for all together."""
    unrecognised_folder: str | None
    unrecognised_to: str | None
    fetching: ServerShown | None
    """None: a folder."""
    sending: ServerShown | None
    provider: str | None
    hint: str | None
    """What the provider wants first."""
    sends: bool
    """False: it is only fetched from."""
    stations: list[str]
    """At a host: whom it serves; empty: everybody."""
    further: list[AccountShown]
    """With the account's own mailbox: all others."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What `account set` was given; None: stays. '' takes the sending server, a file or an id out."""

    address: str | None = None
    mailbox: str | None = None
    send: str | None = None
    title: str | None = None
    enabled: bool | None = None
    stations: tuple[str, ...] | None = None
    """Names; an empty one stands for nobody in particular."""
    login: LoginOptions = NOTHING
    unrecognised: UnrecognisedOptions = AS_IT_IS

    @property
    def touches_login(self) -> bool:
        """Whether another password may be needed now."""
        return any((self.address, self.mailbox, self.send, self.login.provider, self.login.auth))

    @property
    def is_empty(self) -> bool:
        return self == AccountChange()


def set_account(home: Home, runtime: Runtime, change: AccountChange, name: str = "") -> AccountShown:
    """Change the section of the account, or of the further mailbox `name`, in replicator.toml; all else in the file
    stays as people wrote it. A further mailbox's folder is made where it is given.

    Raises ConfigurationError, UnknownName and WrongUse (a value that can't be; nothing is changed then),
    AlreadyRunning, DatabaseTrouble, StorageTrouble, MailboxTrouble where a folder can't be made.
    """
    with home.lock():
        before = home.load_configuration()
        account = before.account_of(name)
        if name and change.unrecognised != AS_IT_IS:
            raise WrongUse(f"what becomes of other mail is set for all mailboxes together: leave '{name}' out")
        content = account_sections.content_of(before)
        written = before.further[name] if name else before.account
        account_sections.put(content, name, _merged(written, change, account.address))
        after = account_sections.checked(content, name)
        account_sections.require_stations(runtime, after, change.stations or ())
        if name and change.mailbox is not None:
            account_login.make_folder(after.account_of(name), runtime)
        if after.account.address != before.account.address:
            account_facts.readdress(home, runtime, after)
        if account_login.goes_to(after.account_of(name)) != account_login.goes_to(account):
            account_facts.forget_size(home, runtime, after, name)
        changed = after.further[name] if name else after.account
        keys = {key for key in type(changed).model_fields if getattr(changed, key) != getattr(written, key)}
        if keys:
            account_sections.write(
                home, lambda text: config_text.changed_text(text, after, account_sections.title(after, name), keys)
            )
    return _shown(after, home, name)


def show_account(home: Home, name: str = "") -> AccountShown:
    """Raises ConfigurationError (no node here, a file that can't be used), UnknownName, StorageTrouble."""
    return _shown(home.load_configuration(), home, name)


def password_keys(home: Home, name: str = "") -> list[str]:
    """The keyring's keys for which `account set` asks a password, each 'user@host:port'; none where one isn't used.

    One for both servers where the same user logs in at both. Nothing is asked while REPLICATOR_PASSWORD or a password
    file is used, as that would come first anyway.
    """
    account = home.load_configuration().account_of(name)
    if account.auth == "oauth2" or account.password_file or account_login.environment_password(account) is not None:
        return []
    fetch, send = account_login.fetch_server(account), account_login.send_server(account)
    servers = [server for server in (fetch, send) if server is not None]
    if fetch is not None and send is not None and fetch.key in send.keys:
        servers = [fetch]
    return list(dict.fromkeys(server.key for server in servers))


def password_variable(home: Home, name: str = "") -> str:
    """The environment variable that may hold its password."""
    return account_login.password_variable(home.load_configuration().account_of(name))


def lacks_password(home: Home, name: str = "") -> bool:
    """Whether some server's password is nowhere to be found. Raises ConfigurationError."""
    account = home.load_configuration().account_of(name)
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


def uses_oauth(home: Home, name: str = "") -> bool:
    return home.load_configuration().account_of(name).auth == "oauth2"


def has_tokens(home: Home, name: str = "") -> bool:
    """Whether somebody has signed in. Raises StorageTrouble."""
    return account_login.token_file(home, home.load_configuration().account_of(name)).load() is not None


def sign_in(home: Home, show: Callable[[DeviceCode], None], name: str = "") -> str:
    """The device flow of OAuth2: `show` tells a person the page and the code. Gives who signed in.

    Raises LoginRefused, NotTrusted, Unreachable, TryLater, ConfigurationError, StorageTrouble.
    """
    account = home.load_configuration().account_of(name)
    return oauth.sign_in(account_login.oauth_settings(account), account_login.token_file(home, account), show)


# --- changing -----------------------------------------------------------------------------------------------------


def _merged(account: MailAccess, change: AccountChange, address: str) -> dict[str, Any]:
    """`address`: of the mailbox as it is now, by which a provider's servers are found."""
    content: dict[str, Any] = account.model_dump(mode="json")
    if change.login.provider:
        content |= account_options.provider_servers(change.login.provider, change.address or address)
    content |= account_options.login_keys(change.login)
    content |= account_options.unrecognised_keys(change.unrecognised)
    if change.address is not None:
        content["address"] = change.address
    if change.stations is not None:
        content["stations"] = [station for station in change.stations if station]
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


# --- telling ------------------------------------------------------------------------------------------------------


def _shown(configuration: Configuration, home: Home, name: str) -> AccountShown:
    account, own = configuration.account_of(name), None if name else configuration.account
    fetch, send = account_login.fetch_server(account), account_login.send_server(account)
    provider = provider_of(account.address) if fetch is not None else None
    return AccountShown(
        section=account_sections.title(configuration, name),
        name=name,
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
        unrecognised=own.unrecognised if own else None,
        unrecognised_folder=own.unrecognised_folder if own else None,
        unrecognised_to=own.unrecognised_to if own else None,
        fetching=None if fetch is None else _server(account, fetch, home),
        sending=None if send is None else _server(account, send, home),
        provider=provider.title if provider else None,
        hint=provider.hint if provider else None,
        sends=account.sends,
        stations=list(account.stations),
        further=[] if name else [_shown(configuration, home, each) for each in configuration.further],
    )


def _server(account: MailAccess, server: AccountServer, home: Home) -> ServerShown:
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


def _secret_from(account: MailAccess, server: AccountServer, home: Home) -> str | None:
    if account.auth == "oauth2":
        file = account_login.token_file(home, account)
        return f"tokens in {file.path}" if file.load() else None
    found = account_login.find_password(account, server)
    if found is None:
        return None
    if found.source is Source.ENVIRONMENT:
        return account_login.password_variable(account)
    return f"{found.source} {account.password_file}" if found.source is Source.FILE else str(found.source)
