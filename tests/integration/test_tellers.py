"""TPC-B's transactions at a MariaDB host that replicates every two seconds, with stations that follow.

REPLICATOR_PGBENCH=60 for a minute of each script.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos import tellers
from tests.integration.banks import CLIENTS, SECONDS, follow, history_of, join
from tests.integration.command_line import Place


@pytest.fixture
def places(new_place: Callable[[str, str], Place]) -> list[Any]:
    """The host on MariaDB, a station on SQLite and one on PostgreSQL; all rows are there."""
    office = new_place("mariadb", "office")
    for statement in tellers.TABLES:
        office.sql(statement)
    stations = [new_place("sqlite", "koeln"), new_place("postgresql", "bonn")]
    join(office, *stations)
    return [office, *stations]


@pytest.mark.parametrize("script", tellers.SCRIPTS)
def test_stations_follow_the_clients(places: list[Any], script: str) -> None:
    office, *stations = places
    words = [office.server.port, office.database, SECONDS, CLIENTS, script]
    told = follow(
        office,
        stations,
        lambda: subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.tellers", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ),
    )
    committed, undone, refused = map(int, told.split())
    print(f"{committed} transactions, {undone} undone, {refused} refused by the server")
    assert history_of(office) == committed > SECONDS
    assert (undone > 0) == (script == "savepoints")
