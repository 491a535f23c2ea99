"""After the faults: everybody gets as many fair runs as he needs, and then all is quiet (L1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.engine.apply import apply_ready
from replicator.engine.receive import receive
from tests.simulation import cloning, poisoning
from tests.simulation.clockwork import HOUR, MINUTE
from tests.simulation.disturbing import ALL, change_rules
from tests.simulation.schema import SPECS
from tests.simulation.watching import fingerprint

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

ROUNDS = 40
"""In which nobody is held back by a limit of mails; each of the others takes a small share of what waits along."""
MOST_ROUNDS = 40 * ROUNDS
REPLAYED = 8


def settle(world: World) -> bool:
    """Whether all came to rest."""
    world.tell("--- faults stop")
    world.faults.clear()
    for node in world.nodes:
        if node.application.open:
            world.commit(node)
        if world.chance(0.5):
            node.skew = 0
    for post in world.posts:
        post.release()
        for name in {node.station for node in world.stations if node.is_copied}:
            post.disown_bounces(name)
    if world.traveller is not None:
        world.traveller.at_rest()
    if world.changing is not None:
        world.changing.say_again()
    for station in (station for station in world.stations if station is not world.keeper):
        if world.chance(0.4):
            # With all kinds both ways a table must become equal.
            change_rules(world, station.station, dict.fromkeys(SPECS, ALL))
    return come_to_rest(world)


def come_to_rest(world: World) -> bool:
    if not _comes_to_rest(world):
        world.expect(False, "no rest", lambda: "; ".join(restless(world)))
        return False
    if not world.silent:
        world.strangers.verify(world)
    _falls_silent(world)
    world.silent = True
    return True


def settle_again(world: World) -> bool:
    """After faults that began anew."""
    world.tell("--- faults stop again")
    world.faults.clear()
    for post in world.posts:
        post.release()
    if not _comes_to_rest(world):
        world.expect(False, "no rest", lambda: "; ".join(restless(world)))
        return False
    _falls_silent(world)
    return True


def _comes_to_rest(world: World) -> bool:
    unhindered = 0
    for turn in range(MOST_ROUNDS):
        world.clockwork.pass_time(6 * HOUR if turn % 2 else 20 * MINUTE)
        cloning.at_rest(world, turn)
        if world.changing is not None:
            world.changing.see_to_stations(turn)
        _, held_back = _round(world)
        if turn > 0 and not restless(world):
            return True
        unhindered += not held_back
        if unhindered >= ROUNDS:
            break
    return False


def _round(world: World) -> tuple[int, int]:
    """Mails sent, and held back by limits."""
    sent, held_back = 0, 0
    for node in world.dice.sample(world.nodes, len(world.nodes)):
        summary = world.run(node)
        if summary is not None:
            sent += summary.sent.mails
            held_back += summary.sent.held_back
            world.expect(summary.applied.waiting is None, "a batch waits although nobody writes")
    return sent, held_back


def _falls_silent(world: World) -> None:
    """Acknowledgements of the last round may still be owed; then an idle run sends nothing."""
    for _ in range(4):
        sent, _ = _round(world)
        if not sent:
            break
    else:
        world.expect(False, "an idle run sends mail")
    for post in world.posts:
        post.tidy_up()
        world.expect(post.empty(), "mail is left over")


def restless(world: World) -> list[str]:
    """What has not come to rest, in words. What waits in quarantine may, as long as its cause is there."""
    found = []
    found += [
        f"{node.name} quarantine {len(held)}"
        for node in world.nodes
        if (held := poisoning.held(node)) and not poisoning.poisoned(node)
    ]
    host = world.host.application.raw
    peers = dict(host.execute("SELECT name, id FROM replicator_peer").fetchall())
    for node in world.nodes:
        found += [f"{node.name} {what}" for what in _unfinished(node)]
    if len({node.station for node in world.nodes}) < len(world.nodes):
        found.append("two with one name")
    found += [f"{node.name} has halted" for node in world.nodes if node.halted]
    for node in world.stations:
        here = _streams(node, 0)
        there = _streams(world.host, peers[node.station])
        for way, out, inbound in (("up", here[0], there[1]), ("down", there[0], here[1])):
            epoch, n, acknowledged = out
            if acknowledged != n:
                found.append(f"{node.name} {way} acknowledged {acknowledged} of {n}")
            if (epoch, n) != inbound[:2] and n:
                found.append(f"{node.name} {way} sent {epoch, n}, applied {inbound[:2]}")
    return found


def _unfinished(node: SimulatedNode) -> list[str]:
    found = []
    for what, query in _QUESTIONS.items():
        (count,) = node.application.raw.execute(query).fetchone()
        if count:
            found.append(f"{what} {count}")
    return found


_QUESTIONS = {
    "outbox": "SELECT count(*) FROM replicator_outbox",
    "requests": "SELECT count(*) FROM replicator_outbox_control",
    "send queue": "SELECT count(*) FROM replicator_send_queue",
    "owed": "SELECT count(*) FROM replicator_route WHERE owed AND mailbox IN"
    " (SELECT id FROM replicator_mailbox WHERE away_since = 0)",
    "batches out": "SELECT count(*) FROM replicator_batch_out",
    "parked": "SELECT count(*) FROM replicator_batch_in",
    "content": "SELECT count(*) FROM replicator_content",
    "skipped": "SELECT count(*) FROM replicator_skipped",
    "uncut slices": "SELECT (SELECT coalesce(max(id), 0) FROM replicator_slice) - min(cut_slice) FROM replicator_link",
    "comparisons": "SELECT count(*) FROM replicator_comparison WHERE state NOT IN ('done', 'void')",
    "link mode": "SELECT count(*) FROM replicator_link WHERE mode <> ''",
    "unjudged": "SELECT coalesce(max(last_n - judged_n), 0) FROM replicator_node, replicator_link"
    " WHERE role = 'station'",
}

Stream = tuple[tuple[int, int], int, int]


def _streams(node: SimulatedNode, peer: int) -> tuple[Stream, Stream]:
    """(epoch, n, acknowledged) outbound and (epoch, n, highest) inbound."""
    row = node.application.raw.execute(
        "SELECT out_epoch_epoch, out_epoch_n, out_n, out_acknowledged, in_epoch_epoch, in_epoch_n, in_n, in_high"
        " FROM replicator_link WHERE peer = ?",
        (peer,),
    ).fetchone()
    return ((row[0], row[1]), row[2], row[3]), ((row[4], row[5]), row[6], row[7])


def replay_everything(world: World, *, most: int | None) -> None:
    """Mails that were sent at any time come once more, in any order: nothing changes.

    But for those of a life that an image has taken away: one that never arrived is news (seed 3108 of a focus).
    """
    before = {node.name: fingerprint(node)[:1] + fingerprint(node)[2:4] for node in world.nodes}
    letters = [(post, letter) for post in world.posts for letter in post.sent if id(letter) not in world.former_letters]
    world.dice.shuffle(letters)
    for post, letter in letters[:most]:
        post.deliver(letter)
    world.tell("--- %d old mails come once more", len(letters[:most]))
    for node in world.nodes:
        world.act(node, "receive and apply", _receive_and_apply)
        now = fingerprint(node)[:1] + fingerprint(node)[2:4]
        world.expect(now == before[node.name], "replayed mail changed something")
    _falls_silent(world)
    world.expect(not restless(world), "no rest after replayed mail", lambda: "; ".join(restless(world)))


def _receive_and_apply(node: SimulatedNode) -> None:
    receive(node.process, progress=node.progress)
    apply_ready(node.process, node.progress)
