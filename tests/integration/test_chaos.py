"""Hosts and stations on real databases, with applications that write from many connections while nodes run and die."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from replicator.engine.session import run as run_session
from replicator.errors import Transient
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.chaos.applications import ACCOUNTS, BALANCE, DEEDS, ROWS, TABLES, Application
from tests.chaos.post import Post
from tests.integration.command_line import Place

COMPANIES = [
    ("postgresql", "sqlite", "postgresql"),
    ("sqlite", "postgresql", "sqlite"),
    ("mariadb", "sqlite", "mariadb"),
    ("sqlite", "mariadb", "postgresql"),
]
"""Databases of the host and of two stations."""
SEEDS = int(os.environ.get("REPLICATOR_CHAOS", "1"))
NAMES = ("office", "koeln", "bonn")
ORDERED = {name: f"SELECT * FROM {name} ORDER BY id" for name in ("accounts", "customers", "orders", "log_lines")}


class Died(BaseException):
    """A node's process is gone."""


class Company:
    def __init__(self, places: list[Place], seed: str) -> None:
        self.places = places
        self.dice = random.Random(seed)
        self.post = Post(places[0].folder / "mail", self.dice)
        self.applications = [
            Application(place.application_url, number, seed, alone=place.is_alone)
            for number, place in enumerate(places)
        ]
        self.died = self.gave_way = 0

    def work(self) -> None:
        """The nodes run, and die, while the applications write."""
        for application in self.applications:
            application.start()
        try:
            while any(application.is_at_work for application in self.applications):
                for place in self.dice.sample(self.places, len(self.places)):
                    self._run(place)
                    self._look_at_sums()
                self.post.disturb()
        finally:
            for application in self.applications:
                application.stop()

    def rest(self) -> None:
        self.post.settle()
        for _ in range(8):
            for place in self.places:
                _once(place, Runtime(), resend_now=True)

    def _run(self, place: Place) -> None:
        left = self.dice.randrange(60) if self.dice.random() < 0.4 else -1

        def reached(_where: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Died

        try:
            _once(place, Runtime(reached=reached))
        except Died:
            self.died += 1
        except Transient:
            self.gave_way += 1

    def _look_at_sums(self) -> None:
        """Transfers arrive whole, whenever one looks."""
        for place in self.places:
            found = place.sql("SELECT sum(balance), count(*) FROM accounts")
            assert found in ([(None, 0)], [(BALANCE * ACCOUNTS, ACCOUNTS)]), place.name


def _once(place: Place, runtime: Runtime, *, resend_now: bool = False) -> None:
    with open_node(Home(place.home, Files(runtime)), runtime) as node:
        run_session(node, resend_now=resend_now)


@pytest.fixture(params=COMPANIES, ids="-".join)
def places(request: pytest.FixtureRequest, new_place: Callable[[str, str], Place], tmp_path: Path) -> list[Place]:
    office, *stations = (new_place(kind, name) for kind, name in zip(request.param, NAMES, strict=True))
    for statement in (*TABLES, *ROWS):
        office.sql(statement)
    office.done("host-init", *office.options, "--address", "office@example.com")
    office.done("table", "add", "accounts", "customers", "orders", "log_lines", "--area", "Firm")
    for station in stations:
        invitation = tmp_path / f"{station.name}.invitation"
        office.done("station", "add", station.name, "--address", f"{station.name}@example.com", "--out", invitation)
        office.done("rule", "set", station.name, "all", "--to-remote", "all", "--to-host", "all")
        office.done("rule", "set", station.name, "accounts", "--to-remote", "all", "--to-host", "none")
        station.done("remote-init", invitation, *station.options)
    for _ in range(3):
        for place in (office, *stations):
            place.run()
    return [office, *stations]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_all_that_was_committed_arrives_and_all_end_equal(places: list[Place], seed: int) -> None:
    company = Company(places, f"{seed} {places[0].options}")
    company.work()
    company.rest()
    contents: list[dict[str, Any]] = [
        {name: place.sql(statement) for name, statement in ORDERED.items()} for place in places
    ]
    host, *stations = contents
    assert stations == [host, host]
    lines = {line[0] for line in host["log_lines"]}
    written = set().union(*(application.written for application in company.applications))
    assert lines == written, (len(written - lines), len(lines - written))
    tallies = {number: tally for number, _, _, tally in host["customers"] if tally}
    assert tallies == dict(company.applications[0].tallied), "a change of the host is never overwritten"
    assert all(application.committed > DEEDS for application in company.applications)
    assert places[0].call("status").code == 0
    print(f"nodes died {company.died} times and gave way {company.gave_way} times;", end=" ")
    print(f"{sum(each.committed for each in company.applications)} transactions")
