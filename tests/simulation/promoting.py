"""The host is lost for good, home and database, and its backup station becomes the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.operations import promoting
from replicator.operations.node_setup import remote_init
from replicator.operations.promoting import NewHost
from replicator.operations.stations import add_station
from replicator.store import host_state, succession
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.types import Role
from tests.simulation.archive import Archive
from tests.simulation.clockwork import HOUR
from tests.simulation.post import address
from tests.simulation.records import rules_of
from tests.simulation.restoring import forget
from tests.simulation.schema import SPECS
from tests.simulation.simnode import HOST
from tests.simulation.template import create

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

NAME = "K"
OFTEN = 0.08
ATTEMPTS, ROUNDS = 30, 20
HINDERING = {"loss", "offline", "mailbox", "refused", "bounced", "mauled"}
"""Faults with which it takes long until all know enough."""


def begin(world: World) -> None:
    """A backup station, by the real operations; what it has to know travels."""
    host, folder = world.host, world.folder / NAME
    invitation = world.folder / f"{NAME}.invitation"
    for post in world.posts:
        post.add(NAME)
    add_station(host.process, NAME, address(NAME), out=invitation, backup=True)
    folder.mkdir()
    create(folder / "app.db", tables=False)
    remote_init(
        Home(folder / "home", Files(host.runtime, durable=False)),
        host.runtime,
        invitation,
        passphrase=None,
        database=f"sqlite:///{folder / 'app.db'}",
        mailbox=f"folder:{host.mail}",
    )
    world.keeper = world.add_node(NAME, host.settings)
    world.keeper.application.busy_with = host.application.busy_with
    for _ in range(3):
        for node in world.nodes:
            world.run(node)


def happenings(world: World) -> None:
    if world.keeper is not None and world.chance(OFTEN):
        _promote_if_ready(world, world.keeper)


def at_last(world: World) -> None:
    """Where it has not come to it, the host is lost as soon as all know enough; then life goes on for a while."""
    hindering = world.faults & HINDERING
    world.faults -= hindering
    world.away.clear()
    for _ in range(ROUNDS):
        if world.keeper is None:
            break
        for node in world.nodes:
            world.clockwork.pass_time(HOUR)
            if node.application.open:
                world.commit(node)
            world.run(node)
        _promote_if_ready(world, world.keeper)
    world.faults |= hindering
    for _ in range(world.dice.randint(5, 25) if world.promoted else 0):
        world.step()


def _promote_if_ready(world: World, keeper: SimulatedNode) -> None:
    host = world.host
    if (
        keeper.application.open
        or host.application.open
        or keeper.halted
        or host.halted
        or host.was_set_back
        or any(node.new_name is not None for node in world.stations)
    ):
        return  # a person has it in hand
    if any(node.is_copied for node in world.stations):
        return  # one of the two has not heard what its station was told: it has to be invited anew
    if not all(map(_aware, world.stations)):
        return  # set back to before it was told, and the host has not told it again: it has to be invited anew
    with keeper.process.database.transaction(write=False) as connection:
        told = list(map(host_state.unpacked, succession.items(connection, host_state.PEER)))
        ready = succession.is_complete(connection)
    # A station that has its key only since, or does not know of the backup station, has to be invited anew.
    known = {each["name"] for each in told if each["public_key"] is not None and each["knows"]}
    if ready and known == {node.station for node in world.stations} - {NAME}:
        promote(world, keeper)


def _aware(station: SimulatedNode) -> bool:
    """Has it been told whom to accept?"""
    (told,) = station.application.raw.execute("SELECT count(*) FROM replicator_successor").fetchone()
    return bool(told)


def promote(world: World, keeper: SimulatedNode) -> None:
    """It may die on its way, and is said again."""
    _lose_host(world, keeper)
    home = Home(keeper.folder / "home", Files(keeper.runtime, durable=False))
    takes_over = world.chance(0.5)
    box = HOST if takes_over else NAME

    def deed(_: SimulatedNode) -> NewHost:
        keeper.kill()
        return promoting.promote(home, keeper.runtime, address=address(box), mailbox=f"folder:{keeper.mail}", sure=True)

    for _ in range(ATTEMPTS):
        # A death behind the last write leaves nothing to do: it is the host already, and says so.
        if world.act(keeper, f"BECOMES THE HOST, at the mailbox of {box}", deed) is not None or _is_host(home):
            break
    else:
        raise AssertionError("the backup station does not become the host")
    keeper.kill()
    keeper.promoted, keeper.station, keeper.box = True, HOST, box
    world.keeper, world.promoted = None, True
    if not takes_over:
        for post in world.posts:
            post.close(HOST)
    else:
        for post in world.posts:
            post.close(NAME)
    if keeper.archive is not None:
        keeper.archive.close()
        keeper.archive = Archive()
    keeper.durable()
    _begin_account(world)
    if world.changing is not None:
        world.changing.after_a_fire()


def _is_host(home: Home) -> bool:
    side = home.side_file.read()
    return home.load_configuration().role is Role.HOST and side is not None and not side.halted


def _lose_host(world: World, keeper: SimulatedNode) -> None:
    host = world.host
    world.tell("%s: IS LOST FOR GOOD", host.name)
    world.read_before.read(host)
    for post in world.posts:
        post.disown_bounces(host.box)
        post.disown_bounces(keeper.box)
    if world.traveller is not None:
        world.traveller.lose()
        world.traveller = None
    for node in world.stations:
        if node.backup is not None and not node.backup.aware:
            node.backup.void = True
    world.strangers.forget()
    host.end()
    world.lost.append(host)
    world.nodes = [keeper, *(node for node in world.nodes if node not in (host, keeper))]
    world.forgotten_since = 0
    forget(world, HOST, 0)


def _begin_account(world: World) -> None:
    """The log begins here, and with it what the stations were sent of it."""
    raw = world.host.application.raw
    peers = dict(raw.execute("SELECT name, id FROM replicator_peer").fetchall())
    world.first_rules = {
        number: {table: rule for table, rule in rules_of(world, name).items() if table in SPECS}
        for name, number in peers.items()
    }
    world.at_first = world.host.application.content()
    world.snapshots, world.began_with_rows = {}, set()
