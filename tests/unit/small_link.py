"""Two ends of a link over a channel that tests own, each doing with its `Link` what the engine does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from replicator.protocol import link as links
from replicator.protocol.link import Heard, InboundStream, Link, OutboundStream, Placement
from replicator.protocol.messages import Acknowledgement, Direction, Header, MissingParts, PartPlace
from replicator.protocol.repeating import Unacknowledged, to_repeat
from replicator.types import Epoch, Role

NOW = 1_000_000
WAIT = 15 * links.MINUTE
PART = 4
"""Bytes in a part: every other batch has several."""
WINDOW = 40
ROOM = 60

Parts = dict[int, bytes]
"""What has come of a batch: by offset."""


@dataclass
class Frozen:
    n: int
    content: bytes
    previous: bytes | None
    digest: bytes
    opener: str | None
    peer_epoch: Epoch
    sent_probe: int
    repeated: bool = False


@dataclass
class Mail:
    header: Header
    payload: bytes = b""
    batch: Frozen | None = None
    """What the manifest tells once all parts are there."""


@dataclass
class End:
    """One end: its link, its frozen batches, what it has parked and applied."""

    name: str
    peer: str
    link: Link
    opener: str | None
    """Kind of the first record of this end's stream."""
    waiting: list[bytes] = field(default_factory=list)
    """Written, not yet cut."""
    batches: dict[int, Frozen] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)
    queue: list[tuple[int, int, int]] = field(default_factory=list)
    """Pieces to send: (n, offset, length)."""
    parked: dict[tuple[Epoch, int], tuple[PartPlace, Frozen, Parts]] = field(default_factory=dict)
    applied: list[bytes] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    taken: dict[int, bytes] = field(default_factory=dict)
    """Digests of the peer's batches in its present epoch."""
    heard: list[Heard] = field(default_factory=list)
    placed: list[Placement] = field(default_factory=list)
    contents_sent: int = 0
    asking: bool = False
    """Its stream begins with the word that it was set back."""
    locked: bool = False
    """Rows that a batch needs are held by the application: complete batches wait."""

    # --- sending ------------------------------------------------------------------------------------------------------

    def write(self, content: bytes) -> None:
        self.waiting.append(content)
        self.written.append(content)

    def cut(self, now: int) -> None:
        out = self.link.out
        while self.waiting and links.may_cut(self.link, WINDOW):
            content = self.waiting.pop(0)
            previous, opener = out.digest, self.opener if out.n == 0 else None
            digest = hashlib.sha256(repr((out.epoch, out.n + 1, previous, content)).encode()).digest()
            n = links.cut(self.link, digest, len(content), now, WAIT)
            peer_epoch = self.link.inbound.epoch
            self.batches[n] = Frozen(n, content, previous, digest, opener, peer_epoch, out.probe)
            self.digests[n] = digest
            self.queue += [(n, offset, length) for offset, length in _pieces(0, len(content))]

    def send(self, now: int, *, hello: bool = False) -> list[Mail]:
        """All that is due: new content, repeated content, a probe, an acknowledgement; [] when nothing is."""
        self.cut(now)
        # Acknowledging a batch takes its pieces out of the queue too (store.batches.drop_batches).
        self.queue = [piece for piece in self.queue if piece[0] in self.batches]
        silence = links.probe_is_due(self.link, now)
        if not (self.queue or self.link.inbound.acknowledgement_due or hello or silence):
            return []
        number = links.probe(self.link, now, WAIT, in_silence=silence) if hello or silence else 0
        if number:
            for n, _, _ in self.queue:
                self.batches[n].sent_probe = number
        header = self.header(number)
        self.link.inbound.acknowledgement_due = False
        queue, self.queue = self.queue, []
        self.contents_sent += len(queue)
        return [self.mail(header, *piece) for piece in queue] or [Mail(header)]

    def header(self, probe: int = 0) -> Header:
        direction = Direction.DOWN if self.link.role is Role.HOST else Direction.UP
        acknowledgement = links.acknowledgement(self.link, self.missing())
        return Header(self.name, self.peer, direction, acknowledgement, links.echo(self.link), probe)

    def mail(self, header: Header, n: int, offset: int, length: int) -> Mail:
        batch = self.batches[n]
        place = PartPlace(self.link.out.epoch, n, len(batch.content), offset, batch.peer_epoch, batch.opener)
        return Mail(replace(header, part=place), batch.content[offset : offset + length], batch)

    def missing(self) -> tuple[MissingParts, ...]:
        inbound = self.link.inbound
        found = []
        for n in range(inbound.n + 1, inbound.high + 1):
            parked = self.parked.get((inbound.epoch, n))
            if parked is None:
                found.append(MissingParts(n))
            elif gaps := _gaps(parked[0].total, parked[2]):
                found.append(MissingParts(n, tuple(gaps)))
        return tuple(found)

    # --- receiving ----------------------------------------------------------------------------------------------------

    def receive(self, mail: Mail, now: int) -> Heard:
        header, link = mail.header, self.link
        links.check_binding(header, self.name, self.peer, link.role)
        heard = links.hear(link, header, self.digests.get, now, WAIT, self.taken.get, asking=self.asking)
        self.heard.append(heard)
        if heard in (Heard.SUCCESSOR, Heard.SET_BACK):
            return heard
        if heard is Heard.ADVANCED:
            for n in [n for n in self.batches if n <= link.out.acknowledged]:
                link.out.unacknowledged_bytes -= len(self.batches.pop(n).content)
        self._repeat(header.acknowledgement, now)
        links.heard_probe(link, header.probe)
        if header.part is not None:
            self._place(mail)
        self.apply()
        return heard

    def _repeat(self, heard: Acknowledgement, now: int) -> None:
        epoch = self.link.out.epoch
        if heard.epoch < epoch:  # nothing of the present epoch had come when this was said
            heard = Acknowledgement(epoch, 0, None, 0, probe=heard.probe)
        open_ = [Unacknowledged(b.n, len(b.content), b.sent_probe, b.repeated) for b in self.batches.values()]
        repeats = to_repeat(heard, open_)
        if repeats:
            links.repeated(self.link, now, WAIT)
        for repeat in repeats:
            batch = self.batches[repeat.n]
            self.queue += [(batch.n, *piece) for start, length in repeat.ranges for piece in _pieces(start, length)]
            batch.sent_probe, batch.repeated = self.link.out.probe, batch.repeated or repeat.named

    def _place(self, mail: Mail) -> None:
        part, batch = mail.header.part, mail.batch
        assert part is not None
        assert batch is not None
        there = sum(len(piece) for *_, parts in self.parked.values() for piece in parts.values())
        placement = links.place(self.link, part, there, ROOM)
        self.placed.append(placement)
        if placement is Placement.OPEN:
            self.taken = {}
            self.parked = {where: found for where, found in self.parked.items() if where[0] == part.epoch}
        elif placement is not Placement.PARK:
            return
        self.parked.setdefault((part.epoch, part.n), (part, batch, {}))[2][part.offset] = mail.payload

    def apply(self) -> None:
        """Step 10: while the next batch is complete and nothing is locked, chain and apply."""
        inbound = self.link.inbound
        while not self.locked and (found := self.parked.get((inbound.epoch, inbound.n + 1))) is not None:
            part, batch, parts = found
            if _gaps(part.total, parts):
                return
            del self.parked[part.epoch, part.n]
            if not links.chains(self.link, batch.previous):
                links.refuse(self.link)
                return
            content = bytearray(part.total)
            for offset, piece in parts.items():
                content[offset : offset + len(piece)] = piece
            self.applied.append(bytes(content))
            links.applied(self.link, part.n, batch.digest)
            self.taken[part.n] = batch.digest

    def state(self) -> object:
        """All that a mail could change, for comparing; what it may cost is an acknowledgement."""
        out, inbound = self.link.out, self.link.inbound
        return (out.epoch, out.n, out.acknowledged, inbound.epoch, inbound.n, inbound.digest, tuple(self.applied))


def _pieces(start: int, length: int) -> list[tuple[int, int]]:
    return [(start + at, min(PART, length - at)) for at in range(0, length, PART)]


def _gaps(total: int, parts: Parts) -> list[tuple[int, int]]:
    gaps, end = [], 0
    for offset in sorted(parts):
        if offset > end:
            gaps.append((end, offset - end))
        end = max(end, offset + len(parts[offset]))
    return [*gaps, (end, total - end)] if end < total else gaps


def pair() -> tuple[End, End]:
    """(host, station) as they are set up: the station's stream is known, the host's has yet to be opened."""
    host = End("Haus", "Köln", Link(Role.HOST, OutboundStream((1, 1)), InboundStream((0, 1))), "snap")
    station = End("Köln", "Haus", Link(Role.STATION, OutboundStream((0, 1)), InboundStream((0, 0))), None)
    return host, station


def exchange(*ends: End, now: int, rounds: int = 3) -> None:
    """Mail goes both ways, all of it, in order."""
    for _ in range(rounds):
        for here, there in (ends, ends[::-1]):
            for mail in here.send(now):
                there.receive(mail, now)


def joined() -> tuple[End, End]:
    """A pair that has spoken: two contents each way, all acknowledged."""
    host, station = pair()
    for number in range(2):
        host.write(b"host %d" % number)
        station.write(b"station %d" % number)
    exchange(host, station, now=NOW)
    return host, station
