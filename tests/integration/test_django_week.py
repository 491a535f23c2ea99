"""A week of Django's own applications with keys that count by themselves, at a host and two stations mostly offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from replicator.engine.session import run as run_session
from replicator.operations.numbers_admin import Wish, set_numbers
from replicator.operations.opening import open_node, open_view
from replicator.runtime import Runtime
from replicator.store import number_spans, numbers
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol
from tests.integration.conftest import NewPlace
from tests.week.company import Clock

COUNTED = (
    "auth_group",
    "auth_group_permissions",
    "auth_user",
    "auth_user_groups",
    "django_admin_log",
    "django_redirect",
)
"""Tables whose keys the site draws in its daily work; those of the others are its migrations'."""
OTHERS = ("auth_permission", "auth_user_user_permissions", "django_content_type", "django_session", "django_site")
BLOCK = {"sqlite": 300, "mariadb": 300, "postgresql": 250}
"""By the host's database. Where keys leapfrog, one block has to last while a place is away; else there are two."""
PORTIONS = {day: (180, 180) if day < 5 else (100,) for day in range(7)}
"""Inserts of a place in the morning and in the afternoon, by day: 2,000 in the week."""
AWAY = {"koeln": (2, 3), "bonn": (1,), "office": (5,)}
"""Days without any mail."""
Key = tuple[str, int]


class Application:
    """The site's server beside a node. It stays up all week."""

    def __init__(self, place: Place) -> None:
        self.place = place
        root = Path(__file__).parents[2]
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.applications.django_site", json.dumps(place.django), "serve", place.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        self.drawn: list[Key] = []
        self.deleted: list[Key] = []

    def work(self, inserts: int) -> None:
        done = self._ask(inserts)
        for kept, record in ((self.drawn, done["drawn"]), (self.deleted, done["deleted"])):
            kept += [(table, key) for table, keys in record.items() for key in keys]

    def dump(self) -> dict[str, list[list[str]]]:
        found: dict[str, list[list[str]]] = self._ask(None)
        return found

    def _ask(self, what: Any) -> Any:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(what), file=self._server.stdin, flush=True)
        answer = self._server.stdout.readline()
        assert answer, "the application has failed; its error stands in the test's output"
        return json.loads(answer)

    def stop(self) -> None:
        self._server.communicate()


@contextmanager
def running(*places: Place) -> Iterator[list[Application]]:
    made = [Application(place) for place in places]
    try:
        yield made
    finally:
        for application in made:
            application.stop()


def keys(dump: dict[str, list[list[str]]]) -> set[Key]:
    """A model's first column is its key."""
    return {(table, int(row[0])) for table in COUNTED for row in dump[table]}


@pytest.mark.parametrize(
    "kinds",
    [
        ("sqlite", "sqlite", "sqlite"),
        ("postgresql", "postgresql", "postgresql"),
        ("mariadb", "mariadb", "mariadb"),
        ("mariadb", "sqlite", "postgresql"),
    ],
    ids="-".join,
)
def test_a_week_offline_and_no_key_twice(new_place: NewPlace, kinds: tuple[str, str, str]) -> None:
    places = [new_place(kind, name) for kind, name in zip(kinds, ("office", "koeln", "bonn"), strict=True)]
    with running(*places) as applications:
        before = [keys(application.dump()) for application in applications]
        _set_up(BLOCK[kinds[0]], *places)
        _live(applications)
        dumps = [application.dump() for application in applications]
    office, *stations = dumps
    assert stations == [office, office]
    drawn = Counter(key for application in applications for key in application.drawn)
    assert [key for key, times in drawn.items() if times > 1] == []
    assert min(len(application.drawn) for application in applications) >= 2_000
    deleted = {key for application in applications for key in application.deleted}
    assert len(deleted) > 100
    assert keys(office) == (before[0] | drawn.keys()) - deleted
    granted = _granted(places[0])
    for application in applications:
        own = granted[application.place.name]
        strange = [key for key in application.drawn if not any(key[1] in block for block in own[key[0]])]
        assert strange == [], f"keys outside the blocks of {application.place.name}"
        begun = [block for block in own["django_admin_log"] if any(key in block for key in _logged(application))]
        assert len(begun) > 1, f"{application.place.name} never came to a second block"
    assert places[0].done("status", "--json").json["needs"] == []


def _logged(application: Application) -> list[int]:
    return [key for table, key in application.drawn if table == "django_admin_log"]


def _set_up(block: int, office: Place, *stations: Place) -> None:
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", office.name)
    office.done("table", "add", *COUNTED, *OTHERS)
    enrol(office, *stations)
    # As `numbers set` does it, without the making of a command line for each of so many.
    runtime = Runtime()
    with open_node(Home(office.home, Files(runtime)), runtime) as node:
        for place in (office, *stations):
            for table in COUNTED:
                set_numbers(node, place.name, table, None, Wish(block=block))


def _live(applications: list[Application]) -> None:
    """The places mail at noon and in the evening, if they do at all; on the week's own clock."""
    clock = Clock()
    office, *stations = (application.place for application in applications)

    def mail(hour: int, day: int) -> None:
        clock.set(clock.monday + timedelta(days=day, hours=hour))
        for place in (*stations, office) if hour == 12 else (*stations, office, *stations):
            if day not in AWAY[place.name]:
                runtime = Runtime(now=clock)
                with open_node(Home(place.home, Files(runtime)), runtime) as node:
                    run_session(node)

    for hour in (8, 9):
        mail(hour, -1)
    for day, portions in PORTIONS.items():
        for part, inserts in enumerate(portions):
            for application in applications:
                application.work(inserts)
            mail(12 + 6 * part, day)
    for hour in (20, 21, 22):
        mail(hour, 6)


def _granted(office: Place) -> dict[str, dict[str, list[range]]]:
    """What the host's ledger has granted: by place and table."""
    found: dict[str, dict[str, list[range]]] = defaultdict(lambda: defaultdict(list))
    runtime = Runtime()
    with open_view(Home(office.home, Files(runtime)), runtime) as view:
        for number, stored in numbers.load_ranges(view.connection).items():
            for event in number_spans.events(view.connection, number):
                if event.kind == "granted":
                    holder = view.name_of(event.holder) if event.holder else view.node.name
                    found[holder][stored.table_name].append(range(event.lowest, event.highest + 1))
    return found
