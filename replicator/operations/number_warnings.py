"""Which number ranges run out here, or at a station, before more can be there (protocol/number_outlook.py)."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.operations.opening import View
from replicator.protocol.link import DAY
from replicator.protocol.number_outlook import Outlook, estimated_left, outlook
from replicator.protocol.numbers import Share, Way
from replicator.store import number_pace, number_spans, numbers
from replicator.store.numbers import StoredRange
from replicator.types import HOST_PEER

_MINUTE, _HOUR = DAY // 1440, DAY // 24


def running_out(view: View) -> list[str]:
    """A sentence for each, with what to do."""
    shares = {each: share for each, share in numbers.load_shares(view.connection).items() if not share.closed}
    ranges = numbers.load_ranges(view.connection)
    asked = numbers.requested(view.connection)
    found: list[str] = []
    for (peer, number), share in sorted(shares.items()):
        stored = ranges[number]
        if peer:
            found += _there(view, peer, stored, share)
        else:
            found += _here(view, stored, share, number in asked)
    return found


def _here(view: View, stored: StoredRange, share: Share, asked: bool) -> Iterator[str]:
    name, left = _name(stored), numbers.left(view.connection, stored.range.id)
    if not left:
        yield f"no number of {name} is left here: run the replicator, which brings more"
    if view.is_host or stored.range.way is Way.KEYS:
        # The host takes more at each of its runs. How far keys have come only a run knows.
        return
    drawn = number_pace.drawn(view.connection, HOST_PEER, stored.range.id)
    contacts = number_pace.contacts(view.connection, HOST_PEER)
    found = outlook(left, share, drawn, contacts, view.now, asked=asked)
    if left and found is not None:
        yield (
            f"{name}: the {left:,} numbers left here last {_about(found.lasts)}, and more are here in "
            f"{_about(found.arrives)} by the usual rhythm; run the replicator now"
            f"{_larger(view.node.name, stored, share, found, 'at the host: ')}"
        )


def _there(view: View, peer: int, stored: StoredRange, share: Share) -> Iterator[str]:
    drawn = number_pace.drawn(view.connection, peer, stored.range.id)
    if not drawn or not view.peers[peer].enabled:
        return
    granted = sum(len(span.block) for span in number_spans.held(view.connection, stored.range.id, peer))
    left = estimated_left(granted, drawn, view.now)
    contacts = number_pace.contacts(view.connection, peer)
    found = outlook(left, share, drawn, contacts, view.now, asked=False)
    if found is not None:
        station = view.name_of(peer)
        yield (
            f"{_name(stored)} at {station}: about {left:,} numbers are left there, which last {_about(found.lasts)}, "
            f"and more are there in {_about(found.arrives)} by the usual rhythm; let {station} run the replicator"
            f"{_larger(station, stored, share, found, '')}"
        )


def _larger(station: str, stored: StoredRange, share: Share, found: Outlook, where: str) -> str:
    """The other thing that helps, for the next time."""
    if found.block <= share.block:
        return ""
    command = f"numbers set {station} {stored.table_name} --column {stored.range.column} --block {found.block}"
    return f", more often, or {where}replicator {command}"


def _name(stored: StoredRange) -> str:
    return f"{stored.table_name}.{stored.range.column}"


def _about(span: int) -> str:
    """Microseconds in words."""
    for unit, name in ((DAY, "days"), (_HOUR, "hours")):
        if span >= 2 * unit:
            return f"about {span // unit} {name}"
    return f"about {max(1, span // _MINUTE)} minutes"
