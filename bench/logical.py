"""A million changes from PostgreSQL to PostgreSQL by folder mail, against PostgreSQL's own logical replication.

One transaction, half inserts, half updates of two columns. Ours is the time by the clock of a host-run and then a
remote-run, less that of idle runs. The baseline is the time from the moment at which the same transaction has been
committed until a subscriber has all of it: what PostgreSQL decodes before the commit is not counted. All databases are
on one server and one computer; ours are compressed and sealed, PostgreSQL's go through a bare connection.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bench import data
from bench.data import Work
from bench.measuring import Figure, Size, figure_of, wall
from bench.places import HOST, Places
from bench.sites import POSTGRESQL, NewSite, missing, started
from tests.servers.processes import wait_until

if TYPE_CHECKING:
    from bench.postgresql_site import PostgresqlSite

LIMIT = 8
STATION = "koeln"
NAME = "everything"
"""Of the publication, the subscription and the server's slot for it."""
_PAUSE = 0.01
"""Seconds between two looks at the subscriber."""


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    """No figure where the server is missing: then it says so."""
    if (reason := missing(POSTGRESQL)) is not None:
        tell(f"logical: left out, {reason}")
        return []
    work = data.customer_work(size.logical_changes // 2)
    pairs = []
    with started(POSTGRESQL, "wal_level = logical\n") as new_site:
        for repetition in range(size.repetitions):
            tell(f"logical: repetition {repetition + 1} of {size.repetitions}")
            bare = _by_subscription(work, new_site)
            pairs.append((_by_mail(folder / "logical", work, new_site), bare))
    name = f"logical, {size.logical_changes:,} changes PostgreSQL → PostgreSQL: time"
    return [figure_of(name, pairs, LIMIT, "s")]


def _by_mail(folder: Path, work: Work, new_site: NewSite) -> float:
    """Seconds that both runs take, less idle ones."""
    with _pair(work, new_site) as (source, target):
        places = Places(folder, data.CUSTOMERS, [work.table], [STATION], {HOST: source, STATION: target})
        places.enrol(STATION)
        places.rest(HOST, STATION)
        idle = wall(lambda: places.exchange(HOST, STATION))
        source.write(work)
        spent = wall(lambda: places.exchange(HOST, STATION))
        shutil.rmtree(folder)
    return spent - idle


def _by_subscription(work: Work, new_site: NewSite) -> float:
    """Seconds from the commit until the subscriber has all."""
    with _pair(work, new_site) as (source, target):
        target.make(data.CUSTOMERS)
        publisher, subscriber = source.administrator, target.administrator
        publisher.execute(f"CREATE PUBLICATION {NAME} FOR TABLE {work.table}".encode())
        # Made by hand: where both databases are on one server, a subscription that made it would wait for itself.
        publisher.execute(f"SELECT pg_create_logical_replication_slot('{NAME}', 'pgoutput')".encode())
        info = publisher.info
        where = f"host={info.host} port={info.port} user={info.user} password={info.password} dbname=''{info.dbname}''"
        subscriber.execute(
            f"CREATE SUBSCRIPTION {NAME} CONNECTION '{where}' PUBLICATION {NAME}"
            f" WITH (create_slot = false, slot_name = {NAME}, copy_data = false)".encode()
        )
        wait_until(lambda: _is_followed(source), "the subscriber follows")
        source.write(work)
        spent = wall(lambda: _await(target, work))
        subscriber.execute(f"DROP SUBSCRIPTION {NAME}".encode())
    return spent


def _is_followed(source: PostgresqlSite) -> bool:
    found = source.administrator.execute("SELECT FROM pg_stat_replication WHERE state = 'streaming'")
    return bool(found.fetchall())


def _await(target: PostgresqlSite, work: Work) -> None:
    """A transaction is seen as a whole, so one of its rows will do."""
    while not target.fetch(f"SELECT FROM {work.table} LIMIT 1"):
        time.sleep(_PAUSE)


@contextmanager
def _pair(work: Work, new_site: NewSite) -> Iterator[tuple[PostgresqlSite, PostgresqlSite]]:
    """A database with the rows that will be written, and an empty one. They are equal at the end."""
    source, target = cast("PostgresqlSite", new_site()), cast("PostgresqlSite", new_site())
    source.make(data.CUSTOMERS)
    source.ready(work)
    source.rest()
    yield source, target
    digest = f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {work.table} t"
    found = [site.fetch(digest)[0] for site in (source, target)]
    if found[0] != found[1] or found[0][0] != len(work.rows):
        raise RuntimeError("the databases differ")
    for site in (source, target):
        site.close()
