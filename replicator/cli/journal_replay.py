"""`journal replay` and `journal base`: the tables as they were, built from the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from replicator.cli.bars import Bars
from replicator.cli.console import AsJson, Column, console, human_size, moment, print_json, print_listing
from replicator.cli.database import with_database_password
from replicator.cli.formats import counted, key_text, position_text, record, say
from replicator.cli.session import session_of
from replicator.cli.status import WAITS_FOR_A_PERSON
from replicator.errors import WrongUse
from replicator.operations import bases_admin, journal_replay, replay_check
from replicator.operations.bases_admin import BaseLine
from replicator.operations.journal_replay import Replayed
from replicator.operations.opening import open_node, open_view
from replicator.operations.replay_check import Checked, CheckedTable

SHOWN = 20
"""Rows that differ, of each table; JSON has more."""

Into = Annotated[
    str | None,
    typer.Option(
        "--into", metavar="URL", help="An empty database to build the tables in: SQLite, PostgreSQL, MariaDB."
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME|POSITION", help="As of then: '2026-11-27 14:03:22', or 1.4711; else now."),
]
Tables = Annotated[list[str] | None, typer.Option("--table", metavar="NAME", help="These tables only.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        readable=False,
        help="A file of yours, mode 0600, with the password of that database's user.",
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Hold the outcome against the tables as they are now.")]


def replay(
    context: typer.Context,
    into: Into = None,
    until: Until = None,
    table: Tables = None,
    password_file: PasswordFile = None,
    check: Check = False,
    as_json: AsJson = False,
) -> None:
    """Build the tables from the journal, as they were at any moment since it begins, in another database."""
    session = session_of(context)
    home = session.node_home()
    if check:
        if into is not None or until is not None or password_file is not None:
            raise WrongUse("--check holds the journal's end against the live tables: leave --into and --until out")
        with Bars(console(to_stderr=True)) as bars:
            checked = replay_check.check(home, session.runtime, table or (), bars)
        _print_check(checked, as_json)
        return
    if into is None:
        raise WrongUse("say where to build the tables: --into URL, or compare with the live ones: --check")

    def build() -> Replayed:
        with Bars(console(to_stderr=True)) as bars:
            return journal_replay.replay_into(
                home,
                session.runtime,
                into,
                until=until,
                tables=table or (),
                password_file=password_file,
                progress=bars,
            )

    _print_replay(with_database_password(into, build), as_json)


def _print_replay(done: Replayed, as_json: bool) -> None:
    if as_json:
        print_json(record(done))
        return
    for remark in done.remarks:
        say(remark)
    columns = (Column("name", "table", whole=True), Column("rows", "rows", justify="right"))
    print_listing([record(table) for table in done.tables], columns, as_json, empty="there was no table then")
    when = moment(done.at)
    since = f", {when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""
    say(f"Built as of {position_text(done.position)}{since}.")


def _print_check(checked: Checked, as_json: bool) -> None:
    if as_json:
        print_json(record(checked))
    else:
        for remark in checked.remarks:
            say(remark)
        for table in checked.tables:
            _print_table(table)
        say(f"Checked as of {position_text(checked.position)}.")
    if checked.differs or checked.remarks:
        raise typer.Exit(WAITS_FOR_A_PERSON)


def _print_table(table: CheckedTable) -> None:
    if not table.differences:
        say(f"{table.name}: {counted(table.rows, 'row')}, as the journal has them.")
        return
    say(
        f"{table.name}: {table.changed} other than in the journal, {table.missing} missing here, {table.extra} that "
        f"the journal does not know."
    )
    for difference in table.differences[:SHOWN]:
        say(f"  {key_text(difference.key)}: {difference.what}")
    left = table.changed + table.missing + table.extra - SHOWN
    if left > 0:
        say(f"  … and {left} more: --json")


def base(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="With --anew: these tables.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Keep the rows as they are now: a replay begins here.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the bases that the journal is replayed from: since when each table can be built, and what they take."""
    session = session_of(context)
    if anew:
        with open_node(session.node_home(), session.runtime) as node, Bars(console(to_stderr=True)) as bars:
            count = bases_admin.take_anew(node, names or (), bars)
        say(f"{counted(count, 'table')} can be built from now on.")
        return
    if names:
        raise WrongUse("tables are named to take a base of them anew: --anew")
    with open_view(session.node_home(), session.runtime) as view:
        lines = bases_admin.list_bases(view)
    if as_json:
        print_json([record(line) for line in lines])
        return
    columns = (
        Column("table", "table", whole=True),
        Column("position", "from", whole=True),
        Column("at", "time"),
        Column("ended", "ended", whole=True),
        Column("rows", "rows", justify="right"),
        Column("size", "size", justify="right"),
    )
    print_listing([_row(line) for line in lines], columns, as_json, empty="no base is kept")


def _row(line: BaseLine) -> dict[str, Any]:
    return {
        "table": line.table,
        "position": position_text(line.position) if line.complete else "on its way",
        "at": moment(line.at),
        "ended": "" if line.ended is None else position_text(line.ended),
        "rows": line.rows,
        "size": human_size(line.bytes),
    }


def join(app: typer.Typer) -> None:
    app.command("replay")(replay)
    app.command("base")(base)
