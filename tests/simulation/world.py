"""A world of one host and some stations, and everything that may happen to it in one step."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from replicator.engine import session
from replicator.engine.apply import apply_ready
from replicator.engine.collect import collect
from replicator.engine.comparing import start_comparisons
from replicator.engine.findings import look_at_answers
from replicator.engine.handing_on import hand_on
from replicator.engine.node import Settings
from replicator.engine.publish import publish
from replicator.engine.purging import purge
from replicator.engine.receive import receive
from replicator.engine.send import send
from replicator.engine.session import Summary
from replicator.engine.snapshot import start_snapshots
from replicator.errors import DatabaseBusy, Halted, MailboxTrouble
from replicator.store import catalogue
from replicator.types import Rule
from tests.simulation import cloning, comparing, disturbing, poisoning, promoting, restoring
from tests.simulation.changing import Changing
from tests.simulation.clockwork import HOUR, MINUTE, Clockwork, Crash
from tests.simulation.describing import describe
from tests.simulation.ledger import Ledger
from tests.simulation.numbering import Numbering
from tests.simulation.post import Letter, Post
from tests.simulation.records import OnRecord
from tests.simulation.replaying import Replaying
from tests.simulation.simnode import HOST, SimulatedNode
from tests.simulation.strangers import Strangers
from tests.simulation.travelling import Traveller
from tests.simulation.watching import Watcher

FAULTS = (
    "loss",
    "dup",
    "reorder",
    "replay",
    "reflect",
    "crash",
    "power",
    "offline",
    "rules",
    "wide-rules",
    "tool",
    "busy",
    "mailbox",
    "interleave",
    "mauled",
    "small-mail",
    "refused",
    "bounced",
    "strangers",
    "second",
    "policies",
    "restore",
    "image",
)
LATER = (
    "clone",
    "host-restore",
    "host-image",
    "rare-backup",
    "clock",
    "report",
    "purge",
    "horizon",
    "compare",
    "numbers",
    "poison",
    "promotion",
    "schema",
)
"""Faults that came later: each throws dice of its own, so that the seeds without it have the story that they had."""
CRASH, INTERLEAVE = 0.012, 0.12
MOST_BETWEEN = 40
"""Times that the application writes during one step: else it may write more, by the smallest mails, than these take."""
FIRST_NUMBER = 1000
"""Of ids and traceable values; the template has used smaller ones."""


class World:
    """`bad` holds every violated invariant, in the order in which it was seen."""

    def __init__(
        self,
        folder: Path,
        stations: list[str],
        clockwork: Clockwork,
        faults: set[str],
        settings: Settings,
        show: bool,
        first: int = FIRST_NUMBER,
        *,
        numbered: bool = True,
    ) -> None:
        self.clockwork, self.faults = clockwork, faults
        self.dice, self.chance = clockwork.dice, clockwork.chance
        self.bad: list[str] = []
        self.story: list[str] | None = [] if show else None
        self.ledger = Ledger()
        self._unique = itertools.count(first)
        self.unique = lambda: next(self._unique)
        self._stepping: SimulatedNode | None = None
        self._between = 0
        self.dies_at: int | None = None
        """Behind so many more crash points a process dies, and by nothing else; None: as the dice and faults decide."""
        self.watcher = Watcher(self)
        self.replaying = Replaying(self)
        self.post = Post(folder / "mail", [HOST, *stations], clockwork, faults, self.tell_mail)
        self.strangers = Strangers(folder / "mail", clockwork.dice)
        self.posts = [self.post]
        self.folder = folder
        self.nodes: list[SimulatedNode] = []
        for name in [HOST, *stations]:
            self.add_node(name, self.strangers.settings(settings) if "strangers" in faults else settings)
        self.traveller = Traveller(self, folder / "stick") if "second" in faults else None
        self.away: set[str] = set()
        self.table_numbers = self._table_numbers()
        self.at_first = self.host.application.content()
        self.ledger.begin(self.at_first)
        self.whole = False
        """What one collect finds is a transaction that stays together."""
        self.was_poisoned = False
        self.silent = False
        """All has come to rest once."""
        self.fresh = False
        """Stations begin with an invitation that nobody has used."""
        self.snapshots: dict[int, list[int]] = {}
        """By station's number: the positions in the host's log that its snapshots stood at."""
        self.unheard: set[int] = set()
        """Stations whose first snapshot was not there yet when another was made: what it held may never have come."""
        self.began_with_rows: set[int] = set()
        """Stations that had theirs before the seed began."""
        self.read_before = OnRecord()
        """What the host had on record before it was set back."""
        self.numbering = Numbering(self) if numbered else None
        self.keeper: SimulatedNode | None = None
        """The backup station, until it is the host."""
        self.promoted = False
        self.lost: list[SimulatedNode] = []
        """Hosts that are no more."""
        self.first_rules: dict[int, dict[str, Rule]] = {}
        """Those that a new host began with, by station's number."""
        self.changing = Changing(self) if "schema" in faults else None
        self.former_letters: set[int] = set()
        """Identities of letters that were sent before their sender's whole computer was set back."""
        self.forgotten_since: int | None = None
        """How many writes there had been at the oldest backup that the host was set back to."""

    def add_node(self, name: str, settings: Settings) -> SimulatedNode:
        node = SimulatedNode(
            name,
            self.folder / name,
            self.folder / "mail",
            self.clockwork,
            self.faults,
            settings,
            self._reached,
            self.watcher.applying,
            lambda: next(self._unique),
        )
        self.nodes.append(node)
        return node

    @property
    def host(self) -> SimulatedNode:
        return self.nodes[0]

    @property
    def stations(self) -> list[SimulatedNode]:
        """All computers but the host: there may be two with one station's name."""
        return self.nodes[1:]

    def _table_numbers(self) -> dict[str, int]:
        with self.host.process.database.transaction(write=False) as connection:
            return {table.name: number for number, table in catalogue.load_tables(connection).items()}

    def close(self) -> None:
        for node in self.nodes:
            node.end()

    # --- telling -------------------------------------------------------------------------------------------------

    def tell(self, text: str, *values: object) -> None:
        if self.story is not None:
            self.story.append(f"{self._clock()} {text % values if values else text}")

    def tell_mail(self, letter: Letter, fate: str) -> None:
        if self.story is not None:
            receiver = next((node for node in self.nodes if node.box == letter.recipient), self.host)
            what = describe(letter, receiver, [node for node in self.nodes if node.box == letter.sender])
            self.tell("  mail %d %s -> %s %s %s", letter.number, letter.sender, letter.recipient, what, fate.upper())

    def _clock(self) -> str:
        minutes = (self.clockwork.time // MINUTE) % (24 * 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"

    def expect(self, true: bool, what: str, detail: Callable[[], str] | None = None) -> None:
        if not true and what not in self.bad:
            self.bad.append(what)
            self.tell("*** %s%s", what, f": {detail()}" if detail is not None else "")

    # --- crash points --------------------------------------------------------------------------------------------

    def _reached(self, node: SimulatedNode, place: str) -> None:
        if place == "commit:after":
            node.durable()
        if self._stepping is not node:
            return
        if place == "commit:after":
            self.watcher.committed(node)
            if node.is_host:
                self.replaying.committed()
            if "interleave" in self.faults and self.chance(self._interleave(node)) and self._between < MOST_BETWEEN:
                self._between += 1
                self.write(node)
        if self.dies_at is not None:
            self.dies_at -= 1
            if self.dies_at == -1:
                raise Crash(place, power="power" in self.faults)
            return
        if "crash" in self.faults and self.chance(CRASH):
            raise Crash(place)
        if "power" in self.faults and self.chance(CRASH / 2):
            raise Crash(place, power=True)

    def _interleave(self, node: SimulatedNode) -> float:
        """How often the application writes between two transactions: where a first load may be under way, often."""
        loading = self.fresh and node.is_host and len(self.snapshots) < len(self.stations)
        return 0.5 if loading else INTERLEAVE

    # --- steps of a node -----------------------------------------------------------------------------------------

    def act(self, node: SimulatedNode, what: str, deed: Callable[[SimulatedNode], object]) -> object:
        """A step of the replicator, which may die on its way. Gives what the deed gave, None if it did not end."""
        self.tell("%s: %s", node.name, what)
        self._stepping, self._between = node, 0
        result = None
        try:
            if node.was_set_back or node.halted:
                session.start(node.process, Summary())
                node.was_set_back = False
            result = deed(node)
        except Crash as crash:
            self._stepping = None
            self.tell("  %s at %s", "POWER CUT" if crash.power else "CRASH", crash.place)
            self._die(node, crash.power)
        except DatabaseBusy:
            self.tell("  the application holds the database")
        except Halted as halted:
            self._stepping = None
            if node.is_copied:
                cloning.halt(self, node, halted)
            else:
                restoring.decide(self, node, halted)
        except MailboxTrouble as trouble:
            self.tell("  %s", trouble)
        finally:
            self._stepping = None
            self.watcher.forget(node)
        for post in self.posts:
            post.look(node.box)
        if node.is_host:
            self._note_snapshots()
        return result

    def _note_snapshots(self) -> None:
        found = self.host.application.raw.execute("SELECT peer, high_n FROM replicator_batch_out WHERE opener = 'snap'")
        for peer, n in found.fetchall():
            places = self.snapshots.setdefault(peer, [])
            if n not in places[-1:]:
                if places and not self._has_applied(peer):
                    self.unheard.add(peer)
                places.append(n)

    def _has_applied(self, peer: int) -> bool:
        """The station has had its rows once."""
        (name,) = self.host.application.raw.execute("SELECT name FROM replicator_peer WHERE id = ?", (peer,)).fetchone()
        query = "SELECT seen_n FROM replicator_link"
        return any(node.application.raw.execute(query).fetchone()[0] for node in self.stations if node.station == name)

    def forget_snapshots(self) -> None:
        """The host was set back: the log goes on from an earlier place."""
        last = self.host.application.raw.execute("SELECT last_n FROM replicator_node").fetchone()[0]
        self.replaying.set_back(last)
        self.snapshots = {peer: [n for n in places if n <= last] for peer, places in self.snapshots.items()}

    def _die(self, node: SimulatedNode, power: bool) -> None:
        if power:
            self.cut_power(node)
        else:
            node.kill()
        if self.chance(0.5):
            node.sweep()

    def cut_power(self, node: SimulatedNode) -> None:
        undurable, node.undurable_numbers = node.undurable_numbers, 0
        lost = node.cut_power()
        if self.numbering is not None and "power" in self.faults:
            self.numbering.power_was_cut(node, undurable)
        self.ledger.forget(lost)
        for write in lost:
            self.tell("  lost with the power: %s %s %s", write.table, write.key, write.new)

    def run(self, node: SimulatedNode, *, resend_now: bool = False) -> Summary | None:
        def deed(node: SimulatedNode) -> Summary:
            return session.run(node.process, resend_now=resend_now, progress=node.progress)

        summary = self.act(node, "run", deed)
        if isinstance(summary, Summary):
            self._tell_summary(summary)
            return summary
        return None

    def _tell_summary(self, summary: Summary) -> None:
        if self.story is not None:
            self.tell(
                "  received %d (aside %d), applied %d (%d rows)%s, collected %d, snapshots %d, batches %d, sent %d",
                summary.received.mails,
                summary.received.set_aside,
                summary.applied.batches,
                summary.applied.rows,
                f" WAITING: {summary.applied.waiting}" if summary.applied.waiting else "",
                summary.collected,
                summary.snapshots,
                summary.batches,
                summary.sent.mails,
            )
            for warning in summary.warnings:
                self.tell("  warning: %s", warning)

    def receive(self, node: SimulatedNode) -> None:
        def deed(node: SimulatedNode) -> None:
            for mailbox in node.mailboxes:
                mailbox.most = self.dice.choice([1, 2, 3, None])
            session.start(node.process, Summary())
            receive(node.process, progress=node.progress)

        self.act(node, "receive", deed)
        if node.running:
            for mailbox in node.mailboxes:
                mailbox.most = None

    def apply(self, node: SimulatedNode) -> None:
        self.act(node, "apply", lambda node: apply_ready(node.process, node.progress))

    def collect(self, node: SimulatedNode) -> None:
        def deed(node: SimulatedNode) -> None:
            session.start(node.process, Summary())
            with node.process.unit() as unit:
                collect(unit)

        self.act(node, "collect", deed)

    def publish(self, node: SimulatedNode) -> None:
        def deed(node: SimulatedNode) -> None:
            if node.is_host:
                start_snapshots(node.process, node.progress)
                look_at_answers(node.process)
                start_comparisons(node.process)
                hand_on(node.process)
            publish(node.process)

        self.act(node, "publish", deed)

    def send(self, node: SimulatedNode) -> None:
        resend_now = self.chance(0.1)
        self.act(node, "send", lambda node: send(node.process, resend_now=resend_now, progress=node.progress))

    def purge(self, node: SimulatedNode) -> None:
        self.act(node, "purge", lambda node: purge(node.process, self.dice.choice([1, 3, None])))

    # --- the application -----------------------------------------------------------------------------------------

    def write(self, node: SimulatedNode, *, keep_open: bool = False) -> None:
        application = node.application
        if not application.tables():
            return
        node.before_write()
        if not application.open and not application.begin():
            return
        application.work(self.dice.choice([1, 1, 1, 2, 3]))
        if keep_open:
            self.tell("%s: the application holds a transaction open", node.name)
        else:
            self.commit(node)

    def commit(self, node: SimulatedNode) -> None:
        writes = node.application.commit()
        self.ledger.add(writes)
        self.watcher.wrote(node, writes)
        node.undurable += writes
        for write in writes:
            self.tell("%s: the application: %s %s %s -> %s", node.name, write.table, write.key, write.old, write.new)

    # --- one step ------------------------------------------------------------------------------------------------

    def step(self) -> None:
        dice, faults = self.dice, self.faults
        self.clockwork.pass_time(dice.choice([MINUTE, 3 * MINUTE, 10 * MINUTE, HOUR if self.chance(0.1) else MINUTE]))
        node = dice.choice(self.nodes)
        self._happenings(node)
        if node in self.lost:
            return
        x = dice.random()
        if x < 0.42:
            if node.application.open and self.chance(0.6):
                self.commit(node)
            else:
                self.write(node, keep_open="busy" in faults and self.chance(0.15))
        elif node.name in self.away:
            return
        elif x < 0.58:
            self.run(node)
        elif x < 0.69:
            self.receive(node)
        elif x < 0.80:
            self.apply(node)
        elif x < 0.85:
            self.collect(node)
        elif x < 0.91:
            self.publish(node)
        elif x < 0.98:
            self.send(node)
        elif "crash" in faults:
            self.tell("%s: CRASH at rest", node.name)
            node.kill()

    def _happenings(self, node: SimulatedNode) -> None:
        """What the world does besides."""
        faults, chance = self.faults, self.chance
        if "reorder" in faults and chance(0.2):
            for post in self.posts:
                post.release(0.5)
        if "replay" in faults and chance(0.1):
            disturbing.replay(self)
        if "reflect" in faults and chance(0.05):
            disturbing.reflect(self)
        if "strangers" in faults and chance(0.15):
            self.strangers.arrive(self, node)
        if "rules" in faults and chance(0.08):
            disturbing.random_rule(self)
        if "policies" in faults and chance(0.08):
            disturbing.random_policy(self)
        if "purge" in faults and node.name not in self.away and chance(0.06):
            self.purge(node)
        restoring.happenings(self, node)
        if "promotion" in faults:
            promoting.happenings(self)
            if node in self.lost:
                return
        if self.numbering is not None:
            self.numbering.happenings(node)
        if self.changing is not None:
            self.changing.happenings(node)
        if "clock" in faults and chance(0.05):
            disturbing.wrong_clock(self, node)
        if "report" in faults and chance(0.08):
            disturbing.report(self, node)
        if "poison" in faults:
            poisoning.happenings(self, node)
        if "clone" in faults:
            cloning.happenings(self, node)
        if "compare" in faults and chance(0.06):
            comparing.compare(self, self.dice.choice(self.stations), at_station=chance(0.3), repair=chance(0.5))
        if "tool" in faults and chance(0.12):
            disturbing.evade(self)
        if "power" in faults and chance(0.02):
            self.tell("%s: POWER CUT", node.name)
            self.cut_power(node)
        if "offline" in faults and chance(0.05):
            self.away = set() if self.away else {self.dice.choice(self.nodes).name}
            self.tell("offline: %s", ", ".join(self.away) or "nobody")
        if self.traveller is not None:
            self.traveller.happenings()
