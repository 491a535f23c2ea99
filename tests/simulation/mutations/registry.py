"""The table of mutations: a name, what the engine does with it, and how it is switched off in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Patch = Callable[[], None]


@dataclass(frozen=True)
class Mutation:
    what: str
    """What the engine does now, in words."""
    apply: Patch
    faults: tuple[str, ...] = ()
    """What has to happen for it to show: given to every seed, as it happens in few of them else."""


MUTATIONS: dict[str, Mutation] = {}


def mutation(name: str, what: str, faults: tuple[str, ...] = ()) -> Callable[[Patch], Patch]:
    def note(patch: Patch) -> Patch:
        if name in MUTATIONS:
            raise ValueError(f"two mutations {name}")
        MUTATIONS[name] = Mutation(what, patch, faults)
        return patch

    return note


def switch_off(name: str) -> None:
    """Switch a rule off in this process, for good."""
    MUTATIONS[name].apply()


def nothing(*_: Any, **__: Any) -> None:
    """Instead of something."""
