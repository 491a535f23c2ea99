"""Opening a node: to work on it, under its lock, or only to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.config import Configuration, MailAccess
from replicator.databases.base import Database
from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.node import Node, Settings, Unrecognised
from replicator.errors import ConfigurationError, Halted, WrongUse
from replicator.operations.account_login import open_account
from replicator.operations.database_login import open_of
from replicator.protocol.link import DAY, MINUTE
from replicator.runtime import Runtime
from replicator.store import migrate, state
from replicator.store.home import Home
from replicator.store.state import NodeState, Peer
from replicator.transport.deferred import DeferredMailbox
from replicator.types import HOST_PEER, Role

HOUR = 60 * MINUTE


@contextmanager
def open_node(home: Home, runtime: Runtime) -> Iterator[Node]:
    """The node, to work on it: no other process may do so meanwhile. Its mailbox is opened when it is first used.

    Raises ConfigurationError (no node here, key or configuration unusable), AlreadyRunning, DatabaseTrouble (missing,
    our tables missing or old), StorageTrouble.
    """
    home.require()
    with home.lock(), open_unlocked(home, runtime) as node:
        yield node


@contextmanager
def open_unlocked(home: Home, runtime: Runtime) -> Iterator[Node]:
    """The same for who takes the node's lock himself, for a moment: without it nothing may be changed."""
    configuration = home.load_configuration()
    with closing(open_of(configuration, runtime)) as database:
        with database.transaction(write=False) as connection:
            migrate.check(connection)
            require_own(state.load_node(connection), configuration, home)
        boxes = [
            node_mailbox(account, home, runtime)
            for account in configuration.accounts
            if account.enabled or not account.name
        ]
        with ExitStack() as stack:
            for box in boxes:
                stack.enter_context(box.mailbox)
            yield Node(
                role=configuration.role,
                name=configuration.name,
                database=database,
                mailbox=boxes[0].mailbox,
                further=tuple(boxes[1:]),
                stations=boxes[0].stations,
                is_folder=boxes[0].is_folder,
                spool=home.spool(configuration.limits.reserve_bytes),
                aside=home.aside_folder,
                side_file=home.side_file,
                identity_file=home.identity,
                identity=home.identity.read(),
                runtime=runtime,
                settings=settings_of(configuration),
            )


def node_mailbox(account: MailAccess, home: Home, runtime: Runtime) -> NodeMailbox:
    """One of the node's mailboxes; nothing is connected, opened or looked up before it is used."""
    return NodeMailbox(
        account.name,
        DeferredMailbox(account.address, lambda: open_account(account, home, runtime)),
        address=account.address,
        sends=account.sends,
        stations=frozenset(account.stations),
        is_folder=account.is_folder,
    )


@dataclass(frozen=True, slots=True)
class View:
    """A node as it stands at one moment: everything is read in one transaction that changes nothing."""

    home: Home
    configuration: Configuration
    database: Database
    connection: Connection
    node: NodeState
    peers: dict[int, Peer]
    now: int
    """Microseconds since 1970 UTC."""

    @property
    def is_host(self) -> bool:
        return self.node.role is Role.HOST

    def name_of(self, peer: int) -> str:
        """The name of a peer, of the host's own journal (0), or of a station that is gone."""
        if peer == HOST_PEER and self.is_host:
            return self.node.name
        found = self.peers.get(peer)
        return found.name if found else f"station {peer} (removed)"


@contextmanager
def open_view(home: Home, runtime: Runtime) -> Iterator[View]:
    """The node, to look at it, also while another process works on it. Raises as `open_node`, but AlreadyRunning."""
    configuration = home.load_configuration()
    with (
        closing(open_of(configuration, runtime)) as database,
        view_of(home, configuration, database, runtime) as view,
    ):
        yield view


@contextmanager
def view_of(home: Home, configuration: Configuration, database: Database, runtime: Runtime) -> Iterator[View]:
    """The same of a node whose database is open already."""
    with database.transaction(write=False) as connection:
        migrate.check(connection)
        node = state.load_node(connection)
        require_own(node, configuration, home)
        peers = state.load_peers(connection)
        yield View(home, configuration, database, connection, node, peers, runtime.now())


def require_host(node: Node | View, doing: str) -> None:
    """Raises WrongUse at a station; `doing` names the thing, in the plural: 'rules are set'."""
    role, name = (node.role, node.name) if isinstance(node, Node) else (node.node.role, node.node.name)
    if role is not Role.HOST:
        raise WrongUse(f"{doing} at the host, and {name} is a station; run this at the host")


def settings_of(configuration: Configuration) -> Settings:
    limits, run, account = configuration.limits, configuration.run, configuration.account
    defaults = Settings()
    return Settings(
        part_bytes=limits.part_bytes,
        slice_bytes=min(defaults.slice_bytes, limits.part_bytes),
        batch_bytes=limits.batch_bytes,
        window_bytes=limits.window_bytes,
        parked_windows=limits.parked_windows,
        mail_bytes=limits.mail_bytes,
        mails_per_run=limits.mails_per_run,
        mails_per_hour=limits.mails_per_hour,
        unrecognised=Unrecognised(account.unrecognised, account.unrecognised_folder, account.unrecognised_to or ""),
        probe_wait=run.probe_minutes * MINUTE,
        hello_wait=run.hello_hours * HOUR,
        conflicts_kept=run.conflict_days * DAY,
        journal_kept=run.journal_days * DAY,
        backups_kept=run.backup_days * DAY,
        journal_share=limits.journal_percent / 100,
        keeps_bases=run.journal_base,
    )


def require_own(node: NodeState, configuration: Configuration, home: Home) -> None:
    """A database that was mixed up with another node's would be taken for a restored one: say what it is."""
    if (node.role, node.name) != (configuration.role, configuration.name):
        side = home.side_file.read()
        if side is not None and side.halted is not None:
            # Between the two it is being made another node, by a command that says how it goes on.
            raise Halted(f"this node has halted: {side.halted}")
        raise ConfigurationError(
            f"{home.configuration_file} is of the {configuration.role} {configuration.name}, but its database belongs "
            f"to the {node.role} {node.name}; put the right database URL into the file"
        )
