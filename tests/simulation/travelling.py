"""A second mailbox of some nodes: a folder on a stick that travels between them, and may be lost with all on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.post import Post
from tests.simulation.simnode import HOST, SimulatedNode, Stick

if TYPE_CHECKING:
    from tests.simulation.world import World

MOVES, FORGOTTEN, LOST, LOST_FOR_GOOD = 0.12, 0.02, 0.02, 0.3


class Traveller:
    """Where the stick is, and which nodes know of it."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        chance = world.chance
        stations = [node for node in world.stations if chance(0.7)] or [world.dice.choice(world.stations)]
        self.nodes = [world.host, *stations]
        self._place: SimulatedNode | None = None
        self._everywhere = False
        self._post = Post(folder, [node.name for node in world.nodes], world.clockwork, world.faults, world.tell_mail)
        world.posts.append(self._post)
        names = frozenset(node.name for node in stations)
        self._sticks = {
            node.name: Stick(
                folder,
                node.name,
                names if node.name == HOST else frozenset(),
                lambda name=node.name: self._everywhere or (self._place is not None and self._place.station == name),
                sends=chance(0.9),
            )
            for node in self.nodes
        }
        for node in self.nodes:
            if chance(0.7):
                node.stick = self._sticks[node.name]

    def happenings(self) -> None:
        world, chance = self._world, self._world.chance
        if chance(MOVES):
            self._place = world.dice.choice([None, *self.nodes])
            world.tell("the stick is at: %s", self._place.name if self._place else "nowhere")
        if chance(FORGOTTEN):
            node = world.dice.choice(self.nodes)
            self._set(node, None if node.stick else self._sticks[node.name])
        if chance(LOST):
            world.tell("THE STICK IS LOST, and another one takes its place")
            self._post.lose_all()

    def at_rest(self) -> None:
        """A stick that stays away keeps nothing from coming to rest; what lies on one that is there is used."""
        if self._world.chance(LOST_FOR_GOOD):
            self._world.tell("the stick is lost for good")
            self._place = None
            self._post.lose_all()
            self._world.posts.remove(self._post)
            return
        self._everywhere = True
        for node in self.nodes:
            self._set(node, self._sticks[node.name])

    def lose(self) -> None:
        """It is gone with the host, for good."""
        self._place = None
        self._post.lose_all()
        self._world.posts.remove(self._post)
        for node in self.nodes:
            self._set(node, None)

    def hand_over(self, former: SimulatedNode, heir: SimulatedNode) -> None:
        """Another computer is the station now."""
        if former in self.nodes:
            stick = self._sticks.pop(former.name)
            self._sticks[heir.name] = stick
            self.nodes[self.nodes.index(former)] = heir
            if self._place is former:
                self._place = heir
            self._set(heir, former.stick)
            self._set(former, None)

    def _set(self, node: SimulatedNode, stick: Stick | None) -> None:
        if node.stick is not stick:
            self._world.tell("%s: %s", node.name, "has the stick for a mailbox" if stick else "has no second mailbox")
            node.kill()  # the next process reads the configuration anew
            node.stick = stick
