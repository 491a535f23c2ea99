"""Which mailboxes the mail for each peer goes by, and the queue that each of them has for each peer.

What is not acknowledged waits for every mailbox that is set for its peer until that one has taken it, so that a stick
that is plugged in after a week gets all that is still needed, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from replicator.engine.mail_packing import mails_waiting
from replicator.engine.mailboxes import Away, AwayMailbox, NodeMailbox
from replicator.engine.node import Node, Unit
from replicator.errors import ConfigurationError, LoginRefused, NotTrusted
from replicator.store import batches, notices, routes

UNUSABLE = "unusable-mailbox"
"""Kind of the notice about one of several mailboxes to which a person has to see."""


def settle_routes(unit: Unit) -> None:
    """Hold the mailboxes of the configuration against those in the database; what waits follows.

    A mailbox that is new for a peer gets all that the peer has not acknowledged.
    """
    known = routes.known(unit.connection)
    boxes = unit.node.mailboxes
    for box in boxes:
        found = known.get(box.name)
        box.number = found.number if found else routes.add_mailbox(unit.connection, box.name)
    wanted = {(peer.id, box.number) for peer in unit.peers.values() for box in boxes if box.serves(peer.name)}
    there = routes.pairs(unit.connection)
    if wanted == there:
        return
    routes.remove(unit.connection, there - wanted)
    routes.add(unit.connection, sorted(wanted - there))
    unit.forget_routes()
    for peer, mailbox in sorted(wanted - there):
        for batch in batches.unacknowledged(unit.connection, peer):
            queue_parts(unit, peer, batch.n, [(0, batch.size)], only=mailbox)


def queue_parts(
    unit: Unit,
    peer: int,
    n: int,
    ranges: Iterable[tuple[int, int]],
    *,
    only: int | None = None,
    is_new: bool = False,
) -> None:
    """These byte ranges (start, length) of a batch are to go by every mailbox of the peer, or by one only, cut to what
    each takes. What waits for one already is not queued twice, which needs not be looked up for a batch that `is_new`.
    """
    ranges = list(ranges)
    for route in unit.routes(peer):
        if only is None or route.mailbox == only:
            part = unit.part_bytes_of(route.part_bytes)
            pieces = [(start + offset, size) for start, length in ranges for offset, size in part_ranges(length, part)]
            waiting = [] if is_new else batches.waiting_ranges(unit.connection, peer, n, route.mailbox)
            batches.enqueue(unit.connection, peer, n, route.mailbox, not_covered(pieces, waiting))


def part_ranges(size: int, part_bytes: int) -> list[tuple[int, int]]:
    """(start, length) of the parts that a stream of this size is mailed in."""
    return [(start, min(part_bytes, size - start)) for start in range(0, size, part_bytes)]


def not_covered(ranges: list[tuple[int, int]], waiting: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of the (start, length) that are not wholly within what waits, however that is cut."""
    there: list[tuple[int, int]] = []
    for start, length in sorted(waiting):
        first, end = there.pop() if there and start <= there[-1][1] else (start, start)
        there.append((first, max(end, start + length)))
    return [
        (start, length)
        for start, length in ranges
        if not any(first <= start and start + length <= end for first, end in there)
    ]


# --- mailboxes that are away ------------------------------------------------------------------------------------------


def note_away(node: Node, away: Away) -> list[AwayMailbox]:
    """At the end of a run: since when which mailbox is away is put on record, and told.

    That a server does not let us in is for a person to see to; that a stick is not there is as it should be.
    """
    if not node.further:
        return []
    told = []
    with node.unit() as unit:
        known = routes.known(unit.connection)
        for box in node.mailboxes:
            trouble = away.troubles.get(box.number)
            _note(unit, box, known[box.name].away_since, trouble)
            if trouble is not None:
                told.append(_told(unit, box, str(trouble)))
    return told


def _note(unit: Unit, box: NodeMailbox, since: int, trouble: Exception | None) -> None:
    if bool(since) != (trouble is not None):
        routes.set_away(unit.connection, box.number, unit.now if trouble is not None else 0)
    if isinstance(trouble, LoginRefused | NotTrusted | ConfigurationError):
        unit.notice(UNUSABLE, box.name, f"the mailbox {box.label} can't be used: {trouble}", waiting=True)
    elif since and trouble is None:
        notices.settle(unit.connection, (UNUSABLE,), box.name)


def _told(unit: Unit, box: NodeMailbox, reason: str) -> AwayMailbox:
    room = unit.part_bytes_at(box.number)
    mails = sum(mails_waiting(unit.connection, peer, box.number, room) for peer in unit.peers)
    size = sum(batches.queue_bytes(unit.connection, peer, [box.number]) for peer in unit.peers)
    return AwayMailbox(box.name, reason, mails, size)
