"""`journal`: the changes that this node has numbered, in order."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from replicator.cli import journal_replay
from replicator.cli.console import (
    AsJson,
    Column,
    console,
    human_size,
    moment,
    one_line,
    print_json,
    print_listing,
    print_record,
)
from replicator.cli.formats import (
    KIND_STYLES,
    VERDICT_STYLES,
    counted,
    key_text,
    position_text,
    print_side_by_side,
    record,
    say,
)
from replicator.cli.journal_options import (
    After,
    AtPosition,
    Before,
    KeyTexts,
    Limit,
    Since,
    StationName,
    TableName,
    Transaction,
    Until,
    VerdictName,
    filter_of,
)
from replicator.cli.journal_stream import export, follow
from replicator.cli.session import session_of
from replicator.operations import journal_pages, keeping
from replicator.operations.journal_filters import Spot
from replicator.operations.journal_lines import JournalEntry, JournalGroup, JournalLine
from replicator.operations.journal_pages import Page
from replicator.operations.opening import open_node, open_view
from replicator.protocol.describe import plain

app = typer.Typer(help="The changes that this node has numbered.", no_args_is_help=True)

COLUMNS = (
    Column("position", "position", whole=True),
    Column("at", "time"),
    Column("origin", "origin", whole=True),
    Column("table", "table", whole=True),
    Column("key", "key"),
    Column("kind", "kind", styles=KIND_STYLES),
    Column("verdict", "verdict", styles=VERDICT_STYLES),
    Column("columns", "columns changed"),
)


@app.command("list")
def list_(
    context: typer.Context,
    table: TableName = None,
    key: KeyTexts = None,
    station: StationName = None,
    since: Since = None,
    until: Until = None,
    position: AtPosition = None,
    transaction: Transaction = None,
    verdict: VerdictName = None,
    after: After = None,
    before: Before = None,
    oldest_first: Annotated[
        bool, typer.Option("--oldest-first", help="The oldest that fit, not the newest; as with --after alone.")
    ] = False,
    newest_on_top: Annotated[bool, typer.Option("--newest-on-top", help="Print the newest first.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List changes, the newest last."""
    session = session_of(context)
    chosen = filter_of(
        session,
        table=table,
        key=key,
        station=station,
        since=since,
        until=until,
        position=position,
        transaction=transaction,
        verdict=verdict,
        after=after,
        before=before,
    )
    newest = not oldest_first and (after is None or before is not None)
    with open_view(session.node_home(), session.runtime) as view:
        page = journal_pages.list_journal(view, chosen, limit=limit, newest=newest)
    lines = page.lines[::-1] if newest_on_top else page.lines
    if as_json:
        print_json([record(line) for line in lines])
    else:
        columns = [column for column in COLUMNS if column.key != "verdict" or any(line.verdict for line in lines)]
        empty = "nothing found" if page.stopped or chosen != type(chosen)() else "the journal is empty"
        print_listing([row_of(line) for line in lines], columns, as_json, empty=empty)
    _tell_more(page, newest, as_json)


def _tell_more(page: Page, newest: bool, as_json: bool) -> None:
    option = f"{'--before' if newest else '--after'} {page.next}"
    if page.stopped:
        text = f"looked through {counted(page.looked, 'group')} so far; to go on: {option}"
        print(text, file=sys.stderr if as_json else sys.stdout)
    elif page.next is not None and not as_json:
        say(f"There may be more: {option}")


def row_of(line: JournalLine) -> dict[str, Any]:
    return {
        "position": position_text((line.epoch, line.n)),
        "at": moment(line.at),
        "origin": line.origin,
        "table": line.table,
        "key": key_text(line.key),
        "kind": line.kind,
        "verdict": line.verdict,
        "columns": list(line.columns),
    }


@app.command("show")
def show(
    context: typer.Context,
    position: Annotated[
        str, typer.Argument(metavar="POSITION", help="Of the group: 417, 2.417, or 2.417:31 from its entry 31 on.")
    ],
    limit: Limit = 100,
    full: Annotated[bool, typer.Option("--full", help="Show long values whole.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was written together: each row before and after."""
    session, spot = session_of(context), Spot.of(position)
    with open_view(session.node_home(), session.runtime) as view:
        group = journal_pages.show_group(view, spot, limit=limit)
    if as_json:
        print_json(record(group))
    else:
        print_group(group, full=full, first=spot.entry or 1)


def print_group(group: JournalGroup, *, full: bool = False, first: int = 1) -> None:
    """A group for people; `first`: from which of its entries on."""
    made = "" if group.origin_sequence is None else f", its number {group.origin_sequence}"
    print_record(
        {
            "position": position_text((group.epoch, group.n)),
            "time": moment(group.at),
            "origin": f"{group.origin}{made}",
            "changes": group.total,
            "kind": group.control or ("all that one run found" if group.merged else "a transaction"),
            "transaction": group.transaction,
        },
        as_json=False,
    )
    for entry in group.entries:
        _print_entry(entry, full)
    left = group.total - (first - 1) - len(group.entries)
    if group.entries and left > 0:
        going_on = f"{position_text((group.epoch, group.n))}:{group.entries[-1].line.order + 1}"
        say(f"… and {left} more: replicator journal show {going_on}")


def _print_entry(entry: JournalEntry, full: bool) -> None:
    line = entry.line
    print()
    if line.table is None:
        say(f"{line.kind}: {plain(entry.record)}")
        return
    title = Text(one_line(f"{line.table} {key_text(line.key)}: "))
    title.append(line.kind, style=KIND_STYLES.get(line.kind, ""))
    if line.verdict is not None:
        title.append(", ").append(line.verdict, style=VERDICT_STYLES.get(line.verdict, ""))
    console().print(title, soft_wrap=True)
    print_side_by_side({"before": entry.before, "after": entry.after}, line.columns, full=full)


app.command("follow")(follow)
app.command("export")(export)


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
    journal_replay.join(app)
    program.add_typer(app, name="journal")
