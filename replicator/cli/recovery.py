"""`restored`, `moved`, `copy`: what an operator tells a node after a disaster or a move."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.account_options import (
    Auth,
    Authority,
    CaFile,
    ClientId,
    PasswordFile,
    ProviderName,
    SendUrl,
    after_set_up,
)
from replicator.cli.console import AsJson, print_json
from replicator.cli.formats import key_text, record, say
from replicator.cli.passphrase import existing_passphrase
from replicator.cli.session import Session, session_of
from replicator.cli.setup import MailboxUrl, Title
from replicator.operations import copying, recovering
from replicator.operations.account_options import LoginOptions
from replicator.operations.opening import open_node
from replicator.types import Role


def restored(context: typer.Context) -> None:
    """Tell a node that its computer or its database was set back: it goes on, and learns from the other side."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        reason, is_host = recovering.restored(node), node.role is Role.HOST
    if reason is not None:
        say(f"It had halted: {reason}.")
    if is_host:
        say("This host goes on under a new timeline. Run it: it asks its stations for what it has forgotten.")
        say("What was written here after the backup and reached no station is lost: enter it again.")
        say("Rules and tables that were changed after the backup must be set again.")
        return
    say("This node goes on under a new epoch. Run it: the host brings it up to date.")
    say("What was written here after the backup and had not been sent is lost: enter it again.")


def moved(context: typer.Context) -> None:
    """Tell a node that it has moved to this computer for good: its home folder and its database came along."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        other = recovering.moved(node)
    say("This node belongs to this computer now." if other else "This node belonged to this computer already.")
    if other:
        say("Never start it on the old one again: both would take each other's mail.")


def copy(
    context: typer.Context,
    invitation: Annotated[
        Path | None, typer.Argument(metavar="[INVITATION]", readable=False, help="Made by 'station add … --copy-of'.")
    ] = None,
    mailbox: MailboxUrl = None,
    send: SendUrl = None,
    title: Title = "",
    provider: ProviderName = None,
    ca: CaFile = None,
    password_file: PasswordFile = None,
    auth: Auth = None,
    client_id: ClientId = None,
    authority: Authority = None,
    as_json: AsJson = False,
) -> None:
    """Make a copy of a station a station of its own; without an invitation, show what only this copy knows."""
    session = session_of(context)
    home = session.node_home()
    if invitation is None:
        _show_unknown(session, as_json)
        return
    secret = existing_passphrase(session) if copying.passphrase_needed(home, invitation) else None
    done = copying.become_station(
        home,
        session.runtime,
        invitation,
        passphrase=secret,
        mailbox=mailbox,
        send=send,
        title=title,
        login=LoginOptions(provider, ca, password_file, auth, client_id, authority),
    )
    say(f"This copy of {done.former} is the station {done.name} <{done.address}> now, with the database that it has.")
    if done.brings:
        say(f"It gives back {done.brings} changes that the host had not confirmed to {done.former}.")
    after_set_up(home)
    say("Next: replicator remote-run")


def _show_unknown(session: Session, as_json: bool) -> None:
    home = session.node_home()
    groups = copying.unknown_to_host(home, session.runtime)
    if as_json:
        print_json([record(group) for group in groups])
        return
    count = 0
    for group in groups:
        for entry in group.entries:
            line = entry.line
            if line.table is not None:
                count += 1
                say(f"{line.n}: {line.table} {key_text(line.key)} {line.kind}")
    name = home.load_configuration().name
    say(f"{count} changes of this computer are not confirmed by the host; all of them: replicator copy --json")
    say(f"To make it a station of its own, at the host: replicator station add NAME --address ADDRESS --copy-of {name}")
    say("Then here: replicator copy INVITATION --mailbox URL")


def join(app: typer.Typer) -> None:
    app.command("restored")(restored)
    app.command("moved")(moved)
    app.command("copy")(copy)
