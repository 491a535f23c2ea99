"""Options that `account set`, `host-init` and `remote-init` share, and how a password is asked for."""

from __future__ import annotations

import sys
from typing import Annotated, TypeAlias

import typer
from pydantic import SecretStr

from replicator.cli.formats import say
from replicator.errors import ReplicatorError
from replicator.operations import account_admin
from replicator.store.home import Home
from replicator.transport.oauth import DeviceCode

SendUrl: TypeAlias = Annotated[
    str | None,
    typer.Option("--send", metavar="URL", help="Where mail is sent: smtps://USER@HOST; not needed with a folder."),
]
ProviderName: TypeAlias = Annotated[
    str | None,
    typer.Option("--provider", metavar="NAME", help="Take the servers of this provider: gmx, ionos, microsoft365, …"),
]
CaFile: TypeAlias = Annotated[
    str | None, typer.Option("--ca", metavar="FILE", help="Certificates (PEM) to trust, too: of a private CA.")
]
PasswordFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--password-file", metavar="FILE", help="A file of yours, mode 0600, that holds the password."),
]
Auth: TypeAlias = Annotated[
    str | None, typer.Option("--auth", metavar="WAY", help="How to log in: password or oauth2.")
]
ClientId: TypeAlias = Annotated[
    str | None, typer.Option("--oauth-client-id", metavar="ID", help="OAuth2: the id of the registered application.")
]
Authority: TypeAlias = Annotated[
    str | None, typer.Option("--oauth-authority", metavar="URL", help="OAuth2: who gives tokens, with the tenant.")
]
Unrecognised: TypeAlias = Annotated[
    str | None,
    typer.Option("--unrecognised", metavar="WAY", help="Mail that is not the replicator's: leave, move or forward it."),
]
UnrecognisedFolder: TypeAlias = Annotated[
    str | None, typer.Option("--unrecognised-folder", metavar="NAME", help="The folder that it is moved to.")
]
UnrecognisedTo: TypeAlias = Annotated[
    str | None, typer.Option("--unrecognised-to", metavar="ADDRESS", help="The address that it is forwarded to.")
]


def obtain_secret(home: Home, *, anew: bool, name: str = "") -> None:
    """At a terminal, ask for the account's password, or that of the further mailbox `name`, and keep it in the keyring,
    or let somebody sign in (OAuth2).

    `anew`: also where there is one. Without a terminal or a keyring, say how to give it. A folder needs none.
    """
    if account_admin.uses_oauth(home, name):
        if anew or not account_admin.has_tokens(home, name):
            _sign_in(home, name)
        return
    keys = account_admin.password_keys(home, name)
    if not keys or not (anew or account_admin.lacks_password(home, name)):
        return
    if not sys.stdin.isatty() or not account_admin.can_keep_passwords():
        where = "this machine has no keyring for it" if sys.stdin.isatty() else "there is no terminal to ask at"
        say(
            f"The password is still missing, and {where}: set {account_admin.password_variable(home, name)}, or name "
            f"a file of mode 0600 with 'replicator account set {f'{name} ' if name else ''}--password-file FILE'."
        )
        return
    for key in keys:
        secret = SecretStr(str(typer.prompt(f"Password for {key}", hide_input=True, err=True)))
        account_admin.keep_password(key, secret)
        say(f"The password for {key} is in the keyring.")


def after_set_up(home: Home, name: str = "") -> None:
    """Say what the provider wants, ask for the secret, and name the test. Nothing of it for a folder.

    The node stands already: trouble is told and doesn't end the command.
    """
    try:
        shown = account_admin.show_account(home, name)
        servers = [server for server in (shown.fetching, shown.sending) if server is not None]
        if not servers:
            return
        if shown.provider and shown.hint:
            say(f"{shown.provider}: {shown.hint}")
        for server in servers:
            if server.warning:
                say(server.warning)
        obtain_secret(home, anew=False, name=name)
    except ReplicatorError as error:
        say(f"The secret for the mail account is still missing: {str(error).rstrip('.')}.")
    say(f"Then try the mail account: replicator account test{' ' if name else ''}{name}")


def _sign_in(home: Home, name: str) -> None:
    who = account_admin.sign_in(home, _show, name)
    say(f"Signed in as {who}." if who else "Signed in.")
    shown = account_admin.show_account(home, name).fetching
    if who and shown is not None and who.casefold() != shown.user.casefold():
        say(f"The mailbox is {shown.user}'s: unless it is shared with {who}, sign in again, as its user.")


def _show(code: DeviceCode) -> None:
    """On stderr, as a question is: results alone go to stdout."""
    minutes = max(code.seconds // 60, 1)
    typer.echo(f"Open {code.page} in any browser and enter the code {code.code} within {minutes} minutes.", err=True)
