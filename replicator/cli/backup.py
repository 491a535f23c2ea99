"""`backup`: what scripts that make backups tell a node, so that nobody keeps what only older ones would need."""

from __future__ import annotations

import typer

from replicator.cli.console import AsJson, moment, print_json
from replicator.cli.formats import counted, record, say
from replicator.cli.session import session_of
from replicator.operations import keeping
from replicator.operations.opening import open_node
from replicator.types import Role

app = typer.Typer(help="Tell of backups.", no_args_is_help=True)


@app.command("begin")
def begin(context: typer.Context) -> None:
    """Note, before a backup of the database begins, how far this node is."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        keeping.begin_backup(node)
    say("Noted. Make the backup, put it where it belongs, and then say: replicator backup done")


@app.command("done")
def done(context: typer.Context, as_json: AsJson = False) -> None:
    """Announce that a backup is complete and that no older one will ever be put back."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        told, role = keeping.finish_backup(node), node.role
    if as_json:
        print_json(record(told))
        return
    at = moment(told.begun_at)
    when = f"{at.astimezone():%Y-%m-%d %H:%M}" if at else ""
    whom = "the host" if role is Role.STATION else counted(told.peers, "station")
    news = f"the next run tells {whom}" if told.peers else "there is no news in it for anybody"
    say(f"This node will not be put back to before {when}: {news}.")


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="backup")
