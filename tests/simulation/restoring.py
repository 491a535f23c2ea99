"""Backups of a station's database, and what puts them back: its side file and spool stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World


@dataclass
class Backup:
    content: bytes
    """Of the database file."""
    writes: int
    """How many writes the ledger held then."""


def happenings(world: World, node: SimulatedNode) -> None:
    if node.is_host or node.application.open:
        return
    if node.backup is None or world.chance(0.08):
        back_up(world, node)
    elif world.chance(0.03):
        restore(world, node)


def back_up(world: World, node: SimulatedNode) -> None:
    """Of durable state only (protocol.md 3.5)."""
    world.tell("%s: BACKUP", node.name)
    node.durable()
    node.backup = Backup(node.application.raw.serialize(), len(world.ledger.writes))


def restore(world: World, node: SimulatedNode) -> None:
    """What it wrote since and nobody has heard of is lost with it: no protocol can save that (protocol.md 1.3)."""
    assert node.backup is not None
    world.tell("%s: RESTORE from the backup", node.name)
    world.ledger.excuse(node.name, node.backup.writes)
    for post in world.posts:
        post.disown_bounces(node.name)
    node.set_back(node.backup.content)
