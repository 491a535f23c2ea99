"""A mail account made ready to be used: who logs in where, and where the secret for it comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from replicator.config import MailAccess
from replicator.runtime import Runtime
from replicator.store import credentials
from replicator.store.credentials import Password, TokenFile
from replicator.store.home import Home
from replicator.transport import Mailbox, open_mailbox
from replicator.transport.login import Login, PasswordLogin
from replicator.transport.oauth import OAuthLogin, OAuthSettings
from replicator.transport.urls import ServerUrl

TOKENS = "tokens"
"""The file of the home folder that keeps OAuth2 tokens; a further mailbox has one of its own."""


@dataclass(frozen=True, slots=True)
class AccountServer:
    """One of the account's servers, and who logs in there."""

    url: ServerUrl
    user: str
    keys: tuple[str, ...]
    """Of the keyring, in the order in which they are looked for."""

    @property
    def key(self) -> str:
        return self.keys[0]


def fetch_server(account: MailAccess) -> AccountServer | None:
    """Where mail is fetched; None: from a folder. Raises ConfigurationError."""
    if account.is_folder:
        return None
    url = ServerUrl.parse(account.mailbox)
    user = url.user or account.address
    return AccountServer(url, user, (credentials.keyring_key(user, url.host, url.port),))


def send_server(account: MailAccess) -> AccountServer | None:
    """Where mail is sent; None: into a folder. A password of its own comes before the one for fetching."""
    if account.send is None or account.send.startswith("folder:"):
        return None
    url = ServerUrl.parse(account.send)
    user = url.user or account.address
    key = credentials.keyring_key(user, url.host, url.port)
    fetch = fetch_server(account)
    # A password is never given to a server of another user.
    same = fetch is not None and fetch.user == user
    return AccountServer(url, user, (key, *fetch.keys) if fetch is not None and same else (key,))


def goes_to(account: MailAccess) -> str:
    """Which server takes what is sent by it, or which folder; whoever logs in there."""
    server = send_server(account)
    return f"{server.url.host}:{server.url.port}" if server is not None else account.send or account.mailbox


def open_account(account: MailAccess, home: Home, runtime: Runtime) -> Mailbox:
    """The account's mailbox; servers are connected, and secrets looked for, when it is first used.

    Raises ConfigurationError, and MailboxTrouble where a folder isn't there.
    """
    fetch, send = fetch_server(account), send_server(account)
    further = bool(account.name)
    if fetch is None and send is None:
        return open_mailbox(account.mailbox, account.address, runtime, further=further)
    return open_mailbox(
        account.mailbox,
        account.address,
        runtime,
        send=account.send,
        login=None if fetch is None else login_of(account, fetch, home),
        send_login=None if send is None else login_of(account, send, home),
        ca=account.ca,
        further=further,
    )


def make_folder(account: MailAccess, runtime: Runtime) -> None:
    """Make the folder of a further mailbox, where it is one: by it a run knows that the drive is there.

    Raises MailboxTrouble where its drive is not, and ConfigurationError.
    """
    if account.is_folder:
        open_mailbox(account.mailbox, account.address, runtime).close()


def login_of(account: MailAccess, server: AccountServer, home: Home) -> Login:
    """What logs in at the server; nothing is looked up before it is needed."""
    if account.auth == "oauth2":
        return OAuthLogin(server.user, oauth_settings(account), token_file(home, account))
    return PasswordLogin(server.user, lambda: _secret(account, server).get_secret_value())


def find_password(account: MailAccess, server: AccountServer) -> Password | None:
    """Raises ConfigurationError where a password file or the keyring can't be used."""
    file = Path(account.password_file) if account.password_file else None
    return credentials.find_password(server.keys, environment=environment_password(account), file=file)


def oauth_settings(account: MailAccess) -> OAuthSettings:
    return OAuthSettings(account.oauth_client_id or "", account.oauth_authority, account.ca)


def token_file(home: Home, account: MailAccess) -> TokenFile:
    return TokenFile(home.path / f"{TOKENS}{'-' if account.name else ''}{account.name}", home.files)


def password_variable(account: MailAccess) -> str:
    """The environment variable for its password."""
    return credentials.variable_of(account.name)


def environment_password(account: MailAccess) -> SecretStr | None:
    """Read here and not handed down, as most commands come to no mail server at all."""
    found = os.environ.get(password_variable(account))
    return SecretStr(found) if found else None


def _secret(account: MailAccess, server: AccountServer) -> SecretStr:
    file = Path(account.password_file) if account.password_file else None
    found = credentials.require_password(
        server.keys, environment=environment_password(account), file=file, mailbox=account.name
    )
    return found.secret
