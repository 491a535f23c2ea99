"""A fixed share of the simulation, and all seeds that once found something. `make sim` runs a thousand."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.running import run_seed
from tests.simulation.seeds import SEEDS

SHARE = 60


@pytest.mark.parametrize("seed", sorted({*range(SHARE), *SEEDS}))
def test_a_seed_violates_nothing(seed: int) -> None:
    result = run_seed(seed, show=True)
    assert not result.bad, "\n".join([*result.story, *result.bad])


def test_a_seed_can_be_played_again() -> None:
    first, second = run_seed(1, show=True), run_seed(1, show=True)
    assert first == second


def test_every_mutation_is_explained() -> None:
    assert all(mutation.what for mutation in MUTATIONS.values())
