"""A set-up that dies at any moment can simply be run again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from replicator.engine.session import run
from replicator.operations import node_setup, stations
from replicator.operations.opening import open_node, open_view
from replicator.operations.rules_admin import set_rule
from replicator.operations.table_admin import add_tables
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.store.state import load_peers
from replicator.types import Kinds


class Died(BaseException):
    """Nothing but a test catches it, as nothing catches a power cut."""


class Death:
    """A runtime that dies at the crash point of this number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def reached(self, _place: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Died


def dies_at_each_point(attempt: Callable[[Runtime], None]) -> int:
    """Run `attempt` with a death at each of its crash points in turn, then to its end. Gives their number."""
    number = 0
    while True:
        try:
            attempt(Runtime(reached=Death(number).reached))
        except Died:
            number += 1
        else:
            return number


class Places:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = Runtime()
        connection = sqlite3.connect(folder / "office.db")
        connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
        connection.close()

    def home(self, name: str, runtime: Runtime | None = None) -> Home:
        return Home(self.folder / name, Files(runtime or self.runtime, durable=False))

    def host_init(self, runtime: Runtime) -> None:
        node_setup.host_init(
            self.home("office", runtime),
            runtime,
            database=f"sqlite:///{self.folder / 'office.db'}",
            address="office@example.com",
            mailbox=f"folder:{self.folder / 'mail'}",
        )

    def remote_init(self, runtime: Runtime) -> None:
        node_setup.remote_init(
            self.home("west", runtime),
            runtime,
            self.folder / "west.invitation",
            passphrase=None,
            database=f"sqlite:///{self.folder / 'west.db'}",
            mailbox=f"folder:{self.folder / 'mail'}",
        )

    def run(self, name: str) -> None:
        with open_node(self.home(name), self.runtime) as node:
            run(node)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_both_set_ups_survive_every_crash(places: Places) -> None:
    assert dies_at_each_point(places.host_init) >= 8
    with open_node(places.home("office"), places.runtime) as node:
        add_tables(node, ["t"])
        stations.add_station(node, "west", "west@example.com", out=places.folder / "west.invitation")
        set_rule(node, "west", "all", to_remote=Kinds.ALL, to_host=Kinds.ALL)
    assert dies_at_each_point(places.remote_init) >= 8
    for name in ("office", "west", "office"):
        places.run(name)
    rows = sqlite3.connect(places.folder / "west.db").execute("SELECT id FROM t").fetchall()
    assert rows == [(1,)]
    with open_view(places.home("office"), places.runtime) as view:
        (peer,) = load_peers(view.connection).values()
    assert peer.public_key == places.home("west").identity.read().public_key


def test_a_station_is_added_with_its_invitation_or_not_at_all(places: Places) -> None:
    places.host_init(places.runtime)
    file = places.folder / "west.invitation"

    def add(runtime: Runtime) -> None:
        # What a crash left of the file: whoever adds the station again has to delete it first.
        file.unlink(missing_ok=True)
        with open_node(places.home("office", runtime), runtime) as node:
            if "west" in _peers(places):
                stations.invite_station(node, "west", out=file)
            else:
                stations.add_station(node, "west", "west@example.com", out=file)

    assert dies_at_each_point(add) >= 2
    assert list(_peers(places)) == ["west"]
    places.remote_init(places.runtime)
    for name in ("office", "west", "office"):
        places.run(name)
    assert _peers(places)["west"] is not None


def _peers(places: Places) -> dict[str, bytes | None]:
    """Public keys of the stations, by name."""
    connection = sqlite3.connect(places.folder / "office.db")
    try:
        return dict(connection.execute("SELECT name, public_key FROM replicator_peer").fetchall())
    finally:
        connection.close()
