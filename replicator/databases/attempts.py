"""A part of a transaction that may fail by itself: the savepoint that all three databases write alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from replicator.errors import ConstraintViolation, DatabaseTrouble

_NAME = "replicator_attempt"


@contextmanager
def attempt(
    execute: Callable[[str], object], goes_on: Callable[[], bool], translated: AbstractContextManager[None]
) -> Iterator[None]:
    """See `Database.attempt`. `goes_on`: is the transaction still open? `translated`: errors come out of it as ours."""
    execute(f"SAVEPOINT {_NAME}")
    try:
        with translated:
            yield
    except ConstraintViolation as refused:
        if not goes_on():
            # SQLite: a constraint that was declared ON CONFLICT ROLLBACK. What follows would be written by itself.
            raise DatabaseTrouble(f"A constraint undid the whole transaction: {refused}") from refused
        execute(f"ROLLBACK TO SAVEPOINT {_NAME}")
        execute(f"RELEASE SAVEPOINT {_NAME}")
        raise
    execute(f"RELEASE SAVEPOINT {_NAME}")
