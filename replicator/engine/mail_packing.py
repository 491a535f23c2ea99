"""How what waits is put into mails: small parts share one, so that many small batches are not as many mails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from replicator.store import batches
from replicator.store.batches import Queued
from replicator.transport.base import MOST_PAYLOADS

MOST_PARTS = MOST_PAYLOADS
"""In one mail, each sealed by itself."""
PAGE_BYTES = 8_000_000
"""Of content."""
ENVELOPE = 600
"""Bytes that a part costs beside its content, where no header is at hand to measure."""


def packed(items: Iterable[Queued], room: int, envelope: int) -> Iterator[list[Queued]]:
    """The parts of one mail after the other, in order. A mail weighs no more than one part of `room` bytes would, with
    `envelope` bytes for each further part."""
    mail: list[Queued] = []
    for item in items:
        if mail and (len(mail) >= MOST_PARTS or weight([*mail, item], envelope) > room):
            yield mail
            mail = []
        mail.append(item)
    if mail:
        yield mail


def first_page(mails: Sequence[list[Queued]], most: int) -> list[list[Queued]]:
    """Those that go before the queue is told: `most` at most, and of no more than PAGE_BYTES, as a run that dies
    meanwhile sends them again."""
    size = 0
    for count, mail in enumerate(mails[:most]):
        size += sum(item.length for item in mail)
        if count and size > PAGE_BYTES:
            return list(mails[:count])
    return list(mails[:most])


def weight(mail: list[Queued], envelope: int) -> int:
    """Bytes of content, and of the envelopes of all parts but one."""
    return sum(item.length for item in mail) + envelope * (len(mail) - 1)


def mails_waiting(connection: Connection, peer: int, mailbox: int, room: int) -> int:
    """How many mails the queue will be, about."""
    return sum(1 for _ in packed(batches.queued(connection, peer, mailbox), room, ENVELOPE))
