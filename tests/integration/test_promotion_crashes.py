"""A promotion that dies at any moment is said again, and ends as promised; so does a station that dies while it goes
over to the new host (protocol.md 10.2)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from replicator.engine.session import run as run_session
from replicator.operations.opening import open_node
from replicator.operations.promoting import promote
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, exchange
from tests.integration.conftest import NewPlace
from tests.integration.test_backup_stations import KNOWN, ROWS, joined, live_on

Deed = Callable[[Runtime], object]


class Died(BaseException):
    """Nothing but a test catches it, as nothing catches a power cut."""


class Moments:
    """A runtime's crash points, and each write of a file besides; death at the one of this number."""

    def __init__(self, dies_at: int) -> None:
        self.left = dies_at
        self.place = ""

    def reached(self, place: str) -> None:
        self.left -= 1
        if self.left < 0:
            self.place = place
            raise Died(place)

    def files(self, runtime: Runtime) -> Files:
        moments = self

        class DyingFiles(Files):
            def write(self, path: Path, *arguments: object, **options: object) -> int:
                moments.reached(f"{path.name}:before")
                size: int = super().write(path, *arguments, **options)  # type: ignore[arg-type]
                moments.reached(f"{path.name}:after")
                return size

        return DyingFiles(runtime, durable=False)


def home_of(place: Place, moments: Moments, runtime: Runtime) -> Home:
    return Home(place.home, moments.files(runtime))


class Archive:
    """The folder of all places as it stood, to begin anew from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copy = folder.with_name(f"{folder.name}-copy")
        shutil.copytree(folder, self.copy)

    def put_back(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.copy, self.folder)


def promotion(keeper: Place, moments: Moments, *, takes_over: bool) -> None:
    runtime = Runtime(reached=moments.reached)
    options = {}
    if takes_over:
        options = {"address": "office@example.com", "mailbox": f"folder:{keeper.folder / 'mail'}"}
    promote(home_of(keeper, moments, runtime), runtime, sure=True, **options)


def session(place: Place, moments: Moments) -> None:
    runtime = Runtime(reached=moments.reached)
    with open_node(home_of(place, moments, runtime), runtime) as node:
        run_session(node)


def one_host_or_one_station(keeper: Place) -> str:
    """What it is after a death: nothing between the two goes on working."""
    as_station, as_host = keeper.call("remote-run"), keeper.call("host-run")
    told = " ".join((as_station.err + as_host.err).split())
    assert "Traceback" not in told
    if "is being made the host; say the same once more" in told:
        assert 3 in (as_station.code, as_host.code), told
        assert 0 not in (as_station.code, as_host.code), told
        assert keeper.call("status").code == 3
        return "between"
    assert 0 in (as_station.code, as_host.code), told
    return "station" if as_station.code == 0 else "host"


@pytest.mark.parametrize("takes_over", [False, True], ids=["own address", "the host's address"])
def test_the_promotion_dies_at_any_moment(new_place: NewPlace, takes_over: bool) -> None:
    office, keeper, koeln, trier = joined(new_place)
    live_on(office, keeper, koeln, trier)
    # What lies in the mailbox is part of it: the host's last words.
    office.sql("DELETE FROM customers WHERE id = 5")
    office.run()
    archive = Archive(office.folder)
    seen, number, died = set(), 0, True
    while died:
        archive.put_back()
        moments = Moments(number)
        try:
            promotion(keeper, moments, takes_over=takes_over)
            died = False
        except Died:
            seen.add(one_host_or_one_station(keeper))
            out = _said_again(keeper, takes_over)
            told = (
                "The backup station sicherung is the host Zentrale",
                "Not recovered",
                "its log is known here up to 1.",
            )
            assert all(each in out for each in told) or "is a host already" in out, (moments.place, out)
        exchange(keeper, koeln, trier, rounds=5)
        assert keeper.sql(ROWS) == koeln.sql(ROWS) == trier.sql(ROWS) == KNOWN, moments.place
        for place in (keeper, koeln, trier):
            assert place.call("status").code == 0, moments.place
            assert place.done("conflict", "list", "--json").json == []
        number += 1
    assert number > 20
    assert seen == {"station", "between", "host"}


def _said_again(keeper: Place, takes_over: bool) -> str:
    options = ["--address", "office@example.com", "--mailbox", f"folder:{keeper.folder / 'mail'}"] if takes_over else []
    told = keeper.call("host-init", "--from-backup", keeper.home, "--yes", *options)
    assert "Traceback" not in told.err
    return " ".join((told.out + told.err).split())


def test_a_station_dies_at_any_moment_while_it_accepts_the_new_host(new_place: NewPlace) -> None:
    office, keeper, koeln, trier = joined(new_place)
    live_on(office, keeper, koeln, trier)
    keeper.done("host-init", "--from-backup", keeper.home, "--yes")
    keeper.run()
    archive = Archive(office.folder)
    number, died = 0, True
    while died:
        archive.put_back()
        moments = Moments(number)
        try:
            session(koeln, moments)
            died = False
        except Died:
            pass
        exchange(koeln, keeper, trier, rounds=5)
        assert keeper.sql(ROWS) == koeln.sql(ROWS) == trier.sql(ROWS) == KNOWN, moments.place
        assert koeln.sql("SELECT count(*) FROM replicator_former_host") == [(1,)]
        for place in (keeper, koeln, trier):
            assert place.call("status").code == 0, moments.place
        number += 1
    assert number > 10
