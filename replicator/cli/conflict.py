"""`conflict`: what two nodes changed without knowing of one another, and what became of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, Column, moment, print_json, print_listing, print_record
from replicator.cli.formats import key_text, position_text, print_side_by_side, record, say
from replicator.cli.journal_options import Limit, TableName
from replicator.cli.session import session_of
from replicator.errors import WrongUse, os_reason
from replicator.operations import conflict_listing, settling
from replicator.operations.conflict_listing import ConflictDetail, ConflictLine
from replicator.operations.opening import open_node, open_view
from replicator.operations.settling import FileRow, Side

app = typer.Typer(help="What two nodes changed without knowing of one another.", no_args_is_help=True)


DECIDED = {"host": "the host's", "station": "the station's", "both": "of both", "none": "neither"}
FILE_LIMIT = 100_000_000


@app.command("list")
def list_(
    context: typer.Context,
    table: TableName = None,
    station: Annotated[str | None, typer.Option("--station", metavar="NAME", help="With this station only.")] = None,
    after: Annotated[int | None, typer.Option("--after", metavar="N", help="Those behind conflict N.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Those that nobody has settled yet.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List conflicts, the newest last."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        lines = conflict_listing.list_conflicts(
            view, table=table, station=station, after=after, only_open=only_open, limit=limit
        )
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
        Column("decided", "what stood", whole=True),
        Column("settled", "settled", whole=True),
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
        "decided": DECIDED[line.decided],
        "settled": line.settled_by,
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
        found = conflict_listing.show_conflict(view, number)
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
            "row": f"{line.table} {key_text(line.key)}",
            "what happened": line.kind,
            "the host's row": _written(found.host_writer, found.host_at),
            "the station's row": _written(line.station, found.station_at),
            "it changed": ", ".join(found.columns) or "not told",
            "what stood then": DECIDED[line.decided],
            "position": position_text((line.epoch, line.n)),
            "settled": f"{moment(line.settled_at)}, {line.settled_by}" if line.settled_at else "no",
        },
        as_json=False,
    )
    print()
    sides = {"host": found.host, "station": found.station, "stood then": found.result, "now": found.now}
    names = dict.fromkeys(name for side in sides.values() for name in side or ())
    differing = [name for name in names if len({repr((side or {}).get(name)) for side in sides.values()}) > 1]
    print_side_by_side(sides, differing)


def _written(by: str | None, at: int | None) -> str:
    when = moment(at)
    told = f", {when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""
    return f"by {by}{told}" if by else "not told"


@app.command("settle")
def settle(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The conflict's number.")],
    take: Annotated[
        str,
        typer.Option(
            "--take",
            metavar="host|station|FILE",
            help="Whose row is to stand, or a file with one as JSON (- for standard input; null: no row).",
        ),
    ],
    anyway: Annotated[bool, typer.Option("--anyway", help="Also where the row has been written since.")] = False,
) -> None:
    """Decide otherwise, or that it is right so. What is taken is a new change that travels like any other."""
    side = Side(take) if take in (Side.HOST, Side.STATION) else Side.FILE
    row = _read(take) if side is Side.FILE else None
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        changed = settling.settle(node, number, side, row, anyway=anyway)
    if changed:
        say(f"Conflict {number} is settled. The row was written, and goes to the others with the next run.")
    else:
        say(f"Conflict {number} is settled. The row stands like that already.")


def _read(take: str) -> FileRow:
    """Raises WrongUse."""
    try:
        text = sys.stdin.read(FILE_LIMIT) if take == "-" else Path(take).read_text("utf-8")
    except FileNotFoundError:
        raise WrongUse(f"say --take host, --take station or a file: there is no file {take}") from None
    except OSError as error:
        raise WrongUse(f"can't read {take}: {os_reason(error)}") from None
    except UnicodeDecodeError:
        raise WrongUse(f"{take} is not UTF-8 text; write the row as JSON") from None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"{take} is not valid JSON: {error}") from None
    if row is not None and not isinstance(row, dict):
        raise WrongUse(
            f"{take} holds no row: write an object with the columns, as conflict show --json prints it, or null"
        )
    return row


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="conflict")
