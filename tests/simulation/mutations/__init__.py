"""Rules of the engine, each switched off by replacing the piece of code that keeps it (protocol.md 6).

Nothing of this is in the production code; a mutation lives in the process that calls `switch_off`.
"""

from tests.simulation.mutations import (
    comparisons,
    hosts,
    incarnations,
    judging,
    keeping,
    mailboxes,
    numbers,
    promotions,
    quarantines,
    scopes,
    stations,
    streams,
)
from tests.simulation.mutations.registry import MUTATIONS, switch_off

__all__ = [
    "MUTATIONS",
    "comparisons",
    "hosts",
    "incarnations",
    "judging",
    "keeping",
    "mailboxes",
    "numbers",
    "promotions",
    "quarantines",
    "scopes",
    "stations",
    "streams",
    "switch_off",
]
