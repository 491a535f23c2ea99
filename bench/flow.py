"""The whole way, from the outbox of one node to the rows of the other: CPU of both runs, less that of idle runs.

Half inserts, half updates of two columns. The baseline is what nobody can do without: the same rows, in the same
order, by a bare `executemany` upsert into an equal table. Opening and closing the database count on both sides.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import data, stages
from bench.measuring import Figure, Size, cpu, figure_of, middle
from bench.places import HOST, Places

DOWN_LIMIT, UP_LIMIT = 10, 16
DOWN_BYTES, UP_BYTES, SINGLE_BYTES = 40, 55, 2000
STATION = "koeln"


@dataclass(frozen=True, slots=True)
class _Way:
    name: str
    source: str
    target: str
    limit: float
    bytes_limit: float


WAYS = (
    _Way("host → station", HOST, STATION, DOWN_LIMIT, DOWN_BYTES),
    _Way("station → host", STATION, HOST, UP_LIMIT, UP_BYTES),
)

Spent = dict[str, dict[str, float]]
"""By way and stage: microseconds a change."""


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> tuple[list[Figure], Spent]:
    half = size.changes // 2
    work = _Work.make(half)
    ratios: dict[str, list[tuple[float, float]]] = {way.name: [] for way in WAYS}
    mails: dict[str, list[float]] = {way.name: [] for way in WAYS}
    for repetition in range(size.repetitions):
        tell(f"flow: repetition {repetition + 1} of {size.repetitions}")
        with _places(folder) as places:
            for way in WAYS:
                bare = cpu(lambda: _bare(folder, work))
                spent, sent = _travel(places, way, work)
                ratios[way.name].append((spent, bare))
                mails[way.name].append(sent / size.changes)
    tell("flow: stages")
    figures = [
        figure_of(f"flow, {way.name}: CPU a change", ratios[way.name], way.limit, "µs", 1e6 / size.changes)
        for way in WAYS
    ]
    figures += [
        Figure(f"flow, {way.name}: mail a change", middle(mails[way.name]), None, way.bytes_limit, "B") for way in WAYS
    ]
    figures += _single(folder)
    return figures, _spent(folder, work, size.changes)


@dataclass(frozen=True, slots=True)
class _Work:
    """The same changes for every repetition; each way has rows of its own."""

    inserts: list[data.Row]
    updates: list[data.Row]
    results: list[data.Row]

    @classmethod
    def make(cls, half: int) -> _Work:
        inserts = data.take(data.customers(1), half)
        updates = data.customer_updates(2, 1, half)
        return cls(inserts, updates, list(map(data.updated, inserts, updates)))

    def at(self, node: str) -> Callable[[sqlite3.Connection], None]:
        """The application writes; at the station other rows than at the host."""
        move = 0 if node == HOST else 10_000_000

        def write(raw: sqlite3.Connection) -> None:
            raw.executemany(data.INSERT_CUSTOMER, ((row[0] + move, *row[1:]) for row in self.inserts))
            raw.executemany(data.UPDATE_CUSTOMER, ((city, credit, key + move) for city, credit, key in self.updates))

        return write


@contextmanager
def _places(folder: Path) -> Iterator[Places]:
    where = folder / "flow"
    places = Places(where, data.CUSTOMERS, ["customers"], [STATION])
    places.enrol(STATION)
    places.rest(HOST, STATION)
    try:
        yield places
    finally:
        shutil.rmtree(where)


def _travel(places: Places, way: _Way, work: _Work) -> tuple[float, int]:
    """(CPU seconds of both runs less idle ones, bytes of mail)."""
    idle = cpu(lambda: places.run(way.source)) + cpu(lambda: places.run(way.target))
    places.write(way.source, work.at(way.source))
    spent = cpu(lambda: places.run(way.source))
    sent = sum(places.mail_sizes(way.target))
    spent += cpu(lambda: places.run(way.target))
    if places.content(HOST, "customers") != places.content(STATION, "customers"):
        raise RuntimeError(f"{way.name}: the databases differ")
    places.rest(way.source, way.target)
    return spent - idle, sent


def _bare(folder: Path, work: _Work) -> None:
    path = folder / "bare.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.executescript(data.CUSTOMERS)
        raw.execute("BEGIN")
        statement = data.upsert("customers", data.CUSTOMER_COLUMNS)
        raw.executemany(statement, work.inserts)
        raw.executemany(statement, work.results)
        raw.execute("COMMIT")


def _single(folder: Path) -> list[Figure]:
    """The whole mail of one changed row, with head and signature of nothing spared."""
    with _places(folder) as places:
        figures = []
        for way, key in zip(WAYS, (1, 2), strict=True):
            row = next(data.customers(3, key))
            places.write(way.source, lambda raw, row=row: raw.execute(data.INSERT_CUSTOMER, row))
            places.run(way.source)
            (mail,) = places.mail_sizes(way.target)
            figures.append(Figure(f"flow, {way.name}: mail with one change", mail, None, SINGLE_BYTES, "B"))
            places.rest(way.target, way.source)
    return figures


def _spent(folder: Path, work: _Work, changes: int) -> Spent:
    """One more way each, with the stages timed."""
    spent: Spent = {}
    with _places(folder) as places:
        for way in WAYS:
            for node, what in ((way.source, "sends"), (way.target, "applies")):
                if what == "sends":
                    places.write(way.source, work.at(way.source))
                with stages.watched() as watch:
                    places.run(node)
                taken = {stage: seconds / changes * 1e6 for stage, seconds in watch.seconds.items()}
                spent[f"{way.name}, {node} {what}"] = dict(sorted(taken.items(), key=lambda item: -item[1]))
            places.rest(way.source, way.target)
    return spent
