"""What is in a mail, for the story of a run: opened with the keys that the simulation has at hand."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from replicator.errors import PeerFault
from replicator.protocol.envelope import MAGIC, open_envelope
from replicator.protocol.messages import Header
from replicator.transport import mime
from tests.simulation.post import Letter

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode


def describe(letter: Letter, receiver: SimulatedNode, senders: list[SimulatedNode]) -> str:
    return " | ".join(_opened(blob, receiver, senders) for blob in mime.extract(letter.raw, MAGIC).payloads)


def _opened(blob: bytes, receiver: SimulatedNode, senders: list[SimulatedNode]) -> str:
    mine = receiver.identity()
    secrets = [key for key in (mine.private_key, mine.bootstrap_key) if key is not None]
    theirs = [sender.identity() for sender in senders]
    publics = [key.public_key for one in theirs for key in (one.private_key, one.bootstrap_key) if key is not None]
    for secret, public in product(secrets, publics):
        try:
            header, payload = open_envelope(blob, bytes(secret), bytes(public))
        except PeerFault:
            continue
        return _header(header, len(payload))
    return "(sealed under an old key)"


def _header(header: Header, size: int) -> str:
    ack, part = header.acknowledgement, header.part
    words = []
    if part is not None:
        whole = "" if size == part.total else f" bytes {part.offset}+{size} of {part.total}"
        words.append(f"batch {_epoch(part.epoch)}/{part.n}{whole}{f' opener {part.opener}' if part.opener else ''}")
    missing = f" missing {', '.join(str(m.n) for m in ack.missing)}" if ack.missing else ""
    words.append(f"ack {_epoch(ack.epoch)}/{ack.n} high {ack.high}{missing}")
    if header.probe:
        words.append(f"probe {header.probe}")
    if ack.probe:
        words.append(f"answers probe {ack.probe}")
    return "; ".join(words)


def _epoch(epoch: tuple[int, int]) -> str:
    return f"{epoch[0]}.{epoch[1]}"
