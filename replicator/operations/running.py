"""Running a node: one synchronisation, or one after the other until somebody stops it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from replicator.config import Configuration
from replicator.engine import session
from replicator.engine.apply import BUSY
from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.node import Node
from replicator.engine.progress import Progress, Silent
from replicator.engine.session import Summary
from replicator.errors import AlreadyRunning, ReplicatorError, Transient, WrongUse
from replicator.operations.database_login import open_of
from replicator.operations.listening import wait_for_mail
from replicator.operations.migration_requests import carry_out_all
from replicator.operations.noticing import Pace, Written
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import notices, parcels
from replicator.store.home import Home
from replicator.store.notices import Notice
from replicator.types import Role

SHORTEST_WAIT = 1.0
"""Seconds until the next try when somebody else holds the database or the node; doubled each time."""
RETRY_WAIT = 30.0
"""Seconds until the next try when the mailbox or the disk is in trouble, unless runs are closer anyway; doubled each
time."""
LONGEST_WAIT = 900.0
"""Seconds between tries while that lasts, unless runs are further apart anyway."""
NEWS = 20
"""Notices told by one run at most, newest first; `status` has those that wait for a person."""

_COMMANDS = {Role.HOST: "host-run", Role.STATION: "remote-run"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arriving:
    """A batch that has come in part: the rest comes with later runs."""

    peer: str
    n: int
    initial_load: bool
    """The first of its stream: the content of all tables in the station's rules."""
    parts: int
    parts_expected: int
    bytes: int
    bytes_expected: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One synchronisation and what it left to tell. Times are seconds."""

    node: str
    role: Role
    enabled: bool = True
    """False: the account is switched off, and nothing was done."""
    summary: Summary = field(default_factory=Summary)
    arriving: list[Arriving] = field(default_factory=list)
    news: list[Notice] = field(default_factory=list)
    """Told for the first time."""
    needs: list[Notice] = field(default_factory=list)
    """All that waits for a person."""
    swept: int = 0
    """Spool files of a process that died."""
    seconds: float = 0.0

    @property
    def idle(self) -> bool:
        """Nothing came, nothing went, nothing was done."""
        done = self.summary
        counts = (done.received.mails, done.applied.batches, done.collected, done.snapshots, done.batches)
        return not (any(counts) or done.sent.mails or done.applied.waiting or done.warnings or self.news)


class Runs:
    """Synchronisations of one node. Between two of them nothing is open and nothing is locked."""

    def __init__(self, home: Home, runtime: Runtime, role: Role) -> None:
        """Raises WrongUse when the node has the other role, ConfigurationError when there is none."""
        self._home = home
        self._runtime = runtime
        self._role = role
        self._mailboxes: list[NodeMailbox] = []
        self._unswept = True
        self._pace = Pace()
        self.configuration = self._configure()

    def once(self, *, resend_now: bool = False, progress: Progress | None = None) -> Outcome:
        """One synchronisation. Raises what `open_node` and `session.run` raise; a later one goes on where it ended."""
        self.configuration = self._configure()
        if not self.configuration.account.enabled:
            return Outcome(self.configuration.name, self._role, enabled=False)
        began = self._runtime.now()
        with open_node(self._home, self._runtime) as node:
            self._mailboxes = node.mailboxes
            outcome = self._run(node, began, resend_now, progress or Silent())
        self._pace.ran()
        _log.info("%s", log_line(outcome))
        return outcome

    def wait(self, seconds: float, stop: Event) -> None:
        """Until mail comes that the last run did not see, a run is due for what the application has written, `seconds`
        are over, or `stop` is set."""
        if not self._mailboxes or not self.configuration.account.enabled:
            stop.wait(seconds)
            return
        with self._written(stop) as ended:
            wait_for_mail(self._mailboxes, seconds, ended)

    @contextmanager
    def _written(self, stop: Event) -> Iterator[Event]:
        """An event that is set when `stop` is, or when a run is due for what the application has written."""
        times = self.configuration.run
        if not times.settle_seconds:
            yield stop
            return
        with closing(open_of(self.configuration, self._runtime)) as database, database.watch() as there:
            yield Written(stop, there, self._pace, times.settle_seconds, times.busy_seconds)

    def _configure(self) -> Configuration:
        """Read anew for each run: `replicator.toml` may be changed meanwhile."""
        configuration = self._home.load_configuration()
        if configuration.role is not self._role:
            raise WrongUse(
                f"{configuration.name} is a {configuration.role}: run 'replicator {_COMMANDS[configuration.role]}'"
            )
        return configuration

    def _run(self, node: Node, began: int, resend_now: bool, progress: Progress) -> Outcome:
        # What a crash left in the spool is of an earlier process, or of a run of ours that failed.
        swept = session.sweep(node) if self._unswept else 0
        self._unswept = True
        with node.database.transaction(write=False) as connection:
            known = notices.newest(connection)
        summary = session.run(
            node, resend_now=resend_now, progress=progress, first=lambda node: carry_out_all(node, progress)
        )
        self._unswept = False
        with node.database.transaction(write=False) as connection:
            # What keeps a batch from being applied is told with the run itself.
            news = [notice for notice in notices.after(connection, known, NEWS) if notice.kind != BUSY]
            needs = notices.recent(connection, waiting_only=True)
        return Outcome(
            node=node.name,
            role=node.role,
            summary=summary,
            arriving=arriving(node),
            news=news,
            needs=needs,
            swept=swept,
            seconds=(self._runtime.now() - began) / 1_000_000,
        )


def arriving(node: Node) -> list[Arriving]:
    """Batches that have come in part, oldest first."""
    found = []
    with node.unit() as unit:
        for peer in unit.peers.values():
            for batch in parcels.all_parked(unit.connection, peer.id):
                if batch.complete:
                    continue
                pieces = parcels.parts(unit.connection, peer.id, batch.epoch, batch.n)
                # All parts but the last have one size, unless the mailbox wanted them smaller: then it is an estimate.
                size = max((length for _, length in pieces), default=batch.total)
                found.append(
                    Arriving(
                        peer=peer.name,
                        n=batch.n,
                        initial_load=batch.n == 1 and not unit.is_host,
                        parts=len(pieces),
                        parts_expected=max(-(-batch.total // max(size, 1)), len(pieces) + 1),
                        bytes=batch.received,
                        bytes_expected=batch.total,
                    )
                )
    return found


def log_line(outcome: Outcome) -> str:
    """The run's figures, for the log."""
    done = outcome.summary
    return (
        f"run of {outcome.seconds:.2f} s: received {done.received.mails} mails, {done.received.bytes} bytes"
        f" ({done.received.set_aside} set aside, {done.received.foreign} not ours,"
        f" {done.received.moved} of them moved, {done.forwarded.mails} forwarded);"
        f" applied {done.applied.batches} batches, {done.applied.rows} rows; collected {done.collected} changes;"
        f" made {done.batches} batches, {done.snapshots} initial loads;"
        f" sent {done.sent.mails} mails, {done.sent.bytes} bytes, {done.sent.rows} rows;"
        f" away: {', '.join(box.label for box in done.away) or 'none'};"
        f" {len(outcome.needs)} things wait for a person"
    )


# --- one after the other ----------------------------------------------------------------------------------------------


class Listener(Protocol):
    """Hears how a lasting run goes."""

    def ran(self, outcome: Outcome) -> None:
        """A synchronisation is done."""

    def failed(self, error: ReplicatorError, wait: float) -> None:
        """It failed and is tried again in `wait` seconds. Called once for each trouble."""

    def recovered(self) -> None:
        """The first one that succeeds after trouble."""


def run_every(
    runs: Runs,
    seconds: float,
    stop: Event,
    listener: Listener,
    *,
    resend_now: bool = False,
    showing: Callable[[], AbstractContextManager[Progress]] = lambda: nullcontext(Silent()),
) -> None:
    """Synchronise every `seconds`, when mail comes and when the application has written, until `stop` is set.

    Goes on after all that another try may cure (exit code 1), with longer and longer waits. Raises the rest: Halted,
    and WrongUse when the configuration was spoiled meanwhile.
    """
    told: set[type[ReplicatorError]] = set()
    failures = 0
    while not stop.is_set():
        try:
            with showing() as progress:
                outcome = runs.once(resend_now=resend_now, progress=progress)
            if told:
                listener.recovered()
            told.clear()
            listener.ran(outcome)
            resend_now = False
            busy = outcome.summary.applied.waiting is not None
            failures = failures + 1 if busy else 0
            if busy:
                stop.wait(_busy_wait(failures, runs.configuration))
            else:
                runs.wait(seconds, stop)
        except ReplicatorError as error:
            if error.exit_code != ReplicatorError.exit_code:
                raise
            failures += 1
            wait = _wait_after(error, failures, seconds, runs.configuration)
            _log.warning("%s; next try in %.0f s", error, wait)
            # By its kind: the sentence may name another file or process each time.
            if type(error) not in told:
                told.add(type(error))
                listener.failed(error, wait)
            stop.wait(wait)


def _wait_after(error: ReplicatorError, failures: int, seconds: float, configuration: Configuration) -> float:
    if isinstance(error, (Transient, AlreadyRunning)):
        return _busy_wait(failures, configuration)
    return min(min(seconds, RETRY_WAIT) * 2.0 ** min(failures - 1, 20), max(seconds, LONGEST_WAIT))


def _busy_wait(failures: int, configuration: Configuration) -> float:
    """protocol.md 8.2: apply retry 1 s, doubling to 60 s."""
    return min(SHORTEST_WAIT * 2.0 ** min(failures - 1, 20), configuration.run.retry_limit_seconds)
