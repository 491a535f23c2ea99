"""`quarantine`: changes that this node's database refuses, and what waits for them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, Column, moment, print_json, print_listing, print_record
from replicator.cli.formats import counted, key_text, position_text, print_side_by_side, record, say
from replicator.cli.journal_options import Limit, TableName
from replicator.cli.session import session_of
from replicator.errors import WrongUse
from replicator.operations import quarantine_listing, quarantining
from replicator.operations.opening import open_node, open_view
from replicator.operations.quarantine_listing import QuarantineDetail, QuarantineLine

app = typer.Typer(help="Changes that this node's database refuses.", no_args_is_help=True)

Numbers = Annotated[list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Of the changes.", show_default=False)]


@app.command("list")
def list_(
    context: typer.Context,
    table: TableName = None,
    station: Annotated[str | None, typer.Option("--station", metavar="NAME", help="Of this station only.")] = None,
    after: Annotated[int, typer.Option("--after", metavar="N", help="Those behind number N.")] = 0,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the changes that can't be applied here, the oldest first."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        lines = quarantine_listing.list_quarantine(view, table=table, station=station, after=after, limit=limit)
    if as_json:
        print_json([record(line) for line in lines])
        return
    columns = (
        Column("id", "number", justify="right"),
        Column("since", "since"),
        Column("origin", "from", whole=True),
        Column("table", "table", whole=True),
        Column("key", "key"),
        Column("change", "change"),
        Column("why", "why"),
        Column("next", "next try"),
    )
    print_listing([_row(line) for line in lines], columns, as_json, empty="nothing is in quarantine")


def _row(line: QuarantineLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "since": moment(line.since),
        "origin": line.origin,
        "table": line.table,
        "key": key_text(line.key),
        "change": line.change,
        "why": _why(line),
        "next": moment(line.next_try_at),
    }


def _why(line: QuarantineLine) -> str:
    return "it can be applied; the host is asked for the row" if line.asked else line.error


@app.command("show")
def show(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The change's number.")],
    as_json: AsJson = False,
) -> None:
    """Show one of them: the row that can't stand, and what stands here."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        found = quarantine_listing.show_quarantine(view, number)
    if as_json:
        print_json(record(found))
    else:
        _print(found)


def _print(found: QuarantineDetail) -> None:
    line = found.line
    print_record(
        {
            "number": line.id,
            "since": moment(line.since),
            "from": line.origin,
            "row": f"{line.table} {key_text(line.key)}, {line.change}",
            "position": position_text((line.epoch, line.n)),
            "why": _why(line),
            "waits for": line.waits_for or "nothing else",
            "its transaction": _together(found),
            "tried again": f"{counted(line.tries, 'time')}, next {moment(line.next_try_at):%Y-%m-%d %H:%M} UTC",
        },
        as_json=False,
    )
    print()
    sides = {"is to stand": found.row, "stands": found.now}
    names = dict.fromkeys(name for side in sides.values() for name in side or ())
    differing = [name for name in names if len({repr((side or {}).get(name)) for side in sides.values()}) > 1]
    print_side_by_side(sides, differing)


def _together(found: QuarantineDetail) -> str:
    if not found.line.transaction:
        return "not told; it stands alone"
    return f"with {', '.join(map(str, found.together))}" if found.together else "nothing else"


@app.command("retry")
def retry(context: typer.Context, numbers: Numbers = None) -> None:
    """Try to apply them now: these, or all. Runs do so by themselves, further and further apart."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        done = quarantining.retry(node, numbers or [])
    if done.released:
        say(f"{counted(done.released, 'change')} can be applied; the next runs exchange what comes of it.")
    if done.waiting:
        say(f"{counted(done.waiting, 'change')} still can't be applied; see: replicator quarantine list")
    elif not done.released:
        say("Nothing is in quarantine.")


@app.command("drop")
def drop(
    context: typer.Context,
    numbers: Numbers = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Give them up: the rows stay as they stand here. At the host they go on record, and their station is told."""
    if bool(numbers) == everything:
        raise WrongUse("say which to drop, by their numbers, or --all; see: replicator quarantine list")
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        count = quarantining.drop(node, numbers or [])
    say(f"{counted(count, 'change')} dropped." if count else "Nothing is in quarantine.")


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="quarantine")
