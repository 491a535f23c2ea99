"""A short share of the fuzzing, without coverage guidance: fixed dice, and whatever was found before.

`make fuzz` searches on, for half an hour a target.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzzing.target import FOUND, INSTRUMENTED, Target, load

SHARE = {"mime": 1500, "envelope": 4000, "codec": 3000, "exchange": 150}
"""Inputs: a few seconds each."""
STEPS = (1, 1, 1, 2, 3, 6)


@pytest.fixture(scope="module", params=INSTRUMENTED)
def target(request: pytest.FixtureRequest) -> Target:
    return load(request.param)


def test_sound_inputs_are_borne(target: Target) -> None:
    seeds = target.seeds()
    assert len(seeds) >= 6
    for seed in seeds:
        target.run(seed)


def test_no_hostile_input_does_more_than_it_may(target: Target) -> None:
    dice, seeds = Random(f"{target.name} 1"), target.seeds()
    for _ in range(SHARE[target.name]):
        data = dice.choice(seeds)
        for _ in range(dice.choice(STEPS)):
            data = target.mutate(data, dice)
        try:
            target.run(data)
        except Exception as error:
            kept = FOUND / target.name / "new.bin"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            raise AssertionError(f"a finding: {kept}") from error


@pytest.mark.parametrize("name", [f"{path.parent.name}/{path.name}" for path in sorted(FOUND.glob("*/*.bin"))])
def test_what_was_found_is_borne(name: str) -> None:
    load(name.partition("/")[0]).run((FOUND / name).read_bytes())


def test_the_same_dice_make_the_same_input(target: Target) -> None:
    seed = target.seeds()[0]
    assert target.mutate(seed, Random(7)) == target.mutate(seed, Random(7))


@pytest.mark.parametrize("name", ["envelope", "codec", "exchange"])
def test_mutations_reach_behind_the_first_check(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good part of the inputs is still sound enough to be read: else only the first check would ever be tried."""
    target = load(name)
    module = f"tests.fuzzing.{name}_target"
    reader = {"envelope": "decode_header", "codec": "check_size", "exchange": "_look"}[name]
    reached = 0

    def counted(*arguments: object) -> object:
        nonlocal reached
        reached += 1
        return original(*arguments)

    original = getattr(__import__(module, fromlist=[reader]), reader)
    monkeypatch.setattr(f"{module}.{reader}", counted)
    dice, seeds, tries = Random(3), target.seeds(), 60
    for _ in range(tries):
        target.run(target.mutate(dice.choice(seeds), dice))
    assert reached > tries // 10
