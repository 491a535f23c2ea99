"""A person says that the cause of what is in quarantine is gone, or that it is to be given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicator.engine import releasing
from replicator.engine.node import Node
from replicator.store import quarantine


@dataclass(frozen=True, slots=True)
class Retried:
    released: int
    """Changes that can be applied by now."""
    waiting: int
    """That can't."""


def retry(node: Node, numbers: Sequence[int]) -> Retried:
    """Try these, with the rest of their transactions; without numbers all. Raises UnknownName."""
    released = releasing.release(node, numbers or None)
    with node.unit() as unit:
        waiting = sum(count.waiting for count in quarantine.counts(unit.connection))
    return Retried(released, waiting)


def drop(node: Node, numbers: Sequence[int]) -> int:
    """Give these up, with the rest of their transactions; without numbers all. Returns how many. Raises UnknownName."""
    return releasing.drop(node, numbers or None)
