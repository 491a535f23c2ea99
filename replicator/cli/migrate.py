"""`migrate`: what the node is to replicate, as revisions that can be read, edited and carried out."""

from __future__ import annotations

from typing import Annotated

import typer

from replicator.cli.bars import Bars
from replicator.cli.console import AsJson, Column, console, print_json, print_listing
from replicator.cli.formats import kinds, record, say
from replicator.cli.session import session_of
from replicator.cli.status import WAITS_FOR_A_PERSON
from replicator.cli.table_options import Area, Names, PolicyChoice, ReplaceCascades
from replicator.operations import migration_requests, migrations, revisions
from replicator.operations.opening import open_node, open_view
from replicator.operations.revisions import HEAD
from replicator.types import Kinds, Policy, Rule

app = typer.Typer(help="Tables to be replicated, as revisions of this node.", no_args_is_help=True)


@app.command("new-table")
def new_table(
    context: typer.Context,
    names: Names,
    area: Area = None,
    policy: PolicyChoice = Policy.HOST,
    station: Annotated[
        list[str] | None,
        typer.Option("--station", metavar="STATION", help="Who gets them; all: every station. Repeatable."),
    ] = None,
    to_remote: Annotated[
        str, typer.Option("--to-remote", metavar="KINDS", help="What goes to these stations: as with rule set.")
    ] = "all",
    to_host: Annotated[
        str, typer.Option("--to-host", metavar="KINDS", help="What the host takes from them: as with rule set.")
    ] = "all",
    replace_cascades: ReplaceCascades = False,
) -> None:
    """Write a revision that has tables replicated: capture, definition, rules. Nothing is changed yet."""
    rule = Rule(kinds(to_remote) or Kinds.NONE, kinds(to_host) or Kinds.NONE)
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        written = revisions.new_table(
            view,
            names,
            area=area,
            policy=policy,
            rules=dict.fromkeys(station or [], rule),
            replace_cascades=replace_cascades,
        )
    for remark in written.remarks:
        say(remark)
    say(f"Written: {written.revision.path}")
    say("Look at it, edit it, and carry it out: replicator migrate upgrade")


@app.command("upgrade")
def upgrade(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(metavar="[REVISION]", help="The last one to be carried out.")] = HEAD,
    forget: Annotated[
        list[int] | None,
        typer.Option(
            "--forget", metavar="N", help="Give up the request N of the application's migrations. Repeatable."
        ),
    ] = None,
) -> None:
    """Carry out the revisions that were not yet, and what the application's migrations have asked for."""
    session = session_of(context)
    home = session.node_home()
    with open_node(home, session.runtime) as node, Bars(console(to_stderr=True)) as bars:
        for number in forget or []:
            migration_requests.forget(node, number)
        told = migration_requests.carry_out_all(node, bars)
        done = revisions.upgrade(node, home, revision, bars)
        waiting = migration_requests.waiting(node)
    for line in told:
        say(f"{line[:1].upper()}{line[1:]}.")
    for each in done:
        for remark in each.remarks:
            say(remark)
        say(f"Carried out: revision {each.number}, {each.text}.")
    for left in waiting:
        say(f"Waits: request {left.id}, to {left.text}: {left.error}")
    if waiting:
        raise typer.Exit(WAITS_FOR_A_PERSON)
    if not (told or done or forget):
        say("Nothing to do: all revisions are carried out.")


@app.command("status")
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """List the revisions, and what the application's migrations have asked for."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        found = migrations.status(view)
    if as_json:
        print_json(record(found))
        return
    rows = [
        {"number": each.number, "text": each.text, "state": "carried out" if each.applied else "waits"}
        for each in found.revisions
    ]
    columns = (
        Column("number", "revision", whole=True),
        Column("text", "what"),
        Column("state", "state"),
    )
    print_listing(rows, columns, as_json, empty="no revision has been written yet")
    if found.requests:
        columns = (Column("id", "request", whole=True), Column("text", "what"), Column("error", "waits because"))
        print_listing([record(each) for each in found.requests], columns, as_json)


@app.command("check")
def check(context: typer.Context, as_json: AsJson = False) -> None:
    """Say what is not as it should be: revisions that wait, tables that nobody replicates, capture out of date."""
    session = session_of(context)
    home = session.node_home()
    with open_node(home, session.runtime) as node:
        found = migrations.check(node, home)
    if as_json:
        print_json(record(found))
    else:
        rows = [{"subject": each.subject, "text": each.text} for each in found]
        columns = (Column("subject", "subject", whole=True), Column("text", "finding"))
        print_listing(rows, columns, as_json, empty="nothing to say: all is as it should be")
    if found:
        raise typer.Exit(WAITS_FOR_A_PERSON)


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="migrate")
