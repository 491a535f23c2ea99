"""`journal`: the changes that this node has numbered, in order."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, Column, human_size, moment, print_json, print_listing, print_record
from replicator.cli.formats import counted, key_text, position_text, print_side_by_side, record, say
from replicator.cli.session import session_of
from replicator.operations import keeping, listings
from replicator.operations.listings import JournalEntry, JournalGroup, JournalLine
from replicator.operations.opening import open_node, open_view
from replicator.protocol.describe import plain

app = typer.Typer(help="The changes that this node has numbered.", no_args_is_help=True)

Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")]
TableName = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Of this table only.")]


@app.command("list")
def list_(
    context: typer.Context,
    table: TableName = None,
    after: Annotated[int | None, typer.Option("--after", metavar="N", help="Those behind group N.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List changes, the newest last."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        lines = listings.list_journal(view, table=table, after=after, limit=limit)
    if as_json:
        print_json([record(line) for line in lines])
        return
    columns = (
        Column("position", "position", whole=True),
        Column("at", "time"),
        Column("origin", "origin", whole=True),
        Column("table", "table", whole=True),
        Column("key", "key"),
        Column("kind", "kind"),
        Column("columns", "columns changed"),
    )
    print_listing([_row(line) for line in lines], columns, as_json, empty="the journal is empty")


def _row(line: JournalLine) -> dict[str, Any]:
    return {
        "position": position_text((line.epoch, line.n)),
        "at": moment(line.at),
        "origin": line.origin,
        "table": line.table,
        "key": key_text(line.key),
        "kind": line.kind,
        "columns": list(line.columns),
    }


@app.command("show")
def show(
    context: typer.Context,
    n: Annotated[int, typer.Argument(metavar="N", help="Number of the group: what stands behind the point.")],
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show what was written together: each row before and after."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        group = listings.show_group(view, n, limit=limit)
    if as_json:
        print_json(record(group))
    else:
        _print(group, limit)


def _print(group: JournalGroup, limit: int) -> None:
    made = "" if group.origin_sequence is None else f", its number {group.origin_sequence}"
    print_record(
        {
            "position": position_text((group.epoch, group.n)),
            "time": moment(group.at),
            "origin": f"{group.origin}{made}",
            "changes": group.total,
            "kind": group.control or ("all that one run found" if group.merged else "a transaction"),
        },
        as_json=False,
    )
    for entry in group.entries:
        _print_entry(entry)
    if group.total > limit:
        say(f"… and {group.total - limit} more: --limit {group.total}")


def _print_entry(entry: JournalEntry) -> None:
    line = entry.line
    print()
    if line.table is None:
        say(f"{line.kind}: {plain(entry.record)}")
        return
    say(f"{line.table} {key_text(line.key)}: {line.kind}")
    print_side_by_side({"before": entry.before, "after": entry.after}, line.columns)


@app.command("purge")
def purge(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take out of the journal what all have and has been kept for long enough. Runs do it by themselves, bit by bit."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        done = keeping.purge_journal(node, dry=dry_run)
    if as_json:
        print_json(record(done))
        return
    gone, oldest = done.purged, moment(done.oldest_at)
    parts = [counted(gone.groups, "group"), f"{human_size(gone.bytes)} of content"]
    if gone.seen_groups:
        parts.append(f"{counted(gone.seen_groups, 'number')} of groups that stations sent")
    if gone.deleted_rows:
        parts.append(f"what was known of {counted(gone.deleted_rows, 'deleted row')}")
    say(f"{'Would go' if dry_run else 'Gone'}: {', '.join(parts)}." if gone else "Nothing is to be purged.")
    since = f", the oldest of {oldest.astimezone():%Y-%m-%d %H:%M}" if oldest else ""
    left = f"{counted(done.groups, 'group')}, {human_size(done.bytes)}{since}"
    say(f"{'The journal holds' if dry_run else 'Left'}: {left}.")


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="journal")
