"""A fixed share of the simulation, and all seeds that once found something. `make sim` runs a thousand."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.running import Focus, run_seed
from tests.simulation.seeds import AS_IT_IS, NUMBER_SEEDS, SEEDS, SEEDS_WITHOUT

SHARE = 60


@pytest.mark.parametrize("seed", range(SHARE))
def test_a_seed_violates_nothing(seed: int) -> None:
    result = run_seed(seed, show=True)
    assert not result.bad, "\n".join([*result.story, *result.bad])


@pytest.mark.parametrize("seed", sorted(SEEDS))
def test_what_was_found_once_stays_right(seed: int) -> None:
    result = run_seed(seed, show=True, focus=Focus(numbered=False))
    assert not result.bad, "\n".join([*result.story, *result.bad])


@pytest.mark.parametrize(("seed", "fault"), sorted(NUMBER_SEEDS))
def test_what_was_found_of_numbers_stays_right(seed: int, fault: str) -> None:
    besides = () if fault == AS_IT_IS else ("numbers", fault) if fault else ("numbers",)
    result = run_seed(seed, show=True, focus=Focus(besides=besides))
    assert not result.bad, "\n".join([*result.story, *result.bad])


@pytest.mark.parametrize(("seed", "fault"), sorted(SEEDS_WITHOUT))
def test_what_was_found_without_a_fault_stays_right(seed: int, fault: str) -> None:
    result = run_seed(seed, show=True, focus=Focus(without=(fault,)))
    assert not result.bad, "\n".join([*result.story, *result.bad])


def test_a_seed_can_be_played_again() -> None:
    first, second = run_seed(1, show=True), run_seed(1, show=True)
    assert first == second


def test_every_mutation_is_explained() -> None:
    assert all(mutation.what for mutation in MUTATIONS.values())
