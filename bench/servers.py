"""What capture costs the application on PostgreSQL and MariaDB: its own durable writes with our triggers and without.

Time by the clock at the client, as the server does the work. The server has its usual settings and syncs each commit;
nothing else is done there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import data
from bench.capture import INSERT, SINGLE, UPDATE, Pairs, figures
from bench.data import Work
from bench.measuring import Figure, Size, wall
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, Site, missing, started

LIMITS = {POSTGRESQL: {INSERT: 3, UPDATE: 4, SINGLE: 1.15}, MARIADB: {INSERT: 3.6, UPDATE: 6.5, SINGLE: 1.4}}


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
    with started(kind) as new_site:
        bare, ours = new_site(), new_site()
        for site in (bare, ours):
            site.make(schema)
            for work in works:
                site.ready(work)
        Places(folder, schema, tables, sites={HOST: ours})
        for repetition in range(size.repetitions):
            tell(f"servers: {kind}, repetition {repetition + 1} of {size.repetitions}")
            for work in works:
                without, captured = (_write(site, work, size) for site in (bare, ours))
                for what in LIMITS[kind]:
                    times[work.table, what].append((captured[what], without[what]))
    shutil.rmtree(folder)
    writes = {INSERT: size.capture_rows, UPDATE: size.capture_rows, SINGLE: size.server_transactions}
    return figures(f"capture on {kind}", times, LIMITS[kind], writes)


def _write(site: Site, work: Work, size: Size) -> dict[str, float]:
    """Seconds of each kind of write, into an emptied table."""
    found = {}
    site.empty(work.table)
    for what, write in (
        (INSERT, partial(site.insert, work.table)),
        (UPDATE, partial(site.update, work)),
        (SINGLE, partial(site.one_by_one, work, size.server_transactions // 2)),
    ):
        if what == SINGLE:
            site.empty(work.table)
        site.rest()
        found[what] = wall(write)
    return found
