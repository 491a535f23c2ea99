"""`restored`, `moved`: what an operator tells a node after a disaster or a move."""

from __future__ import annotations

import typer

from replicator.cli.formats import say
from replicator.cli.session import session_of
from replicator.operations import recovering
from replicator.operations.opening import open_node


def restored(context: typer.Context) -> None:
    """Tell a station that its computer or its database was set back: it goes on, and the host brings it up to date."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        reason = recovering.restored(node)
    if reason is not None:
        say(f"It had halted: {reason}.")
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


def join(app: typer.Typer) -> None:
    app.command("restored")(restored)
    app.command("moved")(moved)
