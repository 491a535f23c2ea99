"""Two computers with one station's name: a copy that lives on beside its original, until a person has seen to it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from replicator import config
from replicator.errors import Halted
from replicator.operations import copying, recovering
from replicator.operations.stations import add_station
from replicator.store.files import Files
from replicator.store.home import Home
from tests.simulation.post import address

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

PATIENCE = 10
"""Rounds at rest after which somebody sees that there are two, though none of them has halted."""


def happenings(world: World, node: SimulatedNode) -> None:
    if node.is_host or node is world.keeper or node.application.open:
        return
    if node.halted or node.new_name is not None:
        if world.chance(0.2):
            _look_after(world, node)
    elif not any(other.is_copied for other in world.stations) and world.chance(0.06):
        clone(world, node)


def clone(world: World, node: SimulatedNode) -> None:
    """The whole computer, with the application on it."""
    if node.identity().bootstrap_key is not None:
        return  # its invitation works once
    name = f"{node.station}-twin"
    folder = world.folder / name
    folder.mkdir()
    (folder / "app.db").write_bytes(node.application.raw.serialize())
    shutil.copytree(node.folder / "home", folder / "home", copy_function=shutil.copyfile)
    (folder / "home" / "identity.key").chmod(0o600)
    twin = world.add_node(name, node.settings)
    twin.station, twin.backup, twin.images = node.station, node.backup, node.images
    twin.box = node.box
    twin.was_set_back, twin.announced, twin.whole = node.was_set_back, node.announced, node.whole
    if twin.archive is not None and node.archive is not None:
        twin.archive.put_back(node.archive.saved())
    twin.application.busy_with = node.application.busy_with
    twin.is_copied = node.is_copied = True
    for post in world.posts:
        post.disown_bounces(node.station)
    world.tell("%s: its computer is COPIED, and the copy %s works beside it", node.name, name)


def halt(world: World, node: SimulatedNode, halted: Halted) -> None:
    """It stays so, whatever it is asked to do, until a person decides."""
    if not node.halted:
        world.tell("%s: HALTS: %s", node.name, halted)
    node.halted = True


def at_rest(world: World, turn: int) -> None:
    """Persons see to what has halted, and in the end to what never noticed."""
    for node in world.stations:
        if node.halted or node.new_name is not None:
            _look_after(world, node)
        elif turn >= PATIENCE and _twins(world, node):
            become(world, node)


def _twins(world: World, node: SimulatedNode) -> list[SimulatedNode]:
    return [other for other in world.stations if other is not node and other.station == node.station]


def _look_after(world: World, node: SimulatedNode) -> None:
    """There may be another one that goes on under its name; or this one was set back, and is the only one."""
    alive = [other for other in _twins(world, node) if not other.halted and other.new_name is None]
    if node.new_name is None and (not alive or ("clone" in world.faults and world.chance(0.3))):
        world.tell("%s: an operator takes it for the right one: RESTORED", node.name)
        recovering.restored(node.process)
        node.halted = False
    else:
        become(world, node)


def become(world: World, node: SimulatedNode) -> None:
    """An invitation for it, then `copy`; either may die on its way and is done again."""
    if world.host.application.open or node.application.open:
        return
    if node.new_name is None:
        taken = {other.station for other in world.stations}
        number = len(taken)
        while f"S{number}" in taken:
            number += 1
        name = f"S{number}"
        invitation = world.folder / f"{name}.invitation"

        def invite(host: SimulatedNode) -> bool:
            if not _is_known(host, name):
                invitation.unlink(missing_ok=True)
                add_station(host.process, name, address(name), out=invitation, copy_of=node.station)
            return True

        if world.act(world.host, f"invites a copy of {node.station} as {name}", invite) is None:
            return
        node.new_name = invitation
        if world.host.backup is not None:
            # Restored from before, the host would not know the station: that has to be invited anew.
            world.host.backup.void = True
        for post in world.posts:
            post.add(name)
    _copy(world, node)


def _is_known(host: SimulatedNode, name: str) -> bool:
    found = host.application.raw.execute("SELECT 1 FROM replicator_peer WHERE name = ?", (name,)).fetchone()
    return found is not None


def _copy(world: World, node: SimulatedNode) -> None:
    invitation = node.new_name
    assert invitation is not None
    node.kill()
    node.halted = node.was_set_back = False
    home = Home(node.folder / "home", Files(node.runtime, durable=False))
    _own_configuration(node, home)

    def copy(node: SimulatedNode) -> bool:
        side = home.side_file.read()
        if side is None or side.node != invitation.stem or side.halted is not None:
            mailbox = f"folder:{node.mail}"
            copying.become_station(home, node.runtime, invitation, passphrase=None, mailbox=mailbox)
        return True

    if world.act(node, f"an operator: COPY, by {invitation.name}", copy) is not None:
        others = _twins(world, node)
        node.station, node.box, node.new_name = invitation.stem, invitation.stem, None
        if world.traveller is not None and others:
            world.traveller.hand_over(node, others[0])
        node.backup, node.images = None, 0


def _own_configuration(node: SimulatedNode, home: Home) -> None:
    """That of the template names the template's files."""
    present = home.load_configuration()
    content = present.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    content["role"], content["database"] = present.role.value, f"sqlite:///{node.folder / 'app.db'}"
    content["REMOTE"]["mailbox"] = f"folder:{node.mail}"
    home.save_configuration(config.make(content))
