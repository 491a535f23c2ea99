"""Will a place run out of numbers before its usual rhythm of contact brings more?

Pure. By the past: how fast numbers were drawn, and how often the two ends hear of each other. Who asks for more does so
with a mail, and has the answer with the mail after it: what is in hand has to last that long. With little past nothing
is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from replicator.protocol.numbers import Share

FEWEST_SAMPLES = 3
FEWEST_CONTACTS = 4
"""With less of a past nothing is said."""
SPARE = 3, 2
"""A block that is suggested holds one and a half times what is drawn from the request to the answer."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A place that is about to run out. Times are microseconds."""

    left: int
    lasts: int
    """About so long from now on."""
    arrives: int
    """About so long it takes, by the usual rhythm, until more is there."""
    block: int
    """That would do, if the rhythm stays; not above the present one where that one would do."""


def outlook(
    left: int, share: Share, drawn: Sequence[tuple[int, int]], contacts: Sequence[int], now: int, *, asked: bool
) -> Outlook | None:
    """None: what is in hand lasts, or nothing can be said.

    `drawn`: (when, numbers drawn since ever), rising; `contacts`: when the other end was heard, rising; microseconds.
    `asked`: more was asked for, so that the next contact brings it, and else the one after it.
    """
    gap = usual_gap(contacts)
    if gap is None or len(drawn) < FEWEST_SAMPLES or share.closed:
        return None
    (since, before), (until, after) = drawn[0], drawn[-1]
    count, span = after - before, until - since
    # A single lot that was written soon after the set-up says nothing of how fast it goes on.
    if count <= 0 or span < 2 * gap:
        return None
    arrives = _next_contact(contacts[-1], gap, now) + (0 if asked else gap)
    if left * span >= count * arrives:
        return None
    return Outlook(left, left * span // count, arrives, _block(count, span, gap, share))


def usual_gap(contacts: Sequence[int]) -> int | None:
    """Between two contacts, as it mostly is: the median. None: there were too few."""
    gaps = sorted(later - earlier for earlier, later in pairwise(contacts))
    if len(gaps) < FEWEST_CONTACTS - 1:
        return None
    return max(1, gaps[len(gaps) // 2])


def _next_contact(last: int, gap: int, now: int) -> int:
    """From now on. One that is overdue may take as long again as it is late, but no longer than a usual gap."""
    due = last + gap - now
    return min(due, gap) if due > 0 else min(-due, gap)


def _block(count: int, span: int, gap: int, share: Share) -> int:
    """Enough for what is drawn from one contact to the next but one, with something to spare; two digits that count."""
    more, of = SPARE
    needed = -(-count * 2 * gap * more // (span * of))
    step = int(10 ** max(0, len(str(needed)) - 2))
    return max(share.block, -(-needed // step) * step)


def estimated_left(granted: int, drawn: Sequence[tuple[int, int]], now: int) -> int:
    """What another place may have in hand now: as it said last, less what it has drawn since, by its usual pace.

    `granted`: numbers that it holds or has drawn, since ever.
    """
    (since, before), (until, after) = drawn[0], drawn[-1]
    more = (after - before) * max(0, now - until) // max(1, until - since)
    return max(0, granted - after - more)
