"""`account`: the node's mail account, and its further mailboxes."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

from replicator.cli.account_options import (
    Auth,
    Authority,
    CaFile,
    ClientId,
    PasswordFile,
    ProviderName,
    SendUrl,
    Unrecognised,
    UnrecognisedFolder,
    UnrecognisedTo,
    after_set_up,
    obtain_secret,
)
from replicator.cli.console import AsJson, print_json, print_record
from replicator.cli.formats import record, say
from replicator.cli.session import session_of
from replicator.operations import account_admin, account_check, account_mailboxes
from replicator.operations.account_admin import AccountChange, AccountShown, ServerShown
from replicator.operations.account_check import Finding
from replicator.operations.account_mailboxes import NewMailbox
from replicator.operations.account_options import LoginOptions, UnrecognisedOptions

app = typer.Typer(help="The mail account of this node.", no_args_is_help=True)

Mailbox: TypeAlias = Annotated[
    str | None,
    typer.Option("--mailbox", metavar="URL", help="Where mail is fetched: imaps://, pop3s:// or folder:"),
]
Address: TypeAlias = Annotated[
    str | None, typer.Option("--address", metavar="ADDRESS", help="The node's own e-mail address.")
]
Stations: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--station", metavar="STATION", help="At a host: send to this station by it; '' for all of them."),
]
OneOf: TypeAlias = Annotated[
    str, typer.Argument(metavar="[NAME]", show_default=False, help="A further mailbox; else the account's own.")
]


@app.command("set")
def set_(
    context: typer.Context,
    name: OneOf = "",
    address: Address = None,
    mailbox: Mailbox = None,
    send: SendUrl = None,
    title: Annotated[str | None, typer.Option("--title", help="A title for people.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Switch fetching and sending on or off.")
    ] = None,
    stations: Stations = None,
    provider: ProviderName = None,
    ca: CaFile = None,
    password_file: PasswordFile = None,
    auth: Auth = None,
    client_id: ClientId = None,
    authority: Authority = None,
    unrecognised: Unrecognised = None,
    unrecognised_folder: UnrecognisedFolder = None,
    unrecognised_to: UnrecognisedTo = None,
) -> None:
    """Change the mail account, or its password: that is asked for at a terminal and kept in the keyring."""
    session = session_of(context)
    home = session.node_home()
    change = AccountChange(
        address=address,
        mailbox=mailbox,
        send=send,
        title=title,
        enabled=enabled,
        stations=None if stations is None else tuple(stations),
        login=LoginOptions(provider, ca, password_file, auth, client_id, authority),
        unrecognised=UnrecognisedOptions(unrecognised, unrecognised_folder, unrecognised_to),
    )
    before = account_admin.show_account(home, name)
    after = before if change.is_empty else account_admin.set_account(home, session.runtime, change, name)
    if not change.is_empty:
        say(_one_line(after))
    if after.address != before.address and not name:
        _tell_of_address(before, after)
    for server in (after.fetching, after.sending):
        if server is not None and server.warning:
            say(server.warning)
    if change.is_empty or change.touches_login:
        obtain_secret(home, anew=change.is_empty or auth == "oauth2", name=name)


def _one_line(shown: AccountShown) -> str:
    off = "" if shown.enabled else ", switched off"
    sent = f"sent to {shown.send or 'the same'}" if shown.sends else "nothing is sent by it"
    only = f", for {', '.join(shown.stations)}" if shown.stations else ""
    return f"{shown.address}: fetched from {shown.mailbox}, {sent}{only}{off}"


def _tell_of_address(before: AccountShown, after: AccountShown) -> None:
    if after.section == "SERVER":
        say(f"The stations still write to {before.address}: let it forward, or invite them anew (station invite).")
    else:
        say(f"Tell the head office: replicator station set NAME --address {after.address}")


@app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it, such as stick.")],
    mailbox: Mailbox = None,
    send: SendUrl = None,
    address: Address = None,
    title: Annotated[str, typer.Option("--title", help="A title for people.")] = "",
    stations: Stations = None,
    provider: ProviderName = None,
    ca: CaFile = None,
    password_file: PasswordFile = None,
    auth: Auth = None,
    client_id: ClientId = None,
    authority: Authority = None,
) -> None:
    """Add a mailbox besides the account's own: what is sent goes by both. With --send '' it is only fetched from."""
    session = session_of(context)
    home = session.node_home()
    new = NewMailbox(
        name=name,
        mailbox=mailbox,
        send=send,
        address=address,
        title=title,
        stations=tuple(stations or ()),
        login=LoginOptions(provider, ca, password_file, auth, client_id, authority),
    )
    say(f"{name}: {_one_line(account_mailboxes.add_mailbox(home, session.runtime, new))}")
    after_set_up(home, name)


@app.command("remove")
def remove(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="A further mailbox.")]
) -> None:
    """Take a further mailbox away. Mail that still lies in it is not fetched any more."""
    account_mailboxes.remove_mailbox(session_of(context).node_home(), name)
    say(f"The mailbox {name} is removed from this node; what lies in it stays there.")


@app.command("show")
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the mail account and all further mailboxes, and where passwords come from; never a password."""
    shown = account_admin.show_account(session_of(context).node_home())
    if as_json:
        print_json(record(shown))
        return
    for number, each in enumerate([shown, *shown.further]):
        if number:
            say("")
        print_record({key: value for key, value in _record(each).items() if value is not None}, as_json=False)


def _record(shown: AccountShown) -> dict[str, Any]:
    return {
        "section": f"{shown.section}{'' if shown.enabled else ', switched off'}",
        "title": shown.title or None,
        "address": shown.address,
        "fetching": shown.mailbox if shown.fetching is None else _server(shown.fetching),
        "secret to fetch": _secret(shown.fetching, shown.name),
        "sending": _sending(shown),
        "secret to send": _secret(shown.sending, shown.name),
        "stations": ", ".join(shown.stations) or None,
        "logs in by": shown.auth if shown.fetching or shown.sending else None,
        "application": shown.oauth_client_id,
        "tokens from": shown.oauth_authority,
        "trusts, too": shown.ca,
        "unrecognised mail": None if shown.name else _unrecognised(shown),
        "provider": shown.provider,
        "it wants": shown.hint,
    }


def _unrecognised(shown: AccountShown) -> str:
    match shown.unrecognised:
        case "move":
            return f"is moved to the folder {shown.unrecognised_folder}"
        case "forward":
            return f"is forwarded to {shown.unrecognised_to} and deleted"
    return "is left in the mailbox"


def _sending(shown: AccountShown) -> str | None:
    if not shown.sends:
        return "nothing: only fetched from"
    return shown.send if shown.sending is None else _server(shown.sending)


def _server(server: ServerShown) -> str:
    plain = f" - {server.warning}" if server.warning else ""
    return f"{server.url} as {server.user} ({server.encryption}){plain}"


def _secret(server: ServerShown | None, name: str) -> str | None:
    if server is None:
        return None
    return server.trouble or server.secret_from or f"none yet: replicator account set{' ' if name else ''}{name}"


@app.command("test")
def try_(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only this further mailbox; else all, one after the other.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a mail to this account itself, fetch it and delete it, and say line by line what works."""
    session = session_of(context)
    home = session.node_home()
    found: list[Finding] = []
    works = account_check.check_account(home, session.runtime, found.append if as_json else _Teller(), name=name)
    if as_json:
        print_json({"works": works, "findings": record(found)})
    elif works:
        say("The account works.")
    else:
        say("The account does not work yet: see the lines that begin with NO.")
    if not works:
        raise typer.Exit(1)


class _Teller:
    """Prints a line for each finding, with a head where another mailbox begins."""

    def __init__(self) -> None:
        self._mailbox = ""

    def __call__(self, finding: Finding) -> None:
        if finding.mailbox != self._mailbox:
            self._mailbox = finding.mailbox
            say(f"The mailbox {finding.mailbox}:")
        mark = {True: "ok", False: "NO", None: ""}[finding.good]
        say(f"{mark:<4}{finding.part:<12}{finding.sentence}")


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="account")
