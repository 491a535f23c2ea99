"""One simulated node: a folder that a process opens, that outlives the process, and that a power cut sets back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from sqlalchemy import make_url

from replicator.databases.sqlite import SqliteDatabase
from replicator.engine import session
from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.node import Node, Settings
from replicator.engine.progress import Silent
from replicator.engine.routing import settle_routes
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home
from replicator.store.identity import Identity, IdentityFile
from replicator.types import Role
from tests.simulation.application import Application
from tests.simulation.archive import Archive
from tests.simulation.clockwork import Clockwork
from tests.simulation.ledger import Write
from tests.simulation.post import SimulatedMailbox, SimulatedStick, address
from tests.simulation.restoring import Backup

HOST = "host"


class Watch(Silent):
    """Hears from the engine that a batch is being applied, while the rows can still be seen as they were before."""

    def __init__(self, applying: Callable[[], None]) -> None:
        self._applying = applying

    def applied(self, peer: str, done: int, total: int) -> None:
        self._applying()


class SimulatedNode:
    """`process` is what a kill takes away; the folder stays. `copy` is the database as a power cut would leave it: the
    application's commits behind our last one are lost, since only we wait for the disk."""

    def __init__(
        self,
        name: str,
        folder: Path,
        mail: Path,
        clockwork: Clockwork,
        faults: set[str],
        settings: Settings,
        reached: Callable[[SimulatedNode, str], None],
        applying: Callable[[SimulatedNode], None],
        unique: Callable[[], int],
    ) -> None:
        self.name, self.folder = name, folder
        self.station = name
        """The name that the others know it by: a copy of a computer has that of its original."""
        self.box = name
        """Whose mailbox it fetches from."""
        self.promoted = False
        """A backup station that became the host."""
        self.mail, self._clockwork, self._faults, self.settings = mail, clockwork, faults, settings
        self.skew = 0
        """Microseconds by which its computer's clock is wrong."""
        self.runtime = Runtime(
            lambda: clockwork.now() + self.skew, clockwork.random, lambda place: reached(self, place)
        )
        self.progress = Watch(lambda: applying(self))
        self.application = Application(name, folder / "app.db", clockwork, unique, lambda: self.skew)
        self._process: Node | None = None
        self._copy: Path | None = None
        self.undurable: list[Write] = []
        """The application's commits behind our last one."""
        self.undurable_numbers = 0
        """Numbers that it has issued since."""
        self.stick: Stick | None = None
        """Its second mailbox."""
        self.backup: Backup | None = None
        self.announced = True
        """There is no backup that the other side has not heard of."""
        self.images = 0
        """How often the whole computer was set back."""
        self.whole = False
        """What one collect finds counts as a transaction, of which no part stands alone."""
        self.was_set_back = False
        """And no run has begun since: single steps of one follow upon its beginning only."""
        self.halted = False
        self.is_copied = False
        """Another computer has or had its name."""
        self.new_name: Path | None = None
        """The invitation by which it is being made a station of its own."""
        self.archive = Archive() if "purge" in faults else None
        if self.archive is not None:
            self.archive.update(self.application.raw)

    @property
    def is_host(self) -> bool:
        return self.name == HOST or self.promoted

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def process(self) -> Node:
        if self._process is None:
            mailbox = SimulatedMailbox(
                self.mail, address(self.box), self._clockwork, self._faults, runtime=self.runtime
            )
            further = (self.stick.box(self._clockwork, self._faults, self.runtime),) if self.stick else ()
            self._process = open_process(self.station, self.folder, mailbox, further, self.settings, self.runtime)
            database = self._process.database
            database.capabilities = replace(database.capabilities, transactions_are_groups=self.whole)
        return self._process

    @property
    def mailboxes(self) -> list[SimulatedMailbox]:
        return [cast(SimulatedMailbox, box.mailbox) for box in self.process.mailboxes]

    def identity(self) -> Identity:
        return IdentityFile(self.folder / "home" / "identity.key", Files(Runtime(), durable=False)).read()

    def kill(self) -> None:
        """As kill -9: open transactions are rolled back by the database, memory is gone."""
        if self._process is not None:
            self._process.database.close()
            self._process = None

    def use(self, settings: Settings) -> None:
        """Stop, and go on with these."""
        self.kill()
        self.settings = settings

    def sweep(self) -> None:
        session.sweep(self.process)

    def close(self) -> None:
        self.kill()
        self.application.disconnect()

    def end(self) -> None:
        self.close()
        if self.archive is not None:
            self.archive.close()

    # --- power ---------------------------------------------------------------------------------------------------

    def before_write(self) -> None:
        """The application is about to write: keep what is on the disk for sure."""
        if "power" in self._faults and self._copy is None:
            self._copy = self.folder / "durable"
            self._copy.mkdir(exist_ok=True)
            for name in ("app.db", "app.db-wal"):
                source = self.folder / name
                if source.exists():
                    shutil.copyfile(source, self._copy / name)
                else:
                    (self._copy / name).unlink(missing_ok=True)

    def durable(self) -> None:
        """A commit of ours: all before it is on the disk."""
        if self.archive is not None:
            self.archive.update(self.application.raw)
        self._copy = None
        self.undurable, self.undurable_numbers = [], 0

    def cut_power(self) -> list[Write]:
        """Process and application are gone, and with them what was not durable. Gives the lost writes."""
        self.close()
        lost, self.undurable = self.undurable, []
        if self._copy is not None:
            for name in ("app.db", "app.db-wal", "app.db-shm"):
                (self.folder / name).unlink(missing_ok=True)
                if (self._copy / name).exists():
                    shutil.copyfile(self._copy / name, self.folder / name)
            self._copy = None
        self.application.reconnect()
        return lost

    def set_back(self, database: bytes, archive: bytes | None) -> None:
        """The database is as it was once; all else in the folder stays."""
        self.close()
        if self.archive is not None and archive is not None:
            self.archive.put_back(archive)
        for name in ("app.db-wal", "app.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "app.db").write_bytes(database)
        self.application.reconnect()
        self.durable()


@dataclass(frozen=True)
class Stick:
    """What a node has of the stick that travels between some of them."""

    folder: Path
    owner: str
    stations: frozenset[str]
    """At the host: the others that know of it."""
    there: Callable[[], bool]
    sends: bool = True

    def box(self, clockwork: Clockwork, faults: set[str], runtime: Runtime) -> NodeMailbox:
        mailbox = SimulatedStick(self.folder, address(self.owner), clockwork, faults, runtime=runtime, there=self.there)
        return NodeMailbox("stick", mailbox, sends=self.sends, stations=self.stations, is_folder=True)


def open_process(
    name: str,
    folder: Path,
    mailbox: SimulatedMailbox,
    further: tuple[NodeMailbox, ...],
    settings: Settings,
    runtime: Runtime,
) -> Node:
    """A node at work, put together as `operations.opening` does."""
    files = Files(runtime, durable=False)
    home = Home(folder / "home", files)
    database = SqliteDatabase(make_url(f"sqlite:///{folder / 'app.db'}"), runtime)
    database.busy_timeout = 0
    node = Node(
        role=Role.HOST if name == HOST else Role.STATION,
        name=name,
        database=database,
        mailbox=mailbox,
        spool=home.spool(0),
        aside=home.aside_folder,
        side_file=home.side_file,
        identity_file=home.identity,
        identity=home.identity.read(),
        runtime=runtime,
        settings=settings,
        further=further,
        is_folder=True,
    )
    try:
        # As a run does first of all; here single steps of one follow.
        with node.unit() as unit:
            settle_routes(unit)
    except BaseException:
        database.close()
        raise
    return node
