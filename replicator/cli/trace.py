"""`trace`: the way of one row, as far as this node can know it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from replicator.cli.console import AsJson, cell, console, moment, one_line, print_json
from replicator.cli.formats import key_text, record, say, value_text
from replicator.cli.journal_options import Before
from replicator.cli.session import session_of
from replicator.operations import tracing
from replicator.operations.journal_filters import Filter, Spot
from replicator.operations.opening import open_view
from replicator.operations.tracing import Event, Trace

STYLES = {
    "written": "bold",
    "sent": "cyan",
    "received": "cyan",
    "judged": "green",
    "acknowledged": "green",
    "conflict": "red",
    "set aside": "red",
    "waiting": "yellow",
}


def trace(
    context: typer.Context,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table that the row is of.")],
    key: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="Its key, a value for each column of the primary key.")
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Of how many changes at most.")] = 20,
    before: Before = None,
    as_json: AsJson = False,
) -> None:
    """Show a row's way: written, numbered, sent, received, judged, acknowledged, and what waits."""
    session = session_of(context)
    older = None if before is None else Filter(before=Spot.of(before))
    with open_view(session.node_home(), session.runtime) as view:
        found = tracing.trace(view, table, key, limit=limit, before=older)
    if as_json:
        print_json(record(found))
    else:
        _print(found)


def _print(found: Trace) -> None:
    title = f"{found.table} {key_text(found.key)}"
    if not found.known:
        say(f"{title}: {found.node} knows nothing of it")
        return
    if found.older is not None:
        say(f"There may be older changes: --before {found.older}")
    if found.events:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("time", no_wrap=True)
        table.add_column("position", no_wrap=True)
        table.add_column("what", no_wrap=True)
        table.add_column("", overflow="fold")
        table.add_column("batch", no_wrap=True)
        for event in found.events:
            table.add_row(*_cells(event))
        console().print(table)
        print()
    say(f"{title} at {found.node} now: {_row(found)}")
    for sentence in found.state:
        say(f"  {sentence}")
    mails = {name: event for event in found.events for name in event.mails}
    if mails:
        print()
        say("Mails:")
        for name, event in mails.items():
            say(f"  batch {event.batch} {'to' if event.what == 'sent' else 'from'} {event.peer}: {name}")


def _cells(event: Event) -> list[Text]:
    at = moment(event.at)
    return [
        Text("" if at is None else cell(at)),
        Text(event.position or ""),
        Text(event.what, style=STYLES.get(event.what, "")),
        Text(one_line(event.text if event.what != "written" else f"at {event.where}: {event.text}")),
        Text(event.batch or ""),
    ]


def _row(found: Trace) -> str:
    if found.now is None:
        return "no such row"
    return ", ".join(f"{name} {value_text(value, 40)}" for name, value in found.now.items())


def join(program: typer.Typer) -> None:
    program.command("trace")(trace)
