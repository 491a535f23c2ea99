"""`station`: a host's stations, and their invitations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from replicator.cli import link_lines
from replicator.cli.console import (
    AsJson,
    Column,
    human_size,
    human_span,
    moment,
    print_json,
    print_listing,
    print_record,
)
from replicator.cli.formats import counted, position_text, record, say
from replicator.cli.passphrase import new_passphrase
from replicator.cli.session import session_of
from replicator.databases.elsewhere import title_of
from replicator.errors import WrongUse
from replicator.operations import recovering, stations, status
from replicator.operations.opening import open_node, open_view
from replicator.operations.stations import Invited
from replicator.operations.status import LinkStatus

app = typer.Typer(help="The host's stations.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The station's name.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", readable=False, help="The invitation's file, else NAME.invitation here."),
]
Protected = Annotated[
    bool,
    typer.Option("--passphrase", help="Protect the invitation; asked for, or taken from REPLICATOR_PASSPHRASE."),
]

Kind = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="KIND",
        help="Its database: postgresql, mariadb or sqlite, where that is known before it says so itself.",
    ),
]

LINK_COLUMNS = (
    Column("name", "station", whole=True),
    Column("title", "title"),
    Column("address", "address", whole=True),
    Column("state", "state"),
    Column("heard_at", "heard"),
    Column("sent_at", "sent"),
    Column("waiting", "on its way"),
)


@app.command("add")
def add(
    context: typer.Context,
    name: Name,
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="The station's e-mail address.")],
    title: Annotated[str | None, typer.Option("--title", help="A title for people.")] = None,
    database: Kind = None,
    copy_of: Annotated[
        str | None,
        typer.Option("--copy-of", metavar="STATION", help="It is a copy of this station, and gets the rules of it."),
    ] = None,
    backup: Annotated[
        bool,
        typer.Option(
            "--backup", help="It gets everything, sends nothing, and can become the host if this one is lost."
        ),
    ] = False,
    out: Out = None,
    passphrase: Protected = False,
) -> None:
    """Add a station and write its invitation."""
    session = session_of(context)
    home = session.node_home()
    secret = new_passphrase(session) if passphrase else None
    with open_node(home, session.runtime) as node:
        invited = stations.add_station(
            node,
            name,
            address,
            title=title,
            out=out,
            passphrase=secret,
            database=database,
            copy_of=copy_of,
            backup=backup,
        )
    _tell(invited)
    for remark in invited.remarks:
        say(remark)
    if backup:
        say("It gets all tables, also those that are added later, and all that a host needs to know.")
        say("Once it has been heard of, run this host: it tells its stations whom to accept in its place.")
        return
    if copy_of is not None:
        say(f"It has the rules of {copy_of}. Next, at the copy: replicator copy {invited.file} --mailbox URL")
        return
    say(f"Next: replicator rule set {invited.name} TABLE|AREA|all --to-remote KINDS --to-host KINDS")


@app.command("invite")
def invite(context: typer.Context, name: Name, out: Out = None, passphrase: Protected = False) -> None:
    """Write a new invitation: the computer was replaced, or the invitation lost. What is in use becomes void."""
    session = session_of(context)
    home = session.node_home()
    secret = new_passphrase(session) if passphrase else None
    with open_node(home, session.runtime) as node:
        _tell(stations.invite_station(node, name, out=out, passphrase=secret))


def _tell(invited: Invited) -> None:
    again = " anew; older invitations and the computer in use so far are void" if invited.renewed else ""
    say(f"{invited.name} <{invited.address}> is invited{again}. The invitation is in {invited.file}.")
    if invited.protected:
        say("Pass the file on, and the passphrase by another way.")
    else:
        say("Pass the file on like a key: whoever has it can take the station's place.")


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List the stations."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        links = status.list_stations(view)
        now = view.now
    print_links(links, as_json, now)


def print_links(links: list[LinkStatus], as_json: bool, now: int) -> None:
    if as_json:
        print_json(record(links))
    else:
        print_listing([_row(link, now) for link in links], LINK_COLUMNS, as_json, empty="no stations yet")


def _row(link: LinkStatus, now: int) -> dict[str, Any]:
    waiting = ""
    if link.unacknowledged_bytes:
        age = human_span((now - link.oldest_at) / 1_000_000) if link.oldest_at else "0 s"
        waiting = f"{human_size(link.unacknowledged_bytes)}, for {age}"
    return {
        "name": link.name,
        "title": link.title,
        "address": link.address,
        "state": _state(link),
        "heard_at": moment(link.heard_at),
        "sent_at": moment(link.sent_at),
        "waiting": waiting,
    }


def _database(link: LinkStatus) -> str | None:
    if link.database is None:
        return "not known yet" if link.is_station else None
    said = link.database_version or "(as was said here)"
    return f"{title_of(link.database)} {said}"


def _state(link: LinkStatus) -> str:
    state = f"{'joined' if link.joined else 'invited'}{', backup' if link.backup else ''}"
    return state if link.enabled else f"{state}, off"


def _next_run(link: LinkStatus) -> str | None:
    if link.asked:
        return "waits until it has told what this host has forgotten"
    return "sends everything in its rules" if link.starts_anew and not link.unfit else None


@app.command("show")
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show all that is known of a station and its link."""
    session = session_of(context)
    with open_view(session.node_home(), session.runtime) as view:
        link = status.show_station(view, name)
    if as_json:
        print_json(record(link))
        return
    parked = f"{link.parked_batches} of its batches, {human_size(link.parked_bytes)}" if link.parked_batches else None
    print_record(
        {
            "name": link.name,
            "title": link.title,
            "address": link.address,
            "state": _state(link),
            "database": _database(link),
            "key": link.key,
            "added": moment(link.created_at),
            "last heard": moment(link.heard_at),
            "last sent": moment(link.sent_at),
            "next run": _next_run(link),
            "mailbox": link_lines.full_mailbox(link).removeprefix(f"mailbox of {link.name} ") or None,
            "batches sent": f"{link.made} in epoch {position_text(link.out_epoch)}",
            "acknowledged": f"{link.acknowledged}, journal up to {position_text(link.covered)}",
            "on its way": human_size(link.unacknowledged_bytes),
            "waiting to be mailed": f"{counted(link.waiting_mails, 'mail')}, {human_size(link.waiting_bytes)}",
            "batches taken": f"{link.applied} in epoch {position_text(link.in_epoch)}",
            "waiting to be applied": parked,
            "sequence": link.sequence,
            "holds back": link_lines.held_back(link) or None,
        },
        as_json=False,
    )
    for sentence in (*link_lines.of_station(link), *(f"Its database can't hold this: {each}" for each in link.unfit)):
        say(sentence)


@app.command("set")
def set_(
    context: typer.Context,
    name: Name,
    title: Annotated[str | None, typer.Option("--title", help="A title for people.")] = None,
    address: Annotated[str | None, typer.Option("--address", metavar="ADDRESS", help="Its e-mail address.")] = None,
    database: Kind = None,
) -> None:
    """Change a station's title or address, or what is known of its database."""
    if title is None and address is None and database is None:
        raise WrongUse("nothing to set: give --title, --address or --database")
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        peer = stations.change_station(node, name, title=title, address=address, database=database)
    say(f"{peer.name} <{peer.address}>{f', {peer.title}' if peer.title else ''}")


@app.command("enable")
def enable(context: typer.Context, name: Name) -> None:
    """Switch a station on."""
    _switch(context, name, on=True)


@app.command("disable")
def disable(context: typer.Context, name: Name) -> None:
    """Switch a station off: nothing is sent to it, and its mail stays where it is."""
    _switch(context, name, on=False)


def _switch(context: typer.Context, name: str, *, on: bool) -> None:
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        changed = stations.enable_station(node, name, on)
    say(f"{name} {'is' if changed else 'was'} {'on' if on else 'off'}{'' if changed else ' already'}.")


@app.command("reload")
def reload(
    context: typer.Context,
    name: Name,
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="This table's rows only.")] = None,
) -> None:
    """Send a station everything in its rules anew with the next run, or one table's rows."""
    session = session_of(context)
    with open_node(session.node_home(), session.runtime) as node:
        recovering.reload_station(node, name, table)
    say(f"The next run sends {name} {f'all rows of {table}' if table else 'everything in its rules'} anew.")


@app.command("remove")
def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Remove a station for good. What it has not sent is lost to the host."""
    session = session_of(context)
    home = session.node_home()
    with open_view(home, session.runtime) as view:
        link = status.show_station(view, name)
    question = f"Remove {link.name} <{link.address}>? What it has not sent yet will never be taken."
    if not yes and not typer.confirm(question, err=True):
        raise typer.Exit(1)
    with open_node(home, session.runtime) as node:
        stations.remove_station(node, name)
    say(f"{name} is removed.")


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="station")
