"""Where the histories of a host that was set back are common with a station (protocol.md 5.12). Pure.

A *host epoch* is one timeline of the host's log. A restore ends it: what stood behind the backup's last position is
forgotten at the host, and may be known at stations. The next epoch begins at that position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from replicator.types import NOWHERE, Position


@dataclass(frozen=True, slots=True)
class Timelines:
    """Of one link: the ends of its lost timelines, as full positions, each under the first host epoch that it ends.

    It ends all epochs from there to the next one in the mapping, or to the present one: epochs between were used by
    histories that a later restore has made forgotten as a whole.
    """

    present: int
    """The host's epoch now: nothing of it is lost."""
    ends: Mapping[int, Position] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ends)

    def common(self, position: Position) -> Position:
        """The position itself, or where its timeline ends if it lies behind that: both have known no more of it."""
        if position[0] >= self.present:
            return position
        first = max((epoch for epoch in self.ends if epoch <= position[0]), default=None)
        return position if first is None else min(position, self.ends[first])

    def is_lost(self, position: Position) -> bool:
        return self.common(position) < position

    def spans(self) -> list[tuple[int, int, Position]]:
        """(first epoch, last epoch, end) of each stretch of epochs that has the same end."""
        firsts = sorted(self.ends)
        lasts = [first - 1 for first in [*firsts[1:], self.present]][: len(firsts)]
        return [(first, last, self.ends[first]) for first, last in zip(firsts, lasts, strict=True)]

    def nothing_common(self) -> Timelines:
        """The same timelines, none of them known to both: another copy of the station has acknowledged them."""
        return Timelines(self.present, dict.fromkeys(self.ends, NOWHERE))
