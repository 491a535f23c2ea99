"""The link between host and station: two streams of frozen, chained, acknowledged batches. Pure; no I/O.

Theory (protocol.md 2, 4.1, 5.3, 5.10). A *stream* is one direction of a link: batches numbered from 1 within an
*epoch*, each naming the digest of its predecessor. A batch never changes once it has a number; a mail may be lost,
doubled, delayed, reordered or replayed without harm, because

* the receiver applies only batch n + 1 of its present epoch, and only if it chains to the digest of n;
* acknowledgements name *applied* batches with their digest, so that a restored or copied end is found out by the other;
* every mail echoes what its sender believes to be acknowledged, so that a restored receiver is found out too;
* content is sent again only when an acknowledgement that answers a later *probe* doesn't cover it.

Both roles use this one machine. All changes of state stand in this file; the engine loads a `Link`, calls a function,
stores it back in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from replicator.errors import Unauthentic
from replicator.protocol.messages import (
    PREFIX_SIZE,
    Acknowledgement,
    Direction,
    Echo,
    Header,
    MissingParts,
    PartPlace,
)
from replicator.types import NOWHERE, Epoch, Position, Role

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE

OPENERS = {Role.STATION: frozenset({"snap", "rewind", "resync"}), Role.HOST: frozenset({"open"})}
"""By the receiver's role: with which first record a new epoch may begin."""

DigestOf = Callable[[int], bytes | None]


@dataclass(slots=True)
class OutboundStream:
    epoch: Epoch
    n: int = 0
    acknowledged: int = 0
    digest: bytes | None = None
    """Of batch n."""
    high: Position = NOWHERE
    """Journal position covered by the last acknowledged batch."""
    unacknowledged_bytes: int = 0
    probe: int = 0
    probe_at: int = 0
    """When the next probe is due while something is not acknowledged; 0: nothing is."""
    probe_wait: int = 0
    peak: Echo = field(default_factory=lambda: Echo(NOWHERE, 0))
    """The last acknowledgement ever taken, in this epoch or one before."""


@dataclass(slots=True)
class InboundStream:
    epoch: Epoch
    n: int = 0
    digest: bytes | None = None
    """Of batch n: what n + 1 has to name."""
    high: int = 0
    acknowledgement_due: bool = False
    probe: int = 0
    """Highest probe number seen from the peer."""


@dataclass(slots=True)
class Link:
    role: Role
    """Of this end."""
    out: OutboundStream
    inbound: InboundStream


# --- receipt: protocol.md 4.1 -----------------------------------------------------------------------------------------


def check_binding(header: Header, me: str, peer: str, role: Role) -> None:
    """Step 2: a mail for another receiver, from another sender or in the wrong direction changes nothing."""
    expected = Direction.UP if role is Role.HOST else Direction.DOWN
    if header.sender != peer or header.receiver != me or header.direction is not expected:
        raise Unauthentic(
            f"the mail is from {header.sender} to {header.receiver}, going {header.direction}; "
            f"expected from {peer} to {me}, going {expected}"
        )


class Heard(Enum):
    """What an acknowledgement tells."""

    NOTHING_NEW = auto()
    ADVANCED = auto()
    SUCCESSOR = auto()
    """Somebody with my name went on under a later epoch: I am the old copy and must halt."""
    SET_BACK = auto()
    """The peer knows of batches I never made or acks I never gave: my database was set back."""


def _nobody_knows(_n: int) -> None:
    return None


def hear(
    link: Link,
    header: Header,
    digest_of: DigestOf,
    now: int,
    probe_wait: int,
    digest_in: DigestOf = _nobody_knows,
    *,
    asking: bool = False,
) -> Heard:
    """Step 4: take the acknowledgement and echo of a mail.

    `digest_of(n)`: of my own batch n in the present epoch; `digest_in(n)`: of the peer's in its present epoch.
    `asking`: my present epoch begins with the word that I was set back.
    """
    out, inbound, ack, echo = link.out, link.inbound, header.acknowledgement, header.echo
    if ack.epoch > out.epoch:
        return Heard.SUCCESSOR
    if ack.epoch < out.epoch:
        return Heard.NOTHING_NEW
    made = digest_of(ack.n) if 0 < ack.n <= out.n else None
    if max(ack.n, ack.high) > out.n or (ack.n and made is not None and made != ack.digest):
        return Heard.SET_BACK
    if asking and not ack.n:
        return Heard.NOTHING_NEW  # it has not heard yet that I have forgotten acks which I gave
    if echo.n and (echo.epoch, echo.n) > (inbound.epoch, inbound.n):
        return Heard.SET_BACK
    if echo.n and echo.epoch == inbound.epoch and echo.digest is not None:
        applied = digest_in(echo.n)
        if applied is not None and not applied.startswith(echo.digest):
            return Heard.SET_BACK
    if ack.n <= out.acknowledged:
        return Heard.NOTHING_NEW
    out.acknowledged = ack.n
    out.peak = Echo(out.epoch, ack.n, None if ack.digest is None else ack.digest[:PREFIX_SIZE])
    out.probe_wait = probe_wait
    out.probe_at = now + probe_wait if out.acknowledged < out.n else 0
    return Heard.ADVANCED


class Placement(Enum):
    """What to do with a part that has come."""

    PARK = auto()
    OPEN = auto()
    """Begin a new inbound epoch, then park it."""
    DUPLICATE = auto()
    STALE = auto()
    OUT_OF_TURN = auto()
    """A later epoch that does not begin here: dropped without an answer."""
    UNTOLD = auto()
    """At the host: it was set back, and the station begins anew without having heard of it. It has to hear first, so
    that it gives back what the host has forgotten."""
    UNASKED = auto()
    """At a station: the host was set back and goes on without having asked this station what it knows."""
    NO_ROOM = auto()


def place(link: Link, part: PartPlace, parked_bytes: int, room: int) -> Placement:
    """Steps 7 to 9. Marks that an acknowledgement is due where the rule says so, and the highest number seen."""
    inbound = link.inbound
    behind = link.role is Role.STATION and part.peer_epoch < link.out.epoch and part.opener != "resync"
    if part.epoch < inbound.epoch or behind:
        inbound.acknowledgement_due = True
        return Placement.STALE
    if part.epoch > inbound.epoch:
        if part.n != 1 or part.opener not in OPENERS[link.role]:
            return Placement.OUT_OF_TURN
        if link.role is Role.HOST and NOWHERE < part.peer_epoch < (link.out.epoch[0], 0):
            return Placement.UNTOLD
        if part.opener in ("snap", "rewind") and inbound.n and part.epoch[0] > inbound.epoch[0]:
            return Placement.UNASKED
        open_epoch(link, part.epoch)
        _note(link, part.n)
        return Placement.OPEN
    if part.n <= inbound.n:
        # The acknowledgement was lost, or this is a fork: tell what I have.
        inbound.acknowledgement_due = True
        return Placement.DUPLICATE
    _note(link, part.n)
    if part.n > inbound.n + 1 and parked_bytes > room:
        return Placement.NO_ROOM
    return Placement.PARK


def _note(link: Link, n: int) -> None:
    link.inbound.high = max(link.inbound.high, n)
    link.inbound.acknowledgement_due = True


def open_epoch(link: Link, epoch: Epoch) -> None:
    """A new incarnation of the peer's stream: the old history is void."""
    link.inbound = InboundStream(epoch=epoch, probe=link.inbound.probe)


def heard_probe(link: Link, number: int) -> None:
    """Step 6: a probe or hello earns an acknowledgement that repeats its number."""
    if number:
        link.inbound.probe = max(link.inbound.probe, number)
        link.inbound.acknowledgement_due = True


def chains(link: Link, previous: bytes | None) -> bool:
    """Step 10: does the next batch continue what I have?"""
    return previous == link.inbound.digest


def refuse(link: Link) -> None:
    """The next batch does not chain: dropped, and the acknowledgement shows the sender the fork."""
    link.inbound.acknowledgement_due = True


def applied(link: Link, n: int, digest: bytes) -> None:
    link.inbound.n, link.inbound.digest = n, digest
    link.inbound.high = max(link.inbound.high, n)
    link.inbound.acknowledgement_due = True


# --- sending: protocol.md 5.2, 5.3, 5.10 ------------------------------------------------------------------------------


def may_cut(link: Link, window: int) -> bool:
    """Is there room in the window? Counted in bytes; one batch may always be under way."""
    out = link.out
    return out.unacknowledged_bytes < window or out.acknowledged == out.n


def cut(link: Link, digest: bytes, window_bytes: int, now: int, probe_wait: int) -> int:
    """A batch takes the next number; returns it. From here on it is frozen."""
    out = link.out
    if out.acknowledged == out.n:
        out.probe_wait, out.probe_at = probe_wait, now + probe_wait
    out.n += 1
    out.digest = digest
    out.unacknowledged_bytes += window_bytes
    return out.n


def forget_peak(link: Link) -> None:
    """The peer has said itself that it forgot what it had acknowledged."""
    link.out.peak = Echo(NOWHERE, 0)


def new_outbound_epoch(link: Link, epoch: Epoch) -> None:
    """The own stream begins anew. A station goes on saying what was acknowledged last, so that a host that was set back
    is found out; a host begins anew because its station was, and what that acknowledged before is over."""
    out = OutboundStream(epoch=epoch, high=link.out.high, probe=link.out.probe)
    if link.role is Role.STATION:
        out.peak = link.out.peak
    link.out = out


def repeated(link: Link, now: int, probe_wait: int) -> None:
    """Something goes out again because the peer has answered: it isn't silent, and will soon be asked how it stands.

    A first load of many mails would else be asked for ever more seldom, as long as none of it is acknowledged.
    """
    link.out.probe_wait, link.out.probe_at = probe_wait, now + probe_wait


def probe_is_due(link: Link, now: int, waiting_for_answer: bool = False) -> bool:
    """During silence only a small probe goes out: after a quarter of an hour, doubling to a day.

    A moment that is further away was set by a clock that was wrong.
    """
    out = link.out
    open_question = out.acknowledged < out.n or waiting_for_answer
    return open_question and bool(out.probe_at) and (now >= out.probe_at or out.probe_at - now > DAY)


def hello_is_due(now: int, sent_at: int | None, wait: int) -> bool:
    """Nothing was sent for so long: without traffic no fork is found. Or it was by a clock that was wrong."""
    return sent_at is None or now - sent_at >= wait or sent_at - now > MINUTE


def probe(link: Link, now: int, probe_wait: int, in_silence: bool) -> int:
    """Number of the probe that goes out now. `in_silence`: nobody answered the last one, so wait twice as long."""
    out = link.out
    out.probe += 1
    if in_silence:
        out.probe_wait = min(max(out.probe_wait, probe_wait) * 2, DAY)
    out.probe_at = now + max(out.probe_wait, probe_wait)
    return out.probe


def acknowledgement(link: Link, missing: tuple[MissingParts, ...]) -> Acknowledgement:
    """What I have of the peer's stream. Acks name applied batches only, never parked ones."""
    inbound = link.inbound
    return Acknowledgement(inbound.epoch, inbound.n, inbound.digest, inbound.high, missing, inbound.probe)


def echo(link: Link) -> Echo:
    return link.out.peak
