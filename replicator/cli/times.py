"""Moments as people write them in options: '2026-11-27 14:30', '2h' ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from replicator.cli.run import span
from replicator.errors import WrongUse

_DAY = len("2026-11-27")


def instant(text: str, now: int, *, ending: bool = False) -> int:
    """Microseconds since 1970 UTC. A day, or a moment by this computer's clock or with a zone; a span is one ago.

    `ending`: where only a day is given, its end. Raises WrongUse.
    """
    written = text.strip()
    try:
        found = datetime.fromisoformat(written)
        if ending and len(written) == _DAY:
            found += timedelta(days=1, microseconds=-1)
        return round(found.astimezone().timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return now - round(span(written.removesuffix(" ago")) * 1_000_000)
    except WrongUse:
        raise WrongUse(
            f"'{text}' is no time: write 2026-11-27, '2026-11-27 14:30', or 30s, 5m, 2h, 1d for so long ago"
        ) from None
