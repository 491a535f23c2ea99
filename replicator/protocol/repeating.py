"""What of the batches under way is sent again: told by an acknowledgement (protocol.md 5.3). Pure; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from replicator.protocol.messages import Acknowledgement


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """A frozen batch under way."""

    n: int
    size: int
    sent_probe: int
    repeated: bool


@dataclass(slots=True)
class Repeat:
    """Pieces of batch n to send again: byte ranges (offset, length); `named`: because an ack named them."""

    n: int
    ranges: list[tuple[int, int]] = field(default_factory=list)
    named: bool = False


def to_repeat(ack: Acknowledgement, batches: Sequence[Unacknowledged]) -> list[Repeat]:
    """5.3 step 1: what an acknowledgement of the present epoch shows to be lost.

    A batch is sent again when the ack answers a probe made after its last sending. Where an ack names pieces as
    missing although something behind them has come, they are sent again once without waiting for a probe; a missing
    end may still be on its way. What is complete at the receiver and waits there (not named, number up to `high`) is
    never sent again.
    """
    named = {missing.n: missing.ranges for missing in ack.missing}
    repeats = []
    for batch in batches:
        seen = batch.n <= ack.high
        if batch.n <= ack.n or (seen and batch.n not in named):
            continue
        gaps = _gaps(named.get(batch.n, ()), batch.size) if seen else []
        answers_later_probe = ack.probe > batch.sent_probe
        overtaken = batch.n < ack.high or any(start + length < batch.size for start, length in gaps)
        if answers_later_probe or (overtaken and not batch.repeated):
            repeats.append(Repeat(batch.n, gaps or [(0, batch.size)], named=not answers_later_probe))
    return repeats


def _gaps(ranges: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """The ranges inside the batch, in order, each byte once: an ack may not make us send more than there is."""
    gaps: list[tuple[int, int]] = []
    end = 0
    for start, length in sorted(ranges):
        first, last = max(start, end), start + length
        if start < 0 or last > size or first >= last:
            continue
        if gaps and first == end:
            first, _ = gaps.pop()
        gaps.append((first, last - first))
        end = last
    return gaps
