"""Taking part in a transaction of the application's: in the one that its migration runs in, on its own connection.

A part is a savepoint: what fails within is undone, whatever the migration makes of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto

_NAME = "replicator_part"


class Joining(Enum):
    """How we get to a table that a connection of the application's has under way."""

    TOGETHER = auto()
    """On that connection: what we do is committed or undone with what the application does."""
    BESIDE = auto()
    """On a connection of our own: a definition commits by itself there, so all that came before it stands already."""
    LATER = auto()
    """Not now: the connection's role or driver can't do it, and ours doesn't see what isn't committed."""


@contextmanager
def part(execute: Callable[[str], object], goes_on: Callable[[], bool]) -> Iterator[None]:
    """Within: what is done is undone where it fails. `goes_on`: is the transaction still open?"""
    execute(f"SAVEPOINT {_NAME}")
    try:
        yield
    except BaseException:
        if goes_on():
            execute(f"ROLLBACK TO SAVEPOINT {_NAME}")
            execute(f"RELEASE SAVEPOINT {_NAME}")
        raise
    execute(f"RELEASE SAVEPOINT {_NAME}")
