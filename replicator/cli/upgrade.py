"""`upgrade`: the replicator's own tables, after a new version of the program."""

from __future__ import annotations

import typer

from replicator.cli.formats import say
from replicator.cli.session import session_of
from replicator.operations import upgrading


def upgrade(context: typer.Context) -> None:
    """Bring the replicator's own tables up to date, after a new version of this program was installed."""
    session = session_of(context)
    done = upgrading.upgrade(session.node_home(), session.runtime)
    say("The replicator's tables are up to date now." if done else "The replicator's tables were up to date already.")


def join(app: typer.Typer) -> None:
    app.command("upgrade")(upgrade)
