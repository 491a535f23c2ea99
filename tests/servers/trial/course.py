"""One trial from its set-up to its proof, and its figures as lines."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.servers.farm import MailFarm
from tests.servers.trial.applications import fill
from tests.servers.trial.places import set_up
from tests.servers.trial.proof import mails, prove
from tests.servers.trial.rounds import Trial
from tests.servers.trial.troubles import Troubles

SIZE_LIMIT = 3_000_000
"""Bytes of a mail that the servers take. The nodes would make them of 3.4 MB."""
PART = 2_500_000
LARGE = 50
"""Megabytes from which on a load is taken for a large one."""


@dataclass(frozen=True)
class Measures:
    """What of the surroundings goes by the load's size."""

    rounds: int
    """With troubles."""
    quota: int
    """Bytes that the mailbox of places.FULL holds: some mails of SIZE_LIMIT, and by far not the load."""
    rate: int
    """Mails that the servers take from one client in ten seconds (450 4.7.1 after that)."""

    @classmethod
    def of(cls, megabytes: int) -> Measures:
        return cls(12, 30_000_000, 60) if megabytes >= LARGE else cls(6, 4_000_000, 25)


def hold(
    folder: Path,
    megabytes: int,
    *,
    seed: int = 1,
    troubled: int = 0,
    resend: bool = False,
    tell: Callable[[str], None] = lambda line: print(line, flush=True),
) -> list[str]:
    """Hold one trial in `folder`. Raises AssertionError where something does not hold; gives the figures."""
    dice = random.Random(seed)
    with ExitStack() as stack:
        of_size = Measures.of(megabytes)
        farm = stack.enter_context(
            MailFarm(size_limit=SIZE_LIMIT, small_quota=of_size.quota, message_rate=of_size.rate)
        )
        places = set_up(farm, folder, fill(megabytes), part_bytes=PART)
        for place in places:
            stack.callback(place.close)
        rounds = troubled or of_size.rounds
        troubles = Troubles(farm, max(100_000, megabytes * 1_400_000), random.Random(dice.random()))
        trial = Trial(farm, places, troubles, dice, rounds, rounds * 3 + 30, resend=resend, tell=tell)
        trial.run()
        prove(trial)
        return figures(trial, megabytes)


def figures(trial: Trial, megabytes: int) -> list[str]:
    found, post = trial.figures, mails(trial.farm)
    conflicts = trial.places[0].rows("SELECT count(*) FROM replicator_conflict")[0][0]
    return [
        f"an initial load of {megabytes} MB to each of four stations, {found.writes} transactions of applications",
        f"mails that Postfix took: {post.count}, {post.bytes / 1e6:.1f} MB, the largest of {post.largest / 1e6:.2f} MB",
        f"rounds: {found.rounds}; runs: {found.processes}, {found.killed} of them killed, {found.failed} failed",
        f"seconds: {found.seconds:.0f}; most memory: "
        + ", ".join(f"{command} {peak / 1e6:.0f} MB" for command, peak in sorted(found.peak.items())),
        f"conflicts on record at the host: {conflicts}",
        "troubles: " + ", ".join(f"{what} {count}" for what, count in sorted(trial.troubles.told.items())),
        "all equal, everything applied once, nothing left over",
    ]
