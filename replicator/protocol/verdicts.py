"""What became of a station's change at the host, as its log tells (protocol.md 6, steps 5 to 8)."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Of one change. The host's own changes have none."""

    ACCEPTED = "accepted"
    """Stored exactly as it was sent."""
    ALTERED = "altered"
    """The row was changed, and went back to the station as it stands: that is not what was sent, or it had asked."""
    RETURNED = "returned"
    """The row stayed as it was and went back to the station: its change did not stand, or it had asked for the row."""

    @property
    def bit(self) -> int:
        """In `replicator_slice_origin.verdicts`."""
        return _BITS[self]


_BITS = {verdict: 1 << place for place, verdict in enumerate(Verdict)}


def verdict_of(origin: int, must: int, change: str, mask: int, *, shared: bool, known: bool) -> Verdict | None:
    """Of a change in the host's log. `origin`: whose clean record it is; `must`: who gets it as a verdict (0: nobody);
    `shared`: others get it by their rules; `known`: the log has what stood before."""
    if not must:
        return Verdict.ACCEPTED if origin else None
    changed = shared or change == "N" or (known if change == "D" else mask != 0)
    return Verdict.ALTERED if changed else Verdict.RETURNED
