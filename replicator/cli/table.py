"""`table`: which tables are replicated."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli.bars import Bars
from replicator.cli.console import AsJson, Column, console, print_json, print_listing, print_record
from replicator.cli.formats import record, say
from replicator.cli.session import session_of
from replicator.cli.status import WAITS_FOR_A_PERSON
from replicator.cli.table_options import Area, Names, PolicyChoice, ReplaceCascades
from replicator.errors import WrongUse
from replicator.operations import table_admin
from replicator.operations.opening import open_node, open_view
from replicator.operations.table_admin import TableSummary
from replicator.operations.table_upgrades import TableUpgrade, upgrade_tables
from replicator.types import Policy

app = typer.Typer(help="The replicated tables.", no_args_is_help=True)

SomeNames = Annotated[list[str] | None, typer.Argument(metavar="[NAME…]", help="Names of tables, else all.")]


@app.command("add")
def add(
    context: typer.Context,
    names: Names,
    area: Area = None,
    policy: PolicyChoice = Policy.HOST,
    replace_cascades: ReplaceCascades = False,
) -> None:
    """Capture changes of tables from now on. A rule says what is sent of them, and to whom."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node, Bars(console(to_stderr=True)) as bars:
        added = table_admin.add_tables(
            node, names, area=area, policy=policy, replace_cascades=replace_cascades, progress=bars
        )
    for remark in added.remarks:
        say(remark)
    say(f"Changes of {', '.join(table.name for table in added.tables)} are captured from now on.")
    what = area or added.tables[0].name
    say(f"Set a rule to send them: replicator rule set STATION {what} --to-remote KINDS --to-host KINDS")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the replicated tables."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        found = table_admin.list_tables(view)
    if as_json:
        print_json([_plain(each) for each in found])
        return
    columns = (
        Column("area", "area"),
        Column("name", "table", whole=True),
        Column("columns", "columns", justify="right"),
        Column("rows", "rows", justify="right"),
        Column("policy", "policy"),
        Column("stations", "stations with a rule"),
    )
    print_listing([_row(each) for each in found], columns, as_json, empty="no table is replicated yet")


def _row(summary: TableSummary) -> dict[str, Any]:
    return {
        "area": summary.table.area,
        "name": summary.table.name,
        "columns": len(summary.table.definition.columns),
        "rows": "missing" if summary.rows is None else summary.rows,
        "policy": str(summary.table.policy),
        "stations": list(summary.stations),
    }


def _plain(summary: TableSummary) -> dict[str, Any]:
    table = summary.table
    return {
        "number": table.id,
        "name": table.name,
        "area": table.area,
        "policy": table.policy,
        "columns": list(table.definition.column_names),
        "primary_key": list(table.definition.primary_key),
        "rows": summary.rows,
        "version": summary.version,
        "held": summary.held,
        "stations": record(summary.stations),
    }


@app.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The table's name.")],
    as_json: AsJson = False,
) -> None:
    """Show a table: its columns and keys, as they travel, and its rules."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        summary = table_admin.show_table(view, name)
    table, definition = summary.table, summary.table.definition
    if as_json:
        print_json(_plain(summary) | {"definition": record(definition)})
        return
    rules = [f"{station} gets {rule.to_remote}, sends {rule.to_host}" for station, rule in summary.stations.items()]
    head = {
        "table": f"{table.name} (number {table.id})",
        "area": table.area,
        "policy": table.policy,
        "rows": "missing" if summary.rows is None else summary.rows,
        "version": f"{summary.version}{', held: the host has another one' if summary.held else ''}",
        "rules": "; ".join(rules) or "none",
        "unique": "; ".join(", ".join(key.columns) for key in definition.unique_keys) or None,
        "refers to": "; ".join(f"{key.parent} by {', '.join(key.columns)}" for key in definition.foreign_keys) or None,
    }
    print_record({key: value for key, value in head.items() if value is not None}, as_json=False)
    columns = (
        Column("name", "column", whole=True),
        Column("type", "type"),
        Column("key", "key"),
        Column("not_null", "not null"),
    )
    rows = [
        {
            "name": column.name,
            "type": column.type.declared or column.type.kind.value,
            "key": "key" if column.name in definition.primary_key else "",
            "not_null": "" if column.nullable else "not null",
        }
        for column in definition.columns
    ]
    print_listing(rows, columns, as_json)


@app.command("set")
def set_(
    context: typer.Context,
    names: Names,
    policy: Annotated[Policy | None, typer.Option("--policy", help="Who wins a conflict from now on.")] = None,
    area: Annotated[str | None, typer.Option("--area", help="The group they are in; '' for none.")] = None,
) -> None:
    """Change who wins conflicts over tables, or the area they are in."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        changed = table_admin.set_tables(node, names, policy=policy, area=area)
    for table in changed:
        say(f"{table.name}: policy {table.policy}, {f'area {table.area}' if table.area else 'no area'}.")
    if not changed:
        say("It was so already.")


@app.command("remove")
def remove(context: typer.Context, names: Names) -> None:
    """Capture nothing of these tables any more. Their rows stay where they are."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        gone = table_admin.remove_tables(node, names)
    say(f"{', '.join(gone)}: replicated no more. The rows stay where they are.")


@app.command("upgrade")
def upgrade(
    context: typer.Context,
    names: SomeNames = None,
    renamed: Annotated[
        list[str] | None,
        typer.Option(
            "--renamed", metavar="OLD=NEW", help="A column that was renamed; none: no column was. Repeatable."
        ),
    ] = None,
    dropping: Annotated[
        list[str] | None,
        typer.Option(
            "--dropping",
            metavar="COLUMN",
            help="A column that is replicated no more, so that the application can drop it; none: no column is. "
            "Repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take over what an ALTER TABLE has made of tables, and tell the stations."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node, Bars(console(to_stderr=True)) as bars:
        found = upgrade_tables(node, names or [], _renamed(renamed), dropping=_dropping(dropping), progress=bars)
    if as_json:
        print_json(record(found))
    else:
        rows = [{"name": each.name, "state": _what_was_done(each)} for each in found]
        columns = (Column("name", "table", whole=True), Column("state", "state"))
        print_listing(rows, columns, as_json, empty="no table is replicated yet")
    if any(each.held for each in found):
        raise typer.Exit(WAITS_FOR_A_PERSON)


def _renamed(words: list[str] | None) -> dict[str, str] | None:
    if words is None:
        return None
    pairs = {}
    for word in words:
        old, found, new = word.partition("=")
        if found and old and new:
            pairs[old] = new
        elif word != "none":
            raise WrongUse(f"--renamed {word}: write it as OLD=NEW, or none where no column was renamed")
    return pairs


def _dropping(words: list[str] | None) -> list[str] | None:
    return None if words is None else [word for word in words if word != "none"]


def _what_was_done(done: TableUpgrade) -> str:
    if done.held:
        said = "held: " + "; ".join(done.held)
    elif done.changes:
        said = "; ".join(done.changes)
        said += f"; told to {', '.join(done.stations)}" if done.stations else ""
        said += f"; {done.rows} rows are sent for what stands in changed columns" if done.rows else ""
    else:
        said = "as it is replicated"
        said += f"; its triggers were gone or out of date: {done.rows} rows are sent once more" if done.rows else ""
    left = ", ".join(done.leaving)
    return said + (f"; {left} may be dropped, and is not replicated any more" if left else "")


@app.command("check")
def check(
    context: typer.Context,
    names: SomeNames = None,
    repair: Annotated[bool, typer.Option("--repair", help="Make missing or changed triggers anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold tables against what is replicated, and look after their triggers."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        found = table_admin.check_tables(node, names or [], repair=repair)
    if as_json:
        print_json(record(found))
    else:
        rows = [{"name": each.name, "state": "; ".join(each.faults) or "fits"} for each in found]
        columns = (Column("name", "table", whole=True), Column("state", "state"))
        print_listing(rows, columns, as_json, empty="no table is replicated yet")
    if any(each.faults for each in found):
        raise typer.Exit(WAITS_FOR_A_PERSON)


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="table")
