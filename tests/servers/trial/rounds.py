"""The course of a trial: rounds in which every place is called once, all at the same time, until all is at rest."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.servers.farm import USERS, MailFarm
from tests.servers.trial.applications import Application
from tests.servers.trial.places import TABLES, Ended, Place
from tests.servers.trial.troubles import Troubles

WRITES = 15
"""Transactions of each application in a round, at most."""
PROBE_SECONDS = 20
"""Waited where nothing is left to do and all is not well: after a minute of silence a node asks for what is missing."""
SETTLE_TIMES = 20
"""Times that is waited for Postfix's queue to be empty, a minute each."""
_GOOD = (0, 3)


class NotAtRest(AssertionError):
    """After as many rounds as were allowed."""


@dataclass
class Figures:
    """How it went."""

    rounds: int = 0
    processes: int = 0
    killed: int = 0
    failed: int = 0
    seconds: float = 0.0
    writes: int = 0
    peak: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Most memory of one run, in bytes, by its command."""
    errors: list[str] = field(default_factory=list)


@dataclass
class Trial:
    """`troubled` rounds with troubles and writing, then rounds without, `most` in all."""

    farm: MailFarm
    places: list[Place]
    troubles: Troubles
    dice: random.Random
    troubled: int
    most: int
    resend: bool = False
    """A person helps with --resend-now where a mail was lost; else the nodes find out by themselves, in a minute."""
    tell: Callable[[str], None] = print
    figures: Figures = field(default_factory=Figures)
    applications: list[Application] = field(init=False)

    def __post_init__(self) -> None:
        self.applications = [
            Application(place, number, random.Random(self.dice.random()))
            for number, place in enumerate(self.places, start=1)
        ]

    def run(self) -> None:
        """Until all is at rest. Raises NotAtRest."""
        began, options = time.monotonic(), list[str]()
        for number in range(1, self.most + 1):
            self.figures.rounds = number
            calm = number > self.troubled
            if not calm:
                self.troubles.strike(self.places)
            ended = self.round(options, writing=not calm)
            self.troubles.end(self.places)
            self._settle()
            self.tell(f"{time.monotonic() - began:6.0f} s  round {number}{': calm' if calm else ''}  {_short(ended)}")
            options = []
            if calm and self._nothing_done(ended):
                if self._equal():
                    self.figures.seconds = time.monotonic() - began
                    return
                if self.resend:
                    options = ["--resend-now"]
                else:
                    time.sleep(PROBE_SECONDS)
        raise NotAtRest(f"not at rest after {self.most} rounds: {_short(ended)} {self.figures.errors[-5:]}")

    def round(self, options: list[str], *, writing: bool) -> dict[str, Ended]:
        """Every place is called once; the applications write meanwhile."""
        for place in self.places:
            place.start(*options)
        running, ended, left = list(self.places), dict[str, Ended](), WRITES
        while running:
            for place in list(running):
                found = place.ended()
                if found is not None:
                    running.remove(place)
                    ended[place.user] = found
                    self._note(place, found)
            if writing and left:
                left -= 1
                for application in self.applications:
                    application.write()
            time.sleep(0.02)
        return ended

    def _settle(self) -> None:
        """Until all mail is delivered or has bounced: hundreds of megabytes may be under way on a busy machine."""
        for left in reversed(range(SETTLE_TIMES)):
            try:
                self.farm.settle()
            except TimeoutError:
                if not left:
                    raise
            else:
                return

    def _note(self, place: Place, ended: Ended) -> None:
        figures, command = self.figures, "host-run" if place.is_host else "remote-run"
        figures.processes += 1
        figures.killed += ended.code < 0
        figures.failed += ended.code not in _GOOD and ended.code >= 0
        figures.peak[command] = max(figures.peak[command], ended.peak)
        figures.writes = sum(application.writes for application in self.applications)
        if ended.err:
            figures.errors.append(f"{place.user}: {ended.err}")
            self.tell(f"          {place.user}: {ended.err.removeprefix('replicator: ')}")

    def _nothing_done(self, ended: dict[str, Ended]) -> bool:
        return all(each.code in _GOOD and each.outcome is not None and each.outcome["idle"] for each in ended.values())

    def _equal(self) -> bool:
        host, *stations = self.places
        wanted = content(host)
        return all(content(station) == wanted for station in stations) and not any(
            self.farm.mailboxes.contents(user) for user in USERS
        )


def content(place: Place) -> dict[str, object]:
    """What tells two databases apart: every row, the scans by their digests. Tables that have not come are None."""
    with place.opened() as connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        connection.create_function("digest", 1, lambda scan: None if scan is None else hash(scan))
        found: dict[str, object] = {}
        for table in TABLES:
            columns = "id, customer, title, digest(scan)" if table == "documents" else "*"
            rows = connection.execute(f"SELECT {columns} FROM {table} ORDER BY id") if table in there else None
            found[table] = None if rows is None else rows.fetchall()
    return found


def _short(ended: dict[str, Ended]) -> str:
    return "  ".join(
        f"{user} {_how(each)}" for user, each in sorted(ended.items(), key=lambda item: item[0] != "server")
    )


def _how(ended: Ended) -> str:
    if ended.outcome is None:
        return "killed" if ended.code < 0 else f"failed({ended.code})"
    done = ended.outcome["summary"]
    if ended.outcome["idle"]:
        return "-"
    return f"{done['received']['mails']}in/{done['sent']['mails']}out"
