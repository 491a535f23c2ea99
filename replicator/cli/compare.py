"""`compare` and `comparison`: whether a station's rows are the host's, though nobody has to be online together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, Column, moment, print_json, print_listing, print_record
from replicator.cli.formats import counted, key_text, record, say
from replicator.cli.journal_options import Limit
from replicator.cli.session import session_of
from replicator.cli.status import WAITS_FOR_A_PERSON
from replicator.operations import comparing
from replicator.operations.comparing import ComparisonDetail, ComparisonLine
from replicator.operations.opening import open_node, open_view

app = typer.Typer(help="How comparisons of a station's rows with the host's ended.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The comparison's number.")]

STATES = {
    "waiting": "on its way",
    "sent": "on its way",
    "taken": "on its way",
    "answered": "on its way",
    "repairing": "rows are being sent",
    "done": "done",
    "void": "no result",
}


def compare(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STATION] [TABLE|AREA]...",
            help="At the host the station first; then tables or areas, else all.",
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Send the host's row for each that differs, as soon as that is known.")
    ] = False,
) -> None:
    """Compare a station's rows with the host's. Both do their part with their next runs."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        begun = comparing.compare(node, names or [], repair=repair)
    say(f"Comparison {begun.number} with {begun.station} is on its way: {', '.join(begun.tables)}.")
    say(f"It takes a run here, one at the other end and one here; then: replicator comparison show {begun.number}")


@app.command("list")
def list_(context: typer.Context, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List comparisons, the newest last."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        lines = comparing.list_comparisons(view, limit=limit)
    if as_json:
        print_json([_plain(line) for line in lines])
        return
    columns = (
        Column("number", "number", justify="right"),
        Column("asked_at", "asked"),
        Column("station", "station", whole=True),
        Column("tables", "tables"),
        Column("state", "state", whole=True),
        Column("found", "rows that differ"),
    )
    print_listing([_row(line) for line in lines], columns, as_json, empty="no comparisons")


def _row(line: ComparisonLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "asked_at": moment(line.asked_at),
        "station": line.station,
        "tables": ", ".join(table.table for table in line.tables),
        "state": STATES[line.state],
        "found": _found(line),
    }


def _found(line: ComparisonLine) -> str:
    if line.state not in ("done", "repairing"):
        return ""
    return f"{line.differences}" if line.differences else "none"


def _plain(line: ComparisonLine) -> dict[str, Any]:
    return {**record(line), "differences": line.differences}


@app.command("show")
def show(context: typer.Context, number: Number, limit: Limit = 1000, as_json: AsJson = False) -> None:
    """Show what a comparison found, row by row. Ends with 3 where rows differ."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        found = comparing.show_comparison(view, number, limit=limit)
    if as_json:
        print_json({**_plain(found.line), "rows": [record(row) for row in found.rows]})
    else:
        _print(found)
    if found.line.state == "done" and any(not row.repaired for row in found.rows):
        raise typer.Exit(WAITS_FOR_A_PERSON)


def _print(found: ComparisonDetail) -> None:
    line = found.line
    print_record(
        {
            "comparison": line.number,
            "station": line.station,
            "asked": moment(line.asked_at),
            "state": STATES[line.state] + (f": {line.reason}" if line.reason else ""),
            "ended": moment(line.ended_at),
            "repair": "yes" if line.repair else "no",
        },
        as_json=False,
    )
    if line.state not in ("done", "repairing"):
        return
    print()
    columns = (
        Column("table", "table", whole=True),
        Column("changed", "differ", justify="right"),
        Column("missing", "missing there", justify="right"),
        Column("extra", "only there", justify="right"),
    )
    print_listing([record(table) for table in line.tables], columns, as_json=False, empty="")
    for table in line.tables:
        if table.without:
            say(f"Not compared in {table.table}, as the two databases write it differently: {', '.join(table.without)}")
    if found.rows:
        print()
        _print_rows(found)


def _print_rows(found: ComparisonDetail) -> None:
    columns = (
        Column("table", "table", whole=True),
        Column("key", "key"),
        Column("finding", "what is wrong", whole=True),
        Column("repaired", "the host's row", whole=True),
    )
    rows = [
        {
            "table": row.table,
            "key": key_text(row.key),
            "finding": row.finding,
            "repaired": "sent" if row.repaired else "",
        }
        for row in found.rows
    ]
    print_listing(rows, columns, as_json=False, empty="")


@app.command("repair")
def repair(context: typer.Context, number: Number) -> None:
    """Send the host's row for each that differs. What they replace stays in the station's conflicts."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        count = comparing.repair(node, number)
    if count:
        say(f"The host's {counted(count, 'row')} will be sent with the next run.")
    else:
        say("There is nothing to send now; what is still to be found will be.")


@app.command("end")
def end(context: typer.Context, number: Number) -> None:
    """Give a comparison up, or leave what it found as it is."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        comparing.end(node, number)
    say(f"Comparison {number} is over.")


def join(program: typer.Typer) -> None:
    program.command("compare")(compare)
    program.add_typer(app, name="comparison")
