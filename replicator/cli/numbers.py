"""`replicator numbers`: ranges whose numbers host and stations draw, each from blocks of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, Column, print_json, print_listing
from replicator.cli.formats import counted, say
from replicator.cli.numbers_audit import audit
from replicator.cli.session import session_of
from replicator.errors import WrongUse
from replicator.operations import numbers_admin
from replicator.operations.numbers_admin import RangePart, Wish
from replicator.operations.opening import open_node, open_view
from replicator.protocol.numbers import Block, Empty, Form

app = typer.Typer(
    name="numbers", help="Number ranges: invoice numbers, customer numbers, keys, drawn offline and none twice."
)

_Table = Annotated[str, typer.Argument(metavar="TABLE", help="A replicated table.")]
_ColumnName = Annotated[
    str | None, typer.Option("--column", metavar="NAME", help="Its column; a key that counts by itself needs no name.")
]


@app.command("set")
def set_(
    context: typer.Context,
    station: Annotated[str, typer.Argument(metavar="STATION", help="A station, or the host's own name.")],
    table: _Table,
    column: _ColumnName = None,
    block: Annotated[int | None, typer.Option("--block", metavar="COUNT", help="So many numbers at a time.")] = None,
    start: Annotated[int | None, typer.Option("--from", metavar="NUMBER", help="The range's first number.")] = None,
    refill: Annotated[
        str | None,
        typer.Option("--refill", metavar="PERCENT", help="Ask for more when so much of a block is left: 25%."),
    ] = None,
    fill: Annotated[
        str | None,
        typer.Option("--fill-when", metavar="SIGN", help="What an empty column holds, to be filled: null, 0 or ''."),
    ] = None,
    chosen: Annotated[
        bool, typer.Option("--chosen", help="The application writes the number itself; it is only looked at.")
    ] = False,
    text: Annotated[
        str | None,
        typer.Option("--text", metavar="TEXT", help="Around the number: RE-2026-{n:05}. Another text is a new range."),
    ] = None,
) -> None:
    """Give a station, or the host, its part in a range, or change it."""
    wish = Wish(block, start, _percent(refill), _sign(fill), chosen, _form(text))
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        done = numbers_admin.set_numbers(node, station, table, column, wish)
    say(
        f"{station} draws {done.name} in blocks of {done.share.block:,}, {done.way}, and gets more when "
        f"{done.share.refill}% of one are left."
    )
    if done.blocks:
        say(f"It has {_blocks(done.blocks)} now.")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Show who draws which numbers, and what is in hand."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        parts = numbers_admin.list_numbers(view)
    if as_json:
        print_json([_plain(part) for part in parts])
        return
    columns = (
        Column("range", "range", whole=True),
        Column("text", "text"),
        Column("way", "drawn"),
        Column("node", "node", whole=True),
        Column("block", "block", justify="right"),
        Column("refill", "refill", justify="right"),
        Column("left", "left", justify="right"),
        Column("blocks", "in hand"),
    )
    print_listing([_row(part) for part in parts], columns, as_json, empty="there are no number ranges yet")


@app.command("give-back")
def give_back(
    context: typer.Context,
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Of one table, else all.")] = None,
) -> None:
    """Give back what this node has in hand and has not used; it is granted next."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        count = numbers_admin.give_back(node, table)
    say(f"{counted(count, 'number')} given back.")


@app.command("end")
def end(
    context: typer.Context,
    station: Annotated[str, typer.Argument(metavar="STATION", help="A station, or the host's own name.")],
    table: _Table,
    column: _ColumnName = None,
) -> None:
    """Let a station draw no more numbers of a table; what it has left comes back."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        columns = numbers_admin.end_numbers(node, station, table, column)
    say(f"{station} draws no more of {', '.join(f'{table}.{name}' for name in columns)}.")


def _percent(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(text.removesuffix("%"))
    except ValueError:
        raise WrongUse(f"--refill {text} is no part of a block: write 25%") from None


def _sign(text: str | None) -> Empty | None:
    if text is None:
        return None
    try:
        return Empty.TEXT if text == "" else Empty(text)
    except ValueError:
        raise WrongUse(f"--fill-when {text} is not known: write null, 0 or ''") from None


def _form(text: str | None) -> Form | None:
    if text is None:
        return None
    try:
        return Form.parse(text)
    except ValueError:
        raise WrongUse(
            f"--text {text} needs one place for the number, {{n}} or {{n:05}}, and no digit beside it"
        ) from None


def _blocks(blocks: list[Block]) -> str:
    return ", ".join(f"{block.lowest} to {block.highest}" for block in blocks)


def _plain(part: RangePart) -> dict[str, Any]:
    return {
        "table": part.table,
        "column": part.range.column,
        "text": str(part.range.form),
        "drawn": str(part.range.way),
        "fill_when": part.range.fill,
        "from": part.range.start,
        "node": part.node,
        "block": part.share.block,
        "refill_percent": part.share.refill,
        "ended": part.share.closed,
        "left": part.left,
        "blocks": [[block.lowest, block.highest] for block in part.blocks],
    }


def _row(part: RangePart) -> dict[str, Any]:
    shown = part.blocks[-3:] if part.left is None else part.blocks[:3]
    return {
        "range": f"{part.table}.{part.range.column}",
        "text": str(part.range.form) if part.range.form else "",
        "way": "ended" if part.share.closed else str(part.range.way),
        "node": part.node,
        "block": f"{part.share.block:,}",
        "refill": f"{part.share.refill}%",
        "left": "" if part.left is None else f"{part.left:,}",
        "blocks": _blocks(shown),
    }


app.command("audit")(audit)


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="numbers")
