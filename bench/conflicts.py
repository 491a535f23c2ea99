"""Conflicts: changes of a station to rows that the host has changed meanwhile, against the same without.

A station changes some rows and the host as many, then each runs: the station sends, the host judges, the station
applies what the host has decided. Once the host changes other rows, once the same ones, so that each change of the
station is a conflict: it is put on record, and a verdict goes back. Told are all three runs, less idle ones, and how
that compares with a host that has changed nothing at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from bench import data
from bench.measuring import Figure, Size, Spent, both, figure_of
from bench.places import HOST, Places
from bench.sites import MARIADB, POSTGRESQL, NewSite, Site, missing, started

LIMIT = 3
SQLITE = "SQLite"
STATION = "koeln"

SAME, OTHER, NONE = "same rows", "other rows", "no rows"
"""What the host changes meanwhile."""


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figures of a server that is missing: then it says so."""
    found = []
    with ExitStack() as stack:
        servers: dict[str, NewSite | None] = {SQLITE: None}
        for kind in (POSTGRESQL, MARIADB):
            if (reason := missing(kind)) is not None:
                tell(f"conflicts: left out, {reason}")
                continue
            servers[kind] = stack.enter_context(started(kind))
        for kind, new_site in servers.items():
            with _company(folder / "conflicts", size.conflicts, new_site) as company:
                found += _measure(company, kind, size, tell)
    return found


def _measure(company: _Company, kind: str, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    spent: dict[str, list[Spent]] = {SAME: [], OTHER: [], NONE: []}
    for repetition in range(size.repetitions):
        tell(f"conflicts: host on {kind}, repetition {repetition + 1} of {size.repetitions}")
        kinds = list(spent)
        for what in kinds[::-1] if repetition % 2 else kinds:
            spent[what].append(company.meet(what))
    scale = 1e6 / size.conflicts
    figures = []
    for unit, place in (("CPU", 0), ("time", 1)):
        for without in (OTHER, NONE):
            pairs = [(ours[place], bare[place]) for ours, bare in zip(spent[SAME], spent[without], strict=True)]
            meanwhile = "" if without == OTHER else ", against a host that changes nothing"
            figures.append(figure_of(f"conflicts, host on {kind}: {unit} each{meanwhile}", pairs, LIMIT, "µs", scale))
    return figures


class _Company:
    """A host and a station with twice `number` rows."""

    def __init__(self, places: Places, number: int, site: Site | None) -> None:
        self._places = places
        self._number = number
        self._site = site
        self._seeds = count(2)
        places.enrol(STATION)
        places.rest(HOST, STATION)
        rows = data.take(data.customers(1), 2 * number)
        places.write(STATION, lambda raw: raw.executemany(data.INSERT_CUSTOMER, rows))
        places.rest(STATION, HOST)

    def meet(self, what: str) -> Spent:
        """Both change their rows and run. Raises RuntimeError unless there are as many conflicts as there should be,
        and equal rows at the end."""
        places, number = self._places, self._number
        idle_cpu, idle_wall = both(self._runs)
        mine = data.customer_updates(next(self._seeds), 1, number)
        places.write(STATION, lambda raw: raw.executemany(data.UPDATE_CUSTOMER, mine))
        if what != NONE:
            first = 1 if what == SAME else 1 + number
            self._at_host(f"UPDATE customers SET credit = credit + 1 WHERE id BETWEEN {first} AND {first + number - 1}")
        before = places.conflicts()
        spent = both(self._runs)
        if (found := places.conflicts() - before) != (number if what == SAME else 0):
            raise RuntimeError(f"{what}: {found} conflicts")
        if places.content(HOST, "customers") != places.content(STATION, "customers"):
            raise RuntimeError(f"{what}: the databases differ")
        places.rest(HOST, STATION)
        return Spent(spent.cpu - idle_cpu, spent.wall - idle_wall)

    def _runs(self) -> None:
        self._places.exchange(STATION, HOST)
        self._places.run(STATION)

    def _at_host(self, statement: str) -> None:
        if self._site is None:
            self._places.write(HOST, lambda raw: raw.execute(statement))
        else:
            self._site.execute(statement)


@contextmanager
def _company(folder: Path, number: int, new_site: NewSite | None) -> Iterator[_Company]:
    site = None if new_site is None else new_site()
    if site is not None:
        site.make(data.CUSTOMERS)
    places = Places(folder, data.CUSTOMERS, ["customers"], [STATION], {} if site is None else {HOST: site})
    try:
        yield _Company(places, number, site)
    finally:
        if site is not None:
            site.close()
        shutil.rmtree(folder)
