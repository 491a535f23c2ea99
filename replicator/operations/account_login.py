"""A mail account made ready to be used: who logs in where, and where the secret for it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from replicator.config import Account, Environment
from replicator.runtime import Runtime
from replicator.store import credentials
from replicator.store.credentials import Password, TokenFile
from replicator.store.home import Home
from replicator.transport import Mailbox, open_mailbox
from replicator.transport.login import Login, PasswordLogin
from replicator.transport.oauth import OAuthLogin, OAuthSettings
from replicator.transport.urls import ServerUrl

TOKENS = "tokens"
"""The file of the home folder that keeps OAuth2 tokens."""


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


def fetch_server(account: Account) -> AccountServer | None:
    """Where mail is fetched; None: from a folder. Raises ConfigurationError."""
    if account.mailbox.startswith("folder:"):
        return None
    url = ServerUrl.parse(account.mailbox)
    user = url.user or account.address
    return AccountServer(url, user, (credentials.keyring_key(user, url.host, url.port),))


def send_server(account: Account) -> AccountServer | None:
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


def open_account(account: Account, home: Home, runtime: Runtime) -> Mailbox:
    """The account's mailbox; servers are connected, and secrets looked for, when it is first used.

    Raises ConfigurationError, and MailboxTrouble where a folder isn't there.
    """
    fetch, send = fetch_server(account), send_server(account)
    if fetch is None and send is None:
        return open_mailbox(account.mailbox, account.address, runtime)
    return open_mailbox(
        account.mailbox,
        account.address,
        runtime,
        send=account.send,
        login=None if fetch is None else login_of(account, fetch, home),
        send_login=None if send is None else login_of(account, send, home),
        ca=account.ca,
    )


def login_of(account: Account, server: AccountServer, home: Home) -> Login:
    """What logs in at the server; nothing is looked up before it is needed."""
    if account.auth == "oauth2":
        return OAuthLogin(server.user, oauth_settings(account), token_file(home))
    return PasswordLogin(server.user, lambda: _secret(account, server).get_secret_value())


def find_password(account: Account, server: AccountServer) -> Password | None:
    """Raises ConfigurationError where a password file or the keyring can't be used."""
    file = Path(account.password_file) if account.password_file else None
    return credentials.find_password(server.keys, environment=Environment().password, file=file)


def oauth_settings(account: Account) -> OAuthSettings:
    return OAuthSettings(account.oauth_client_id or "", account.oauth_authority, account.ca)


def token_file(home: Home) -> TokenFile:
    return TokenFile(home.path / TOKENS, home.files)


def _secret(account: Account, server: AccountServer) -> SecretStr:
    # The environment is read here and not handed down, as most commands come to no mail server at all.
    file = Path(account.password_file) if account.password_file else None
    return credentials.require_password(server.keys, environment=Environment().password, file=file).secret
