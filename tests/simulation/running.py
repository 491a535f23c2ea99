"""One seed from beginning to end."""

from __future__ import annotations

import shutil
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from replicator.engine.node import Settings
from replicator.protocol.link import DAY
from tests.simulation import comparing, number_checks, poisoning, promoting, template
from tests.simulation.application import DEEDS
from tests.simulation.clockwork import HOUR, Clockwork, Crash
from tests.simulation.disturbing import USUAL, change_rules, random_policy, some_rule
from tests.simulation.resting import come_to_rest, replay_everything, settle
from tests.simulation.sizes import small_sizes
from tests.simulation.verifying import verify
from tests.simulation.world import FAULTS, LATER, World

STEPS = (25, 90)
NEVER = 10_000 * DAY
ODDS = {"purge": 0.3, "horizon": 0.5, "numbers": 0.25}
"""Of faults that came later."""
LIMIT = 60
"""Seconds of a processor, dozens of times what a seed takes: how busy the machine is tells nothing of a seed."""


@dataclass(frozen=True)
class Result:
    seed: int
    bad: tuple[str, ...]
    """What was violated; empty for a good seed."""
    steps: int
    writes: int
    mails: int
    story: tuple[str, ...] = ()


@dataclass(frozen=True)
class Focus:
    """To look at one thing closely: these faults and no others, applications that write to these tables only."""

    faults: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    """These faults besides those that the dice give."""
    without: tuple[str, ...] = ()
    """These not, though the dice give them."""
    tables: tuple[str, ...] = ()
    numbered: bool = True
    """With numbers from ranges, as every run; without, seeds of before have the story that they had."""


NO_FOCUS = Focus()


@lru_cache(maxsize=1)
def _templates() -> Path:
    return template.scratch_folder()


def prepare() -> Path:
    """Make the templates that all seeds of this process, and of those forked from it, are copied from."""
    folder = _templates()
    for stations in (2, 3):
        fresh = folder / f"fresh-{stations}"
        if not fresh.exists():
            template.build(fresh, stations)
            _make_running(fresh, folder / f"running-{stations}", stations)
    return folder


def clean() -> None:
    shutil.rmtree(_templates(), ignore_errors=True)
    _templates.cache_clear()


def _make_running(fresh: Path, target: Path, stations: int) -> None:
    """Nodes that know each other already and have some rows in common."""
    template.copy(fresh, target)
    names, settings = template.station_names(stations), Settings()
    world = World(target, names, Clockwork(stations), set(), settings, show=False, first=100, numbered=False)
    for _ in range(4):
        world.write(world.host)
    settle(world)
    world.close()
    if world.bad:
        raise AssertionError(f"the template does not come to rest: {world.bad}")


def run_seed(seed: int, *, show: bool = False, focus: Focus = NO_FOCUS) -> Result:
    clockwork = Clockwork(seed)
    dice = clockwork.dice
    stations = dice.choice((2, 2, 3))
    kind = "fresh" if clockwork.chance(0.25) else "running"
    faults = {fault for fault in FAULTS if dice.random() < 0.4}
    faults |= {fault for fault in LATER if Random(f"{fault} {seed}").random() < ODDS.get(fault, 0.15)}
    faults = set(focus.faults) or faults | set(focus.besides)
    faults -= set(focus.without)
    settings = Settings(
        part_bytes=dice.choice((250, 800, 1_000_000)),
        slice_bytes=dice.choice((150, 1_000, 900_000)),
        batch_bytes=dice.choice((200, 2_000, 2_000_000)),
        window_bytes=dice.choice((500, 5_000, 20_000_000)),
        mails_per_run=dice.choice((0, 0, 0, 8)),
        mails_per_hour=dice.choice((0, 0, 0, 40)),
        backups_kept=NEVER,
        **_keeping(dice, faults),
    )
    if "promotion" in faults:
        # The host's whole state goes to one station: by the smallest mails and windows it would take a hundred rounds.
        part, window = max(settings.part_bytes, 5_000), max(settings.window_bytes, 20_000)
        settings = replace(settings, part_bytes=part, window_bytes=window, mails_per_run=0, mails_per_hour=0)
    folder = prepare() / f"seed-{seed}"
    template.copy(prepare() / f"{kind}-{stations}", folder)
    names = template.station_names(stations)
    world = World(folder, names, clockwork, faults, settings, show, numbered=focus.numbered)
    world.fresh = kind == "fresh"
    if not world.fresh:
        world.began_with_rows = set(range(1, stations + 1))
    world.tell("seed %d: %d stations, %s; faults: %s; %s", seed, stations, kind, " ".join(sorted(faults)), settings)
    steps = dice.randint(*STEPS)
    try:
        with _time_limit(), small_sizes(dice, larger="promotion" in faults) as sizes:
            world.tell("sizes: %s", sizes)
            _play(world, steps, focus.tables)
    except (Exception, Crash) as error:  # noqa: BLE001 - whatever the engine raises counts as a violation
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = str(error).replace(str(folder), "")[:150]
        world.expect(False, f"exception {type(error).__name__} in {Path(place.filename).name}: {message}")
        world.tell("%s", traceback.format_exc())
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)
    return Result(seed, tuple(world.bad), steps, world.ledger.written, len(world.post.sent), tuple(world.story or ()))


def _keeping(dice: Random, faults: set[str]) -> dict[str, Any]:
    """How long the journal is kept, and how much of it: nobody's backups are announced by the clock."""
    if "purge" not in faults:
        return {"journal_kept": NEVER}
    return {
        "journal_kept": dice.choice((0, HOUR, 8 * HOUR)),
        "journal_share": dice.choice((0, 0.001, 0.004)),
        "least_interval": dice.choice((1, HOUR)),
    }


class TookTooLong(Exception):
    """Something goes round in circles."""


@contextmanager
def _time_limit() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _play(world: World, steps: int, tables: tuple[str, ...]) -> None:
    dice = world.dice
    busy = dice.sample(sorted(DEEDS), dice.choice((1, 2, 3, len(DEEDS), len(DEEDS))))
    busy = list(tables) or busy
    if "item" in busy and "cust" not in busy:
        busy.append("cust")
    if "poison" in world.faults:
        poisoning.prepare(world)
    for node in world.nodes:
        node.application.busy_with = busy
        if world.chance(0.3):
            node.application.use_recursive_triggers()
    for station in world.stations[1:] if "rules" not in world.faults else world.stations:
        if world.chance(0.5):
            change_rules(world, station.station, {"opt": dice.choice(USUAL)})
    if "policies" in world.faults:
        for table in world.table_numbers:
            random_policy(world, table)
    if "wide-rules" in world.faults:
        for station in world.stations:
            change_rules(world, station.station, {"cust": some_rule(world), "item": some_rule(world)})
    if world.numbering is not None:
        world.numbering.begin()
    if "promotion" in world.faults:
        promoting.begin(world)
    if world.changing is not None:
        world.changing.begin()
    for _ in range(steps):
        world.step()
    if world.keeper is not None and world.chance(0.7):
        promoting.at_last(world)
    full, compared = world.chance(0.05), "compare" in world.faults
    if settle(world):
        verify(world)  # L3: what can't be applied holds up nothing else
        world.replaying.verify()
        if not world.bad and poisoning.heal(world) and come_to_rest(world):
            verify(world)  # L4
        comparing.verify(world)
        if world.numbering is not None:
            number_checks.verify(world, world.numbering)
        if world.changing is not None and not world.bad:
            world.changing.at_rest()
            if come_to_rest(world):
                world.changing.verify()
        if not world.bad and compared:
            comparing.harm_and_repair(world)
    if not world.bad:
        replay_everything(world, most=None if full else 8)
