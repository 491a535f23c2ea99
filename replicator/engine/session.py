"""The whole run on one page: receive → collect → apply → publish → send, and then what is not ours."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from replicator.engine import bases
from replicator.engine.apply import Applied, apply_ready
from replicator.engine.binding import bind, check_machine
from replicator.engine.collect import collect, collect_gently
from replicator.engine.comparing import start_comparisons
from replicator.engine.findings import look_at_answers
from replicator.engine.forwarding import Forwarded, forward
from replicator.engine.handing_on import hand_on
from replicator.engine.held_tables import follow
from replicator.engine.incarnation import begin_anew
from replicator.engine.key_counting import count_on, misplaced
from replicator.engine.leaving import look_after_gone
from replicator.engine.mailboxes import Away, AwayMailbox
from replicator.engine.mailing import Sent
from replicator.engine.node import Node
from replicator.engine.number_ledgers import refill
from replicator.engine.number_requests import ask
from replicator.engine.numbers import enforce, fallen
from replicator.engine.progress import Progress, Silent
from replicator.engine.publish import publish
from replicator.engine.purging import Purged, purge_a_little
from replicator.engine.receive import Received, receive
from replicator.engine.releasing import release_due
from replicator.engine.reloading import send_reloads
from replicator.engine.restarting import rewind_links
from replicator.engine.routing import note_away, settle_routes
from replicator.engine.send import send
from replicator.engine.snapshot import start_snapshots
from replicator.engine.soundness import check_capture
from replicator.engine.timelines import begin_timeline
from replicator.engine.upgrading import take_over_safe
from replicator.errors import Halted
from replicator.store import comparisons, conflicts, numbers, parcels, slices
from replicator.types import Role


@dataclass(slots=True)
class Summary:
    """What one run did, each way."""

    received: Received = field(default_factory=Received)
    applied: Applied = field(default_factory=Applied)
    released: int = 0
    """Changes that left quarantine, or that the host was asked for again."""
    collected: int = 0
    snapshots: int = 0
    batches: int = 0
    sent: Sent = field(default_factory=Sent)
    away: list[AwayMailbox] = field(default_factory=list)
    """Mailboxes that could not be used while others could."""
    forwarded: Forwarded = field(default_factory=Forwarded)
    purged: Purged = field(default_factory=Purged)
    warnings: list[str] = field(default_factory=list)


def _nothing(_node: Node) -> list[str]:
    return []


def run(
    node: Node,
    *,
    resend_now: bool = False,
    progress: Progress | None = None,
    first: Callable[[Node], list[str]] = _nothing,
) -> Summary:
    """One synchronisation. May die at any moment: nothing is lost and nothing is doubled.

    `first` is done once the node is known to be as we left it; it returns what a person has to know.

    Raises Halted when the node has halted or must, MailboxTrouble and DatabaseTrouble as they come; a later run goes
    on where this one ended.
    """
    try:
        return _run(node, resend_now, progress or Silent(), first)
    except Halted:
        node.stop_numbers()
        raise


def _run(node: Node, resend_now: bool, show: Progress, first: Callable[[Node], list[str]]) -> Summary:
    summary, away = Summary(), Away()
    with _without_cycle_collector():
        start(node, summary)
        summary.warnings += first(node)
        if node.role is Role.STATION:
            look_after_numbers(node)  # what it asks for travels ahead of its changes
        summary.received = receive(node, progress=show, away=away)
        summary.collected = collect_gently(node)
        summary.released = release_due(node)
        summary.applied = apply_ready(node, show)
        summary.collected += collect_gently(node)
        with node.unit() as unit:
            summary.collected += collect(unit)
        look_after_numbers(node)
        summary.purged = purge_a_little(node)
        if node.role is Role.HOST:
            rewind_links(node)
            summary.snapshots = start_snapshots(node, show)
            send_reloads(node)
            look_at_answers(node)
            start_comparisons(node)
            hand_on(node)
        summary.batches = publish(node)
        summary.sent = send(node, resend_now=resend_now, progress=show, away=away)
        bases.keep(node, show)
        # Last, as it has the least claim on a budget of mails, and what it meets must not hold up our own.
        summary.forwarded = forward(node, summary.sent.mails, away)
        summary.away = note_away(node, away)
    return summary


def look_after_numbers(node: Node) -> None:
    """Blocks in hand before they are needed, and triggers that stand.

    Behind what was applied, which may have brought blocks, keys, and numbers that somebody gave back.
    """
    with node.unit() as unit:
        if not numbers.load_ranges(unit.connection):
            return
        if unit.is_host:
            refill(unit)
        else:
            ask(unit)
        without_triggers, counters = fallen(unit), misplaced(unit)
    enforce(node, without_triggers)
    count_on(node, counters)


@contextmanager
def _without_cycle_collector() -> Iterator[None]:
    """Python's collector of reference cycles looks through every row in memory again and again: a quarter of a run's
    time for nothing, as rows hold no cycles. What has none is freed at once all the same."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def start(node: Node, summary: Summary) -> None:
    """Is this node as we left it? A database older than the side file was restored (protocol.md 3.4, 5.11, 5.12)."""
    side = node.side()
    if side.halted:
        raise Halted(f"this node has halted: {side.halted}")
    with node.unit() as unit:
        if side.run > unit.state.run:
            reason = (
                f"the database of this node is older than what it has already sent (run {unit.state.run} of "
                f"{side.run}): it was restored from a backup"
            )
        else:
            reason = ""
            check_machine(unit, side)
            settle_routes(unit)
            conflicts.forget(unit.connection, unit.now - node.settings.conflicts_kept)
            comparisons.forget(unit.connection, unit.now - node.settings.conflicts_kept)
    if reason:
        begin = begin_anew if node.role is Role.STATION else begin_timeline
        begin(node, reason)
        start(node, summary)
    else:
        summary.warnings += keep_up(node)
        bind(node, side)


def keep_up(node: Node) -> list[str]:
    """Tables that the application has changed are taken over where that is safe, and those of a station brought to
    where the host's are. Returns what a person has to know of the others."""
    with node.unit() as unit:
        faulty = unit.database.faulty_tables(unit.connection, unit.tables.values())
        names = [unit.tables[number].name for number in faulty]
        if not names and not unit.held:
            return []
    look_after_gone(node, names)
    if node.role is Role.HOST:
        take_over_safe(node, names)
    else:
        follow(node)
    with node.unit() as unit:
        return check_capture(unit)


def sweep(node: Node) -> int:
    """What a crash left behind in the spool. Only under the node's lock."""
    with node.unit() as unit:
        kept = slices.spooled(unit.connection)
        inbound = [parked.place for peer in unit.peers for parked in parcels.all_parked(unit.connection, peer)]
    return node.spool.sweep(kept, inbound)
