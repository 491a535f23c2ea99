"""The engine's chunk sizes, made so small that a handful of rows reaches every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType

from replicator.databases import digests
from replicator.databases.sqlite import apply as sqlite_apply
from replicator.databases.sqlite import collect as sqlite_collect
from replicator.engine import (
    answering,
    backfill,
    collect,
    comparing,
    content,
    findings,
    journalling,
    mail_packing,
    mailbox_limits,
    mailing,
    packing,
    publish,
    purging,
    replay,
)

SIZES: list[tuple[ModuleType, str, tuple[int, ...]]] = [
    (sqlite_collect, "CHANGES", (1, 3)),
    (sqlite_apply, "CHUNK", (1, 3)),
    (collect, "CHUNKS", (1,)),
    (journalling, "SAMPLE", (1,)),
    (journalling, "MOST_ENTRIES", (1, 3)),
    (journalling, "MOST_GROUPS", (1, 2)),
    (replay, "CHUNK", (1, 2, 5)),
    (content, "PAGE", (1, 3)),
    (packing, "PAGE", (1, 3)),
    (packing, "SMALLEST", (1,)),
    (backfill, "PAGE", (1, 3)),
    (publish, "LOOK_AHEAD", (1, 3)),
    (mailing, "QUEUE_PAGE", (1, 2)),
    (mailing, "LOOK_AHEAD", (1, 3)),
    (mail_packing, "MOST_PARTS", (1, 2)),
]
LATER_SIZES: list[tuple[ModuleType, str, tuple[int, ...]]] = [
    (purging, "BYTES", (1, 1_000)),
    (purging, "SLICES", (1, 2)),
    (purging, "ROWS", (1, 2)),
]
"""With dice of their own, so that the seeds keep their stories."""


FOR_COMPARISONS: list[tuple[ModuleType, str, tuple[int, ...]]] = [
    (digests, "ROWS_A_BUCKET", (1, 4)),
    (comparing, "MOST_CHANGED", (0, 2)),
    (comparing, "CHUNK", (1, 3)),
    (answering, "PAGE", (1, 3)),
    (answering, "PIECE_BYTES", (1, 30)),
    (answering, "TOGETHER", (1, 2)),
    (answering, "MOST_PENDING", (0, 3)),
    (findings, "PAGE", (1, 3)),
]
"""With dice of their own: comparisons came later."""

FOR_SMALL_MAILS = {(mailbox_limits, "SMALLEST_PART"): 20, (mailbox_limits, "WRAPPING"): 1_900}
"""Always: the simulated mailboxes take mails of two or three thousand bytes."""
LARGER = {(mailbox_limits, "SMALLEST_PART"): 400}
"""Where a host's whole state goes to a backup station: by parts of some bytes that takes thousands of mails."""


@contextmanager
def small_sizes(dice: Random, *, larger: bool) -> Iterator[dict[str, int]]:
    """A third of the sizes are small within, each run others; half of the runs go with the usual ones."""
    chosen = {}
    for module, name, choices in SIZES if dice.random() < 0.5 else ():
        if dice.random() < 0.35:
            chosen[module, name] = dice.choice(choices)
    own = Random()
    own.setstate(dice.getstate())
    for module, name, choices in LATER_SIZES:
        if own.random() < 0.3:
            chosen[module, name] = own.choice(choices)
    later = Random(dice.getstate()[1][0])
    for module, name, choices in FOR_COMPARISONS:
        if later.random() < 0.35:
            chosen[module, name] = later.choice(choices)
    chosen |= FOR_SMALL_MAILS | (LARGER if larger else {})
    usual = {place: getattr(*place) for place in chosen}
    for (module, name), size in chosen.items():
        setattr(module, name, size)
    try:
        yield {f"{module.__name__.rpartition('.')[2]}.{name}": size for (module, name), size in chosen.items()}
    finally:
        for (module, name), size in usual.items():
            setattr(module, name, size)
