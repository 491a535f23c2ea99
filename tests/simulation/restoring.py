"""Backups of a node, and what puts them back: its database alone, or the whole computer with side file and spool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.errors import Halted
from replicator.operations import keeping, recovering
from replicator.types import Tie
from tests.simulation.records import versions
from tests.simulation.schema import RowKey, tokens

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

Files = dict[Path, bytes]
"""By their place in the node's home folder."""


@dataclass
class Backup:
    database: bytes
    home: Files
    writes: int
    """How many writes there had been."""
    archive: bytes | None
    """The journal with what was purged of it."""
    numbers: int
    """How many numbers its application had issued."""
    joined: bool
    """It had a key of its own: another one would be refused, as an invitation works once."""
    aware: bool = False
    """It had been told whom to accept in the host's place: else it would need a new invitation."""
    void: bool = False
    """Not to be put back any more."""


DATABASE, COMPUTER = ("restore", "host-restore"), ("image", "host-image")
"""Faults that put back a node's database, or all of it: of a station, of the host."""


def happenings(world: World, node: SimulatedNode) -> None:
    database, computer = (ways[node.is_host] in world.faults for ways in (DATABASE, COMPUTER))
    if node.application.open or node is world.keeper:
        return
    if "horizon" in world.faults and not (database or computer or node.halted or node.new_name is not None):
        if world.chance(0.03):
            _never_set_back(world, node)
        return
    if node.application.open or not (database or computer) or (node.is_host and not _all_joined(node)):
        return
    if node.halted or node.new_name is not None:
        return  # a person has it in hand
    if "horizon" in world.faults and world.chance(0.1):
        announce(world, node)
    if node.backup is None or node.backup.void or world.chance(0.004 if "rare-backup" in world.faults else 0.08):
        back_up(world, node)
    elif database and world.chance(0.03):
        restore(world, node)
    elif computer and node.backup.joined and world.chance(0.03):
        set_back(world, node)


def _all_joined(host: SimulatedNode) -> bool:
    """A station that used its invitation after the host's backup has to be invited anew."""
    found = host.application.raw.execute("SELECT count(*) FROM replicator_peer WHERE public_key IS NULL")
    return found.fetchone()[0] == 0


def back_up(world: World, node: SimulatedNode) -> None:
    """Of durable state only (protocol.md 3.5)."""
    world.tell("%s: BACKUP", node.name)
    node.durable()
    if "horizon" in world.faults:
        keeping.begin_backup(node.process)
        node.durable()
        node.announced = False
    home = node.folder / "home"
    files = {path.relative_to(home): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    joined = node.is_host or node.identity().bootstrap_key is None
    archive = None if node.archive is None else node.archive.saved()
    numbers = 0 if world.numbering is None else world.numbering.count(node)
    (told,) = node.application.raw.execute("SELECT count(*) FROM replicator_successor").fetchone()
    written, database = world.ledger.written, node.application.raw.serialize()
    node.backup = Backup(database, files, written, archive, numbers, joined, aware=bool(told))


def announce(world: World, node: SimulatedNode) -> None:
    """The backup is where it belongs: no older one will be put back."""
    if node.backup is not None and not node.announced:
        world.tell("%s: its backup is DONE", node.name)
        keeping.finish_backup(node.process)
        node.announced = True


def _never_set_back(world: World, node: SimulatedNode) -> None:
    """A node of which no backup is put back may say of any moment that this is so."""
    world.tell("%s: a backup that nobody will need", node.name)
    keeping.begin_backup(node.process)
    keeping.finish_backup(node.process)


def restore(world: World, node: SimulatedNode) -> None:
    """What it wrote since and nobody has heard of is lost with it: no protocol can save that (protocol.md 1.3)."""
    assert node.backup is not None
    world.tell("%s: RESTORE from the backup", node.name)
    _put_back(world, node, node.backup)
    node.was_set_back = True
    if world.numbering is not None:
        world.numbering.was_set_back(node, node.backup.numbers)


def set_back(world: World, node: SimulatedNode) -> None:
    """The whole computer: nothing tells it."""
    assert node.backup is not None
    world.tell("%s: its COMPUTER is set back", node.name)
    world.former_letters |= {
        id(letter) for post in world.posts for letter in post.sent if letter.sender == node.station
    }
    node.images += 1
    _put_back(world, node, node.backup)
    home = node.folder / "home"
    for path in [path for path in home.rglob("*") if path.is_file()]:
        path.unlink()
    for place, content in node.backup.home.items():
        path = home / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)


def decide(world: World, node: SimulatedNode, halted: Halted) -> None:
    """A person looks after a node that has halted. One that was set back behind its last incarnation takes that one for
    a copy of itself: there is none."""
    if not node.images:
        raise halted
    world.tell("%s: %s; an operator: RESTORED", node.name, halted)
    recovering.restored(node.process)


def _put_back(world: World, node: SimulatedNode, backup: Backup) -> None:
    if not node.is_host:
        world.ledger.excuse(node.name, backup.writes)
    for post in world.posts:
        post.disown_bounces(node.station)
    if node.is_host:
        # Conflicts on record go with the database, but an operator may have read them (protocol.md, W33).
        world.read_before.read(node)
        world.forgotten_since = min(backup.writes, world.forgotten_since or backup.writes)
    node.set_back(backup.database, backup.archive)
    node.announced = True
    if node.is_host:
        world.forget_snapshots()
    if world.forgotten_since is not None:
        forget(world, world.host.name, world.forgotten_since)


def forget(world: World, host: str, since: int) -> None:
    """What somebody knows of the writes that the host has lost is given back; what nobody knows any more is lost."""
    known: set[tuple[str, RowKey, str]] = set()
    for node in world.nodes:
        content = node.application.content()
        for (table, key), row in versions(node).items():
            if key in content[table] and (node.is_host or row.tie == Tie.SHARED):
                known |= {(table, key, value) for value in tokens(table, content[table][key])}
    world.ledger.excuse(host, since, known)
