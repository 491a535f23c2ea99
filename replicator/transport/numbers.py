"""Numbers in what a server says."""

from __future__ import annotations


def number(word: str) -> int | None:
    """A whole number of at most 18 digits; None for anything else, such as '²' or digits without end."""
    return int(word) if len(word) <= 18 and word.isascii() and word.isdigit() else None
