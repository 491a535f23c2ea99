"""What capture costs the application on PostgreSQL and MariaDB: its own durable writes with our triggers and without.

Time by the clock at the client, as the server does the work. The server has its usual settings and syncs each commit;
nothing else is done there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import data
from bench.capture import INSERT, SINGLE, UPDATE, Pairs, figures
from bench.data import Work
from bench.measuring import Figure, Size, awake, wall
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, NewSite, ProbedSite, Site, missing, started

FROM_TABLE = "bulk insert from another table"
AWAKE = "one-row transactions, processors kept awake"
BY_HAND = "one-row transactions, the application copies its changes by itself"
DELAYED = "one-row transactions, each commit 1.5 ms later"
DELAY = 1500
"""Microseconds."""
LIMITS = {
    POSTGRESQL: {INSERT: 3, FROM_TABLE: 3, UPDATE: 4, SINGLE: 1.15, AWAKE: 1.15, BY_HAND: None, DELAYED: 1.15},
    MARIADB: {INSERT: 3.6, FROM_TABLE: None, UPDATE: 6.5, SINGLE: 1.4},
}
TURN = 50
"""Transactions in a turn."""


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figures of a server that is missing: then it says so."""
    works = (data.customer_work(size.capture_rows), data.item_work(size.capture_rows))
    found = []
    for kind in (POSTGRESQL, MARIADB):
        if (reason := missing(kind)) is not None:
            tell(f"servers: left out, {reason}")
            continue
        found += _measure(folder / "servers", kind, works, size, tell)
    return found


def _measure(folder: Path, kind: str, works: tuple[Work, ...], size: Size, tell: Callable[[str], None]) -> list[Figure]:
    schema, tables = data.CUSTOMERS + data.ITEMS, [work.table for work in works]
    times: dict[tuple[str, str], Pairs] = {(table, what): [] for table in tables for what in LIMITS[kind]}
    half = size.server_transactions // 2
    fewer = max(1, half // 3)  # as each takes long
    with started(kind) as new_site:
        bare, ours = new_site(), new_site()
        for site in (bare, ours):
            site.make(schema)
            for work in works:
                site.ready(work)
        Places(folder, schema, tables, sites={HOST: ours})
        by_hand = _by_hand(new_site, schema, works) if BY_HAND in LIMITS[kind] else None
        statements = {work.table: bare.statements(work) for work in works}
        for repetition in range(size.repetitions):
            tell(f"servers: {kind}, repetition {repetition + 1} of {size.repetitions}")
            for work in works:
                # Whoever comes second finds some things warm.
                sites = (ours, bare) if repetition % 2 else (bare, ours)
                found = {site: _bulk(site, work, statements[work.table]) for site in sites}
                for what in (INSERT, FROM_TABLE, UPDATE):
                    times[work.table, what].append((found[ours][what], found[bare][what]))
                times[work.table, SINGLE].append(_one_by_one(ours, bare, work, half))
                if AWAKE in LIMITS[kind]:
                    with awake():
                        times[work.table, AWAKE].append(_one_by_one(ours, bare, work, half))
                if by_hand is not None:
                    times[work.table, BY_HAND].append(_one_by_one(by_hand, bare, work, half))
                if DELAYED in LIMITS[kind]:
                    with _delayed(ours, bare):
                        times[work.table, DELAYED].append(_one_by_one(ours, bare, work, fewer))
    shutil.rmtree(folder)
    writes = dict.fromkeys(LIMITS[kind], size.server_transactions)
    writes |= dict.fromkeys((INSERT, FROM_TABLE, UPDATE), size.capture_rows) | {DELAYED: 2 * fewer}
    return figures(f"capture on {kind}", times, LIMITS[kind], writes)


def _by_hand(new_site: NewSite, schema: str, works: tuple[Work, ...]) -> Site:
    """A database without triggers, whose application copies its changes by itself."""
    site = new_site()
    assert isinstance(site, ProbedSite)  # noqa: S101 - the limits name it for those only
    site.make(schema)
    for work in works:
        site.copy_changes(work)
    return site


@contextmanager
def _delayed(*sites: Site) -> Iterator[None]:
    probed = [site for site in sites if isinstance(site, ProbedSite)]
    for site in probed:
        site.delay_commits(DELAY)
    yield
    for site in probed:
        site.delay_commits(0)


def _bulk(site: Site, work: Work, statements: list[str]) -> dict[str, float]:
    """Seconds of each kind of bulk write; inserts into an emptied table."""
    found = {}
    for what, write in (
        (INSERT, partial(site.send, statements)),
        (FROM_TABLE, partial(site.insert, work.table)),
        (UPDATE, partial(site.update, work)),
    ):
        if what != UPDATE:
            site.empty(work.table)
        site.rest()
        found[what] = wall(write)
    return found


def _one_by_one(ours: Site, bare: Site, work: Work, half: int) -> tuple[float, float]:
    """Seconds with capture and without, for half inserts, half updates. In short turns, as a disk has its moods."""
    spent = {ours: 0.0, bare: 0.0}
    for site in spent:
        site.empty(work.table)
        site.rest()
    turns = [
        (site, start)
        for start in range(0, half, TURN)
        for site in ((ours, bare) if start // TURN % 2 else (bare, ours))
    ]
    for rows, of in ((work.rows[:half], Site.insert_each), (work.updates[:half], Site.update_each)):
        for site, start in turns:
            began = time.monotonic()
            of(site, work, rows[start : start + TURN])
            spent[site] += time.monotonic() - began
    return spent[ours], spent[bare]
