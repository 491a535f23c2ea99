"""`rule`: what passes between the host and a station, in which direction."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli.console import AsJson, Column, human_size, print_json, print_listing
from replicator.cli.formats import counted, kinds, record, say, ticks, words
from replicator.cli.session import session_of
from replicator.errors import WrongUse
from replicator.operations import rule_rehearsal, rules_admin
from replicator.operations.opening import open_node, open_view
from replicator.operations.rule_rehearsal import Expected
from replicator.operations.rules_admin import StationRule
from replicator.types import Kinds

app = typer.Typer(help="What passes between the host and its stations.", no_args_is_help=True)

_KINDS = "new,changed,deleted, or all, or none"

StationName = Annotated[str, typer.Argument(metavar="STATION", help="The station's name.")]
What = Annotated[str, typer.Argument(metavar="TABLE|AREA|all", help="What the rule is about.")]
ToRemote = Annotated[
    str | None, typer.Option("--to-remote", metavar="KINDS", help=f"What goes to the station: {_KINDS}.")
]
ToHost = Annotated[
    str | None, typer.Option("--to-host", metavar="KINDS", help=f"What the host takes from it: {_KINDS}.")
]


@app.command("set")
def set_(
    context: typer.Context,
    station: StationName,
    what: What,
    to_remote: ToRemote = None,
    to_host: ToHost = None,
) -> None:
    """Set a station's rule for a table, an area or all tables. A direction that isn't given stays as it is."""
    if to_remote is None and to_host is None:
        raise WrongUse("nothing to set: give --to-remote or --to-host with new,changed,deleted, or all, or none")
    down, up = kinds(to_remote), kinds(to_host)
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        done = rules_admin.set_rule(node, station, what, to_remote=down, to_host=up)
    if not done.rules:
        say(f"Nothing to change: the rules of {station} were so already.")
    for each in done.rules:
        say(f"{each.table}: {station} gets {each.rule.to_remote}, and sends {each.rule.to_host}")
    for remark in done.remarks:
        say(remark)
    if done.rules:
        say(f"{station} learns of it with the next run.")


@app.command("rehearse")
def rehearse(
    context: typer.Context,
    station: StationName,
    what: What,
    to_remote: ToRemote = None,
    to_host: ToHost = None,
    as_json: AsJson = False,
) -> None:
    """Say what `rule set` would send, and change nothing."""
    if to_remote is None and to_host is None:
        raise WrongUse("nothing to rehearse: give --to-remote or --to-host with new,changed,deleted, or all, or none")
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        found = rule_rehearsal.rehearse(view, station, what, to_remote=kinds(to_remote), to_host=kinds(to_host))
    if as_json:
        print_json(record(found))
        return
    columns = (
        Column("table", "table", whole=True),
        Column("remote", "to remote"),
        Column("host", "to host"),
        Column("rows", "rows", justify="right"),
        Column("size", "bytes", justify="right"),
    )
    print_listing([_expected(each) for each in found.tables], columns, as_json, empty="nothing would change")
    if found.mails:
        total = sum(each.bytes for each in found.tables)
        say(f"{station} gets {counted(found.mails, 'mail')} with {human_size(total)} of content.")
    asked = [each.table for each in found.tables if each.asks]
    if asked:
        say(f"It sends what it has held back of {', '.join(asked)}; how much that is only {station} knows.")


def _expected(each: Expected) -> dict[str, Any]:
    return {
        "table": each.table,
        "remote": _changed(each.old.to_remote, each.new.to_remote),
        "host": _changed(each.old.to_host, each.new.to_host),
        "rows": f"{each.rows:,}",
        "size": ("" if each.exact else "about ") + human_size(each.bytes),
    }


def _changed(old: Kinds, new: Kinds) -> str:
    return str(new) if new == old else f"{new} (was {old})"


@app.command("list")
def list_(
    context: typer.Context,
    station: Annotated[str | None, typer.Argument(metavar="[STATION]", help="One station, else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the rules, with both directions side by side."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        rules = rules_admin.list_rules(view, station)
    if as_json:
        print_json([_plain(rule) for rule in rules])
        return
    columns = [Column("station", "station", whole=True), Column("area", "area"), Column("table", "table", whole=True)]
    for prefix, title in (("remote", "to remote"), ("host", "to host")):
        columns += [
            Column(f"{prefix}_new", f"{title}:\nnew"),
            Column(f"{prefix}_changed", "\nchanged"),
            Column(f"{prefix}_deleted", "\ndeleted"),
        ]
    print_listing([_row(rule) for rule in rules], columns, as_json, empty="there are no stations or tables yet")


def _plain(rule: StationRule) -> dict[str, Any]:
    return {
        "station": rule.station,
        "table": rule.table,
        "area": rule.area,
        "to_remote": words(rule.rule.to_remote),
        "to_host": words(rule.rule.to_host),
    }


def _row(rule: StationRule) -> dict[str, Any]:
    return {
        "station": rule.station,
        "area": rule.area,
        "table": rule.table,
        **dict(ticks(rule.rule.to_remote, "remote")),
        **dict(ticks(rule.rule.to_host, "host")),
    }


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="rule")
