"""What a target is, and what makes an input a finding."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

INSTRUMENTED = {
    "mime": ("replicator.transport", "email"),
    "envelope": ("replicator.protocol",),
    "codec": ("replicator.protocol",),
    "exchange": ("replicator.engine", "replicator.protocol", "replicator.store", "replicator.databases"),
}
"""Targets, and the packages whose branches guide the search."""

FOUND = Path(__file__).parent / "found"
"""Inputs that once were findings, in a folder for each target: each is tried again in every test run."""


class Finding(Exception):
    """Something happened that must not, though nothing crashed."""


@dataclass(frozen=True, slots=True)
class Target:
    """One reader under attack. Any exception out of `run` is a finding."""

    name: str
    seeds: Callable[[], list[bytes]]
    """Sound inputs, of every sort that the reader knows."""
    mutate: Callable[[bytes, Random], bytes]
    """One step away from an input, with its structure in mind; the same dice give the same bytes."""
    run: Callable[[bytes], None]


def load(name: str) -> Target:
    """Imports the target's module only now, so that atheris can instrument what it imports."""
    target = importlib.import_module(f"tests.fuzzing.{name}_target").TARGET
    assert isinstance(target, Target)
    return target


def demand(condition: bool, what: str) -> None:
    if not condition:
        raise Finding(what)
