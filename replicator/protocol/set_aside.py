"""A station's change that the host has set aside: all that judging it anew needs, beside its row (protocol.md 5.14)."""

from __future__ import annotations

from typing import NamedTuple

from replicator.protocol.codec_plain import pack, pack_row, unpack, unpack_rows
from replicator.protocol.proposals import GroupContext, Proposal
from replicator.types import Image, Key, Position, Value


class SetAsideProposal(NamedTuple):
    """What neither the row nor its key tells."""

    mask: int
    before: tuple[Value, ...] | None
    base: Position
    at: int
    sent: Key | None
    uid: bytes
    """Of the group, for who looks for it."""
    origin_epoch: int
    rule_version: Position
    received_at: int

    @classmethod
    def of(cls, change: Proposal, context: GroupContext, uid: bytes) -> SetAsideProposal:
        return cls(
            change.mask,
            change.before,
            change.base,
            change.at,
            change.sent,
            uid,
            context.origin_epoch,
            context.rule_version,
            context.received_at,
        )

    def packed(self) -> bytes:
        return pack(
            [
                self.mask.to_bytes((self.mask.bit_length() + 7) // 8, "little"),
                None if self.before is None else pack_row(self.before),
                *(list(self.base), self.at, self.sent, self.uid),
                *(self.origin_epoch, list(self.rule_version), self.received_at),
            ]
        )

    @classmethod
    def unpacked(cls, packed: bytes) -> SetAsideProposal:
        mask, before, base, at, sent, uid, epoch, rule, received = unpack(packed)
        old = None if before is None else unpack_rows([before])[0]
        return cls(int.from_bytes(mask, "little"), old, _pair(base), at, sent, uid, epoch, _pair(rule), received)

    def proposal(self, order: int, table: int, change: str, key: Key, image: Image | None) -> Proposal:
        """The change as its station proposed it."""
        return Proposal(order, table, change, key, image, self.mask, self.before, self.base, self.at, self.sent)


def _pair(values: list[int]) -> Position:
    first, second = values
    return first, second
