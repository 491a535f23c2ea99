"""How positions and moments are written for people, wherever a sentence or a listing names one."""

from __future__ import annotations

from datetime import UTC, datetime

from replicator.types import Position

_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2, 9999))
"""A year's room on both sides for time zones."""


def position_text(position: Position) -> str:
    """'2.417': entry 417 in the log of host epoch 2. In a station's own journal the epoch is 0 and left out."""
    epoch, n = position
    return f"{epoch}.{n}" if epoch else str(n)


def moment(microseconds: int | None) -> datetime | None:
    """The protocol's time as a datetime in UTC, for listings; None and 0 (never) give None.

    A peer may say any time of its changes: one that no calendar has becomes the first or last that ours has.
    """
    if not microseconds:
        return None
    return datetime.fromtimestamp(min(max(microseconds / 1_000_000, _FIRST), _LAST), UTC)


def day(microseconds: int) -> str:
    """'2026-11-27', by this computer's time zone."""
    found = moment(microseconds)
    return "no known day" if found is None else f"{found.astimezone():%Y-%m-%d}"
