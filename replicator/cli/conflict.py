"""`conflict`: what two nodes changed without knowing of one another, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, Column, moment, print_json, print_listing, print_record
from replicator.cli.formats import key_text, position_text, print_side_by_side, record
from replicator.cli.journal import Limit, TableName
from replicator.cli.session import session_of
from replicator.operations import listings
from replicator.operations.listings import ConflictDetail, ConflictLine
from replicator.operations.opening import open_view

app = typer.Typer(help="What two nodes changed without knowing of one another.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    table: TableName = None,
    station: Annotated[str | None, typer.Option("--station", metavar="NAME", help="With this station only.")] = None,
    after: Annotated[int | None, typer.Option("--after", metavar="N", help="Those behind conflict N.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List conflicts, the newest last."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        lines = listings.list_conflicts(view, table=table, station=station, after=after, limit=limit)
    if as_json:
        print_json([record(line) for line in lines])
        return
    columns = (
        Column("id", "number", justify="right"),
        Column("at", "time"),
        Column("station", "station", whole=True),
        Column("table", "table", whole=True),
        Column("key", "key"),
        Column("kind", "what happened"),
    )
    print_listing([_row(line) for line in lines], columns, as_json, empty="no conflicts")


def _row(line: ConflictLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "at": moment(line.at),
        "station": line.station,
        "table": line.table,
        "key": key_text(line.key),
        "kind": line.kind,
    }


@app.command("show")
def show(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The conflict's number.")],
    as_json: AsJson = False,
) -> None:
    """Show a conflict: the host's row, the station's row and what stands now."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        found = listings.show_conflict(view, number)
    if as_json:
        print_json(record(found))
    else:
        _print(found)


def _print(found: ConflictDetail) -> None:
    line = found.line
    print_record(
        {
            "conflict": line.id,
            "time": moment(line.at),
            "station": line.station,
            "row": f"{line.table} {key_text(line.key)}",
            "what happened": line.kind,
            "position": position_text((line.epoch, line.n)),
        },
        as_json=False,
    )
    print()
    differing = [name for name, value in (found.host or {}).items() if (found.station or {}).get(name) != value]
    print_side_by_side({"host": found.host, "station": found.station, "result": found.result}, differing)


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="conflict")
