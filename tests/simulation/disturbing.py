"""What befalls the nodes of a world: rules that change, mails that come again or come back, tools that evade a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.engine.receive import receive
from replicator.engine.rule_changes import set_rules
from replicator.errors import WrongUse
from replicator.operations.table_admin import set_tables
from replicator.store import state
from replicator.types import Kinds, Policy, Rule
from tests.simulation.application import Application
from tests.simulation.clockwork import HOUR, MINUTE
from tests.simulation.watching import fingerprint

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

ALL = Rule(Kinds.ALL, Kinds.ALL)
USUAL = [ALL, Rule(Kinds.NONE, Kinds.NONE), Rule(Kinds.ALL, Kinds.NONE), Rule(Kinds.NONE, Kinds.ALL)]


def change_rules(world: World, station: str, rules: dict[str, Rule]) -> None:
    def deed(node: SimulatedNode) -> None:
        with node.process.unit() as unit:
            peer = state.find_peer(unit.connection, station)
            set_rules(unit, peer.id, {world.table_numbers[table]: rule for table, rule in rules.items()})

    told = "; ".join(f"{table} down {rule.to_remote}, up {rule.to_host}" for table, rule in rules.items())
    try:
        world.act(world.host, f"rules of {station}: {told}", deed)
    except WrongUse as refused:
        world.tell("  refused: %s", refused)


def random_rule(world: World) -> None:
    tables: tuple[str, ...] = ("opt",)
    if "wide-rules" in world.faults and world.chance(0.6):
        # Parent and child together: most rules for one of them would not go with those of the other.
        tables = world.dice.choice((("cust", "item"), ("cust", "item"), ("item",), ("misc",), ("pair",), ("stock",)))
    rules = {table: some_rule(world) for table in tables}
    stations = [station for station in world.stations if station is not world.keeper]
    change_rules(world, world.dice.choice(stations).station, rules)


def some_rule(world: World) -> Rule:
    kinds = [Kinds(world.dice.randint(0, 7)) for _ in range(2)]
    return world.dice.choice([*USUAL, *[Rule(*kinds)] * 4])


def random_policy(world: World, table: str | None = None) -> None:
    """Another one wins the conflicts of a table (any, if none is named) from now on."""
    table, policy = table or world.dice.choice(list(world.table_numbers)), world.dice.choice(list(Policy))

    def deed(node: SimulatedNode) -> None:
        set_tables(node.process, [table], policy=policy)

    world.act(world.host, f"policy of {table}: {policy}", deed)


def wrong_clock(world: World, node: SimulatedNode) -> None:
    """A computer's clock jumps forth or back, by minutes, hours or months, or is right again."""
    node.skew = world.dice.choice([0, 1, 1, -1]) * world.dice.choice([3 * MINUTE, 40 * HOUR, 2_000 * HOUR])
    world.tell("%s: its clock is wrong by %d minutes", node.name, node.skew // MINUTE)


def report(world: World, node: SimulatedNode) -> None:
    """An application's transaction that reads for long begins or ends. What it sees never changes."""
    if not node.application.reads:
        world.tell("%s: the application begins a long report", node.name)
        node.application.start_reading()
    else:
        world.tell("%s: its report ends", node.name)
        world.expect(node.application.stop_reading(), "a long transaction saw something change")


def replay(world: World) -> None:
    post = world.dice.choice(world.posts)
    if post.sent:
        letter = world.dice.choice(post.sent)
        post.deliver(letter)
        world.tell_mail(letter, "comes once more")


def reflect(world: World) -> None:
    """S8: a node's own mail in its mailbox, dressed up as its peer's, changes nothing."""
    if not world.post.sent:
        return
    letter = world.dice.choice(world.post.sent)
    node = next((node for node in world.nodes if node.station == letter.sender), world.host)
    name = world.post.reflect(letter)
    if node.application.open:
        return
    before = fingerprint(node)

    def deed(node: SimulatedNode) -> None:
        for mailbox in node.mailboxes:
            mailbox.only = name
        receive(node.process)
        for mailbox in node.mailboxes:
            mailbox.only = None

    world.tell("%s: finds its own mail %s", node.name, letter.number)
    deed(node)
    world.expect(fingerprint(node) == before, "a reflected mail changed something")


def evade(world: World) -> None:
    """A foreign tool lets a station's change of `opt` pass that its rules forbid: the host must refuse it."""
    node = world.dice.choice(world.stations)
    number, application = world.table_numbers["opt"], node.application
    if application.open or "opt" not in application.tables():
        return
    row = application.raw.execute("SELECT to_host FROM replicator_rule WHERE table_id = ?", (number,)).fetchone()
    if row is None or row[0] == int(Kinds.ALL):
        return
    world.tell("%s: a tool evades the rule of opt", node.name)
    allow = "UPDATE replicator_rule SET to_host = ? WHERE table_id = ?"
    node.before_write()
    application.raw.execute(allow, (int(Kinds.ALL), number))
    if application.begin():
        application.do(world.dice.choice([Application.put_option, Application.delete_option]))
        world.commit(node)
    world.collect(node)
    application.raw.execute(allow, (row[0], number))
    node.durable()  # a power cut must not bring the evasion back
