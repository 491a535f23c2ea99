"""`journal follow` and `journal export`: the journal as it grows, and as JSON lines for other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.text import Text

from replicator.cli.console import AsJson, cell, console, moment, one_line
from replicator.cli.formats import KIND_STYLES, VERDICT_STYLES, counted, key_text, position_text, say, value_text
from replicator.cli.journal_options import (
    After,
    AtPosition,
    Before,
    KeyTexts,
    Since,
    StationName,
    TableName,
    Transaction,
    Until,
    VerdictName,
    filter_of,
)
from replicator.cli.run import span, stoppable
from replicator.cli.session import session_of
from replicator.operations import journal_export
from replicator.operations.journal_following import following
from replicator.operations.journal_lines import Describing, JournalEntry
from replicator.operations.journal_pages import Found
from replicator.operations.journal_records import json_line
from replicator.operations.opening import open_view
from replicator.protocol.describe import plain
from replicator.store.files import Files

SHORT = 60
"""Characters of a value where a change stands on one line."""


def follow(
    context: typer.Context,
    table: TableName = None,
    key: KeyTexts = None,
    station: StationName = None,
    transaction: Transaction = None,
    verdict: VerdictName = None,
    after: After = None,
    interval: Annotated[str, typer.Option("--interval", metavar="SPAN", help="How often to look: 1s, 1m.")] = "2s",
    as_json: AsJson = False,
) -> None:
    """Show changes as they come, until stopped."""
    session = session_of(context)
    chosen = filter_of(
        session,
        table=table,
        key=key,
        station=station,
        since=None,
        until=None,
        position=None,
        transaction=transaction,
        verdict=verdict,
        after=after,
    )
    pause, stop = span(interval), Event()
    with stoppable(stop):
        try:
            with following(session.node_home(), session.runtime, chosen) as journal:
                while not stop.is_set():
                    if journal.new(_print_json if as_json else _print_line, _tell):
                        sys.stdout.flush()
                    stop.wait(pause)
        except (KeyboardInterrupt, Exception):
            # What cleans up after an interruption may stumble over what it has left.
            if not stop.is_set():
                raise


def _print_json(describing: Describing, found: Found) -> None:
    print(json_line(describing, found), flush=True)


def _print_line(describing: Describing, found: Found) -> None:
    change, group = found.change, found.group
    entry = describing.request_entry(group) if change is None else describing.entry(group, change)
    console().print(_line(entry), soft_wrap=True)


def _line(entry: JournalEntry) -> Text:
    line = entry.line
    text = Text(f"{position_text((line.epoch, line.n))}  {cell(moment(line.at))}  {one_line(line.origin)}  ")
    if line.table is None:
        return text.append(one_line(f"{line.kind}: {plain(entry.record)}"))
    text.append(one_line(f"{line.table} {key_text(line.key)}: "))
    text.append(line.kind, style=KIND_STYLES.get(line.kind, ""))
    if line.verdict is not None:
        text.append(", ").append(line.verdict, style=VERDICT_STYLES.get(line.verdict, ""))
    return text.append(_values(entry))


def _values(entry: JournalEntry) -> str:
    """What changed, or the row that came or went."""
    before, after, columns = entry.before or {}, entry.after or {}, entry.line.columns
    if columns:
        earlier = (value_text(before[name], SHORT) if name in before else "?" for name in columns)
        told = (
            f"{name} {old} → {value_text(after.get(name), SHORT)}" for name, old in zip(columns, earlier, strict=True)
        )
    else:
        told = (f"{name} {value_text(value, SHORT)}" for name, value in (entry.after or before).items())
    text = one_line("; ".join(told))
    return f"  {text}" if text else ""


def _tell(sentence: str) -> None:
    print(f"replicator: {one_line(sentence)}", file=sys.stderr, flush=True)


def export(
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
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Into this file, which is there whole or not at all.")
    ] = None,
) -> None:
    """Print the journal as JSON lines, for other programs: all of it, or what fits, the oldest first."""
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
    with open_view(session.node_home(), session.runtime) as view:
        lines = journal_export.lines(view, chosen)
        if out is not None:
            count = journal_export.write(Files(session.runtime), out, lines)
            say(f"{counted(count, 'line')} in {out}")
            return
        for line in lines:
            print(line)
