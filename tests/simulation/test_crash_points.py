"""Side file, database and mail are written one after the other: a process dies, or the power goes, at every moment
between them (protocol.md 3.4, W26)."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from replicator.engine.node import Settings
from tests.simulation import cloning, restoring, running, template
from tests.simulation.clockwork import Clockwork
from tests.simulation.resting import settle
from tests.simulation.verifying import verify
from tests.simulation.world import World

Step = Callable[[World], None]


def write_and_run(world: World, *numbers: int) -> None:
    for number in numbers:
        world.write(world.nodes[number])
        world.run(world.nodes[number])


def ordinary(world: World) -> Step:
    """A run like any other: the run counter is raised before a mail goes."""
    write_and_run(world, 1, 0)
    world.write(world.nodes[1])
    return lambda world: _run(world, 1)


def restored(world: World) -> Step:
    """The database alone was put back, and the node finds out by the side file."""
    _live_on(world)
    restoring.restore(world, world.nodes[1])
    return lambda world: _run(world, 1)


def set_back(world: World) -> Step:
    """The whole computer was put back, and the host's mail tells."""
    _live_on(world)
    restoring.set_back(world, world.nodes[1])
    write_and_run(world, 0)
    return lambda world: _run(world, 1)


def halting(world: World) -> Step:
    """A twin hears that its other half has gone on."""
    _twins(world)
    return lambda world: _run(world, 1)


def copying(world: World) -> Step:
    """A twin that has halted becomes a station of its own."""
    _twins(world)
    world.run(world.nodes[1])
    assert world.nodes[1].halted
    return lambda world: cloning.become(world, world.nodes[1])


def _run(world: World, number: int) -> None:
    world.run(world.nodes[number])


def _live_on(world: World) -> None:
    station = world.nodes[1]
    write_and_run(world, 1, 0)
    restoring.back_up(world, station)
    write_and_run(world, 1, 0, 1)
    world.write(station)


def _twins(world: World) -> None:
    """Number 1 and the last one; the last one has gone on under a new epoch, and the host has said so."""
    write_and_run(world, 1, 0)
    cloning.clone(world, world.nodes[1])
    write_and_run(world, 1, 0)
    for _ in range(3):
        write_and_run(world, 3, 0)
    world.write(world.nodes[1])


@pytest.mark.parametrize("power", [False, True], ids=["process", "power"])
@pytest.mark.parametrize("scene", [ordinary, restored, set_back, halting, copying])
def test_nothing_is_lost_wherever_it_dies(scene: Callable[[World], Step], power: bool) -> None:
    died, moment = True, 0
    while died:
        died = _dies_at(moment, scene, {"power"} if power else {"crash"})
        moment += 1
    assert moment > 5, "it never came that far"


def _dies_at(moment: int, scene: Callable[[World], Step], faults: set[str]) -> bool:
    """Play it with a crash at this moment of its critical step. Whether there is such a moment."""
    folder = running.prepare() / f"crash-{moment}"
    template.copy(running.prepare() / "running-2", folder)
    world = World(folder, template.station_names(2), Clockwork(5), faults, Settings(), show=True)
    world.began_with_rows = {1, 2}
    try:
        world.dies_at = 1 << 30
        step = scene(world)
        world.dies_at = moment
        step(world)
        died = world.dies_at < 0
        world.dies_at = None
        if settle(world):
            verify(world)
        assert not world.bad, "\n".join([*(world.story or ()), *world.bad])
        return died
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
