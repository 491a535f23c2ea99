"""`status`: what a node is, how far it has come, what waits, and what needs a person."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from replicator.cli import link_lines
from replicator.cli.console import AsJson, human_size, moment, print_json, print_record
from replicator.cli.formats import counted, position_text, record, say
from replicator.cli.session import session_of
from replicator.cli.station import print_links
from replicator.operations import status
from replicator.operations.opening import open_node, open_view
from replicator.operations.status import MailboxStatus, Status
from replicator.protocol.link import DAY
from replicator.types import Role

WAITS_FOR_A_PERSON = 3
LONG = DAY
"""Microseconds after which it is told what a station keeps us from forgetting."""


def show_status(
    context: typer.Context,
    done: Annotated[
        list[int] | None, typer.Option("--done", metavar="NUMBER", help="Somebody has seen to what waited.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the node, its links, and what waits. Ends with 3 when something waits for a person."""
    session = session_of(context)
    home = session.node_home()
    if done:
        with open_node(home, session.runtime) as node:
            status.settle_needs(node, done)
    with open_view(home, session.runtime) as view:
        found, now = status.status_of(view), view.now
    if as_json:
        print_json(_plain(found))
    else:
        _print(found, now)
    if found.needs:
        raise typer.Exit(WAITS_FOR_A_PERSON)


def _plain(found: Status) -> dict[str, Any]:
    whole: dict[str, Any] = record(found)
    return whole | {"waits_for_a_person": bool(found.needs)}


def _print(found: Status, now: int) -> None:
    work = []
    if found.changes_captured:
        work.append("changes of the application to collect")
    if found.groups_uncut:
        work.append(f"{counted(found.groups_uncut, 'group')} of the journal to pack")
    print_record(
        {
            "node": f"{found.name} ({found.role}){'' if found.enabled else ', switched off'}",
            "address": found.address,
            "home": found.home,
            "database": found.database,
            **{f"mailbox {box.name}".strip(): _mailbox(box) for box in found.mailboxes},
            "host's position": position_text(found.position),
            "applied here": ", ".join(f"{origin} {n}" for origin, n in found.vector.items()),
            "conflicts on record": found.conflicts,
            "in quarantine": found.quarantined,
            "for the next run": "; ".join(work) or "nothing",
        },
        as_json=False,
    )
    print()
    print_links(found.links, False, now)
    for link in found.links:
        if link.full_since is not None:
            say(link_lines.full_mailbox(link))
        if link.asked:
            say(f"{link.name} has not told yet what this host has forgotten")
        if found.role is Role.HOST and link.holds_since is not None and now - link.holds_since > LONG:
            say(f"{link.name} holds back {link_lines.held_back(link)}")
        for sentence in link_lines.of_station(link):
            say(sentence)
    for sentence in link_lines.of_this_station(found):
        say(sentence)
    if not found.needs:
        say("Nothing waits for a person.")
        return
    say("Waits for a person:")
    for need in found.needs:
        number = "" if need.number is None else f"[{need.number}] "
        at = moment(need.at)
        say(f"  {number}{need.message}{f' ({at.astimezone():%Y-%m-%d %H:%M})' if at else ''}")
    numbers = [need.number for need in found.needs if need.number is not None]
    if numbers:
        say(f"When it is seen to: replicator status --done {numbers[0]}")


def _mailbox(box: MailboxStatus) -> str:
    text = box.mailbox
    if box.name and not box.enabled:
        text += ", switched off"
    if box.name and not box.sends:
        text += ", only fetched from"
    at = moment(box.away_since)
    if at:
        text += f", away since {at.astimezone():%Y-%m-%d %H:%M}"
        if box.waiting_bytes:
            text += f"; {counted(box.waiting_mails, 'mail')} for it, {human_size(box.waiting_bytes)}"
    return text


def join(program: typer.Typer) -> None:
    program.command("status")(show_status)
