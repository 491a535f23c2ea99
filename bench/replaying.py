"""Replaying a host's journal into an empty database, against the initial load of a station with the same tables.

The load is all of it: the host packs the rows, seals and mails them, the station receives and writes them. A replay
reads rows and changes at one place, and writes rows. Time by the clock, of databases of the same kind, as a server does
its part of the work.

Once all rows come from the base, which is how a journal begins; once the base is empty and all comes from changes, as
many as there are rows, half of them updates.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import data
from bench.data import Row, Work
from bench.measuring import Figure, Size, figure_of, wall
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, NewSite, Site, missing, started

LIMIT = 2
"""At least half as fast."""
STATION = "koeln"
SQLITE = "SQLite"
BASE, CHANGES = "rows of a base", "changes"


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figure of a server that is missing: then it says so."""
    figures = []
    works = {
        BASE: data.customer_work(size.changes),
        CHANGES: data.customer_work(size.changes // 2),
    }
    for kind in (SQLITE, POSTGRESQL, MARIADB):
        if kind != SQLITE and (reason := missing(kind)) is not None:
            tell(f"replaying: left out, {reason}")
            continue
        with _sites(kind) as new_site:
            for what, work in works.items():
                pairs = []
                for repetition in range(size.repetitions):
                    tell(f"replaying: {what} on {kind}, repetition {repetition + 1} of {size.repetitions}")
                    pairs.append(_measure(folder / "replaying", new_site, work, what))
                name = f"replaying {size.changes:,} {what} on {kind}: time, against an initial load"
                figures.append(figure_of(name, pairs, LIMIT, "s"))
    return figures


@contextmanager
def _sites(kind: str) -> Iterator[NewSite | None]:
    if kind == SQLITE:
        yield None
        return
    with started(kind) as new_site:
        yield new_site


class _Ends(NamedTuple):
    """The databases of a host, of a station, and the one to fill; None: SQLite files."""

    host: Site
    station: Site
    target: Site


def _measure(folder: Path, new_site: NewSite | None, work: Work, what: str) -> tuple[float, float]:
    """Seconds of a replay and of an initial load, per row of the base or per change."""
    ends = None if new_site is None else _Ends(new_site(), new_site(), new_site())
    if ends is not None:
        ends.host.make(data.CUSTOMERS)
        ends.host.ready(work)
    sites = {} if ends is None else {HOST: ends.host, STATION: ends.station}
    places = Places(folder, data.CUSTOMERS, [], [], sites)
    if what == CHANGES:
        places.add(work.table)
    for update in (False, True) if what == CHANGES else (False,):
        _write(places, ends, work, update=update)
        places.run(HOST)
    if what == BASE:
        places.add(work.table)
    places.invite(STATION)
    loaded = wall(lambda: places.run(HOST))
    places.enrol(STATION)
    loaded += wall(lambda: places.run(STATION))
    if places.content(HOST, work.table) != places.content(STATION, work.table):
        raise RuntimeError("the databases differ")
    target = folder / "target.db"
    replayed = wall(lambda: places.replay(f"sqlite:///{target}" if ends is None else ends.target.url))
    if _content(ends, target, work) != places.content(HOST, work.table):
        raise RuntimeError("what was built differs")
    shutil.rmtree(folder)
    for site in ends or ():
        site.close()
    # A load brings each row once, however often it was changed.
    rows, changes = len(work.rows), len(work.rows) + (len(work.updates) if what == CHANGES else 0)
    return replayed, loaded * changes / rows


def _write(places: Places, ends: _Ends | None, work: Work, *, update: bool) -> None:
    """All rows, or all updates, in one transaction."""
    if ends is not None:
        ends.host.update(work) if update else ends.host.insert(work.table)
    elif update:
        places.write(HOST, lambda raw: raw.executemany(data.UPDATE_CUSTOMER, work.updates))
    else:
        places.write(HOST, lambda raw: raw.executemany(data.INSERT_CUSTOMER, work.rows))


def _content(ends: _Ends | None, target: Path, work: Work) -> list[Row]:
    if ends is not None:
        return ends.target.content(work.table)
    with sqlite3.connect(target) as raw:
        return raw.execute(f"SELECT * FROM {work.table} ORDER BY id").fetchall()
