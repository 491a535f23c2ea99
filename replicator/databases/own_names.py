"""How the names of our own tables, triggers and functions begin, wherever they stand beside the application's."""

from __future__ import annotations

OURS = "replicator_"


def is_ours(name: str) -> bool:
    """For databases that don't tell capital letters from small ones in names."""
    return name.lower().startswith(OURS)
