"""What travels, as plain frozen data (protocol.md section 4). `codec` turns it into bytes and back, checked.

A *mail* holds one *envelope*: a sealed `Header` and with it a piece of a batch. A *batch* is a frozen stream of bytes:
a `Manifest`, then its *segments*, each encoded and compressed once (and shared by all links that it goes to). A mail
carries any byte range of that stream (a *part*), so that a frozen batch can be cut anew for a smaller mailbox.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from replicator.types import NOWHERE, Epoch, Image, Position, Value

FORMAT_VERSION = 1

ONLY_IF_SET = {"only_if_set": True}
"""Metadata of a field that is shown (`describe`) only where it is not as it is by default."""

PREFIX_SIZE = 4
"""Bytes of a batch's digest that an echo and each part repeat: two histories are alike in them once in four billion."""


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class MissingParts:
    """What the receiver lacks of batch n: byte ranges (offset, length), or everything when `ranges` is empty."""

    n: int
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Of the peer's stream: last applied batch and its digest, highest number seen, what is missing in between."""

    epoch: Epoch
    n: int
    digest: bytes | None
    high: int
    missing: tuple[MissingParts, ...] = ()
    probe: int = 0
    """Highest probe number seen from the peer."""


@dataclass(frozen=True, slots=True)
class Echo:
    """The last acknowledgement that the sender has taken of its own stream, of whichever epoch: its *peak*.

    It outlives a new incarnation, so that a receiver which was set back itself is found out then, too.
    """

    epoch: Epoch
    n: int
    digest: bytes | None = None
    """The first bytes of batch n's."""


@dataclass(frozen=True, slots=True)
class PartPlace:
    """Which piece of which batch's stream this mail carries: `offset` of `total` bytes.

    `peer_epoch` and `opener` repeat the manifest's, so that a stale batch or a new epoch is known by its first part;
    `digest` is the beginning of the batch's, so that parts of two histories under one number are never put together.
    """

    epoch: Epoch
    n: int
    total: int
    offset: int
    peer_epoch: Epoch
    opener: str | None = None
    digest: bytes = bytes(PREFIX_SIZE)


@dataclass(frozen=True, slots=True)
class Header:
    """The authenticated head of every mail."""

    sender: str
    receiver: str
    direction: Direction
    acknowledgement: Acknowledgement
    echo: Echo
    probe: int = 0
    """Number > 0 in a probe or hello: the receiver owes an acknowledgement."""
    part: PartPlace | None = None
    new_key: bytes | None = None
    """Enrolment: the station's own public key, sealed under the bootstrap key of its invitation."""
    notice: str | None = None
    """A word that needs no stream, passed over by whoever doesn't know it; a station's own is in `hello`."""


class SegmentKind(StrEnum):
    LOG = "log"
    """Groups or records in stream order."""
    CONTENT = "content"
    """Rows of a snapshot or of a widened rule; belongs to the control record before it."""


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A segment as the manifest names it: digest of the bytes before compression, compressed size, size before."""

    digest: bytes
    size: int
    raw_size: int
    kind: SegmentKind = SegmentKind.LOG
    rows: int = 0
    """How many rows are in it, for progress bars only."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Head of a batch's stream; the batch's digest is computed over it (codec.batch_digest), never trusted."""

    epoch: Epoch
    n: int
    previous: bytes | None
    peer_epoch: Epoch
    high: Position
    """Last sequence number (as position (0, seq)) or log position covered, also when filtered out."""
    opener: str | None
    """For n = 1: kind of the first record or request (open, snap, resync), else None."""
    segments: tuple[SegmentEntry, ...]
    schema_version: int = 1


@dataclass(slots=True)
class TableBlock:
    """Changes of one table, a column at a time. Lists run parallel, an element an entry, in stream order.

    `classes` has 'N', 'C' or 'D' for each entry: upward what the station says it did, downward what it did to the
    host's row. `rows` are the images of entries that are not 'D', in the same order; `keys` the primary key values of
    those that are. Upward `masks`, `before` (old values of the masked columns) and `base_*` come along.
    """

    table: int
    numbers: list[int] = field(default_factory=list)
    """n of the group's position or sequence number. Empty in content."""
    orders: list[int] = field(default_factory=list)
    """Place within the group. Empty in content."""
    classes: str = ""
    rows: list[Image] = field(default_factory=list)
    keys: list[tuple[Value, ...]] = field(default_factory=list)
    times: list[int] | None = None
    """Upward: microseconds since 1970, an element an entry."""
    masks: list[int] | None = None
    """Upward: an element for each 'C' entry."""
    before: list[tuple[Value, ...]] | None = None
    """Upward: an element for each 'C' entry, old values of the masked columns in column order."""
    bases: list[Position] | None = None
    """Upward: the host version each entry was made on."""
    verdict: bool = False
    """Downward: exempt from rules; the host's answer to the receiver's own change or request."""
    version: Position = field(default=NOWHERE, metadata=ONLY_IF_SET)
    """Of the table's definition that the rows are of."""


@dataclass(slots=True)
class GroupHead:
    """Upward: what a station says about one of its groups."""

    number: int
    uid: bytes
    born: Position
    """(epoch number of the station's stream, sequence number) of its first numbering; never changes."""
    rule_version: Position
    at: int
    merged: bool = False
    control: tuple[str, Any] | None = None
    """A request ('refresh', (table, key bytes)), ('open', ...): a group without entries."""


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """Downward: a record that is not a row: ack, grant, rule, snap, horizon, resync, schema. `body` is plain data."""

    number: int
    order: int
    kind: str
    body: Any


@dataclass(slots=True)
class Segment:
    """One segment before encoding. `host_epoch` is that of all its positions (0 upward)."""

    host_epoch: int = 0
    origin: int = 0
    """Downward: number of the station whose clean records these are, 0 for the host's and for verdicts."""
    groups: list[GroupHead] = field(default_factory=list)
    blocks: list[TableBlock] = field(default_factory=list)
    controls: list[ControlRecord] = field(default_factory=list)

    def ends(self) -> list[tuple[int, int]]:
        """First and last (n, order) of its blocks and records, which are each in order."""
        ends = [(record.number, record.order) for record in self.controls]
        for block in self.blocks:
            if block.numbers:
                ends += [(block.numbers[0], block.orders[0]), (block.numbers[-1], block.orders[-1])]
        return ends
