"""A node at work, and the unit of work that every step runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.engine.journalling import Journal
from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.number_uses import NumberUses
from replicator.errors import Halted, PeerFault
from replicator.protocol.link import DAY, MINUTE
from replicator.protocol.messages import TableBlock
from replicator.protocol.rules import RuleBook
from replicator.runtime import Runtime
from replicator.store import notices, numbers, outgoing, routes, state, table_versions
from replicator.store.catalogue import RecipientSets, load_rule_books, load_tables
from replicator.store.identity import Identity, IdentityFile
from replicator.store.outgoing import MAIN
from replicator.store.routes import Route
from replicator.store.side_file import SideFile, SideState
from replicator.store.spool import Spool
from replicator.store.state import LinkState, NodeState, Peer
from replicator.store.table_versions import Forms, Held
from replicator.transport.base import Mailbox
from replicator.types import Kinds, Position, Role, Rule, Table


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """What becomes of mail that is not the replicator's."""

    way: Literal["leave", "move", "forward"] = "leave"
    folder: str = "Unrecognised"
    to: str = ""
    """The address it is forwarded to; '' where it is not."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes in bytes before base64, times in microseconds."""

    part_bytes: int = 1_000_000
    """Most content of one mail; less where the mailbox takes less (`Unit.part_bytes_of`)."""
    slice_bytes: int = 900_000
    """Aimed at for one segment, before compression."""
    batch_bytes: int = 800_000
    """Aimed at for one batch, before compression: bounds how long an apply holds the database."""
    window_bytes: int = 20_000_000
    parked_windows: int = 4
    mail_bytes: int = 10_000_000
    probe_wait: int = 15 * MINUTE
    hello_wait: int = DAY
    conflicts_kept: int = 400 * DAY
    journal_kept: int = 90 * DAY
    """How long the journal is kept beyond what all have acknowledged."""
    backups_kept: int = 90 * DAY
    """Where nobody tells of backups: how old the oldest may be that is ever put back."""
    journal_share: float = 0.2
    """Of the database's size: what absent stations may hold back of the journal; 0: anything."""
    keeps_bases: bool = True
    """At a host: of each table a base is kept, from which the journal can be replayed."""
    least_interval: int = MINUTE
    """Between two marks."""
    mails_per_run: int = 0
    """Mails that one run sends at most; 0: no limit."""
    mails_per_hour: int = 0
    unrecognised: Unrecognised = Unrecognised()


@dataclass(slots=True)
class Node:
    """What a run works with. One process, one thread a node."""

    role: Role
    name: str
    database: Database
    mailbox: Mailbox
    """The account's own."""
    spool: Spool
    aside: Path
    """Where mail goes that can't be taken."""
    side_file: SideFile
    identity_file: IdentityFile
    identity: Identity
    runtime: Runtime
    settings: Settings = field(default_factory=Settings)
    further: tuple[NodeMailbox, ...] = ()
    """Mailboxes besides the account's own."""
    stations: frozenset[str] = frozenset()
    """At a host: whom the account's own mailbox serves; empty: everybody."""
    is_folder: bool = False
    """Of the account's own mailbox."""

    @property
    def mailboxes(self) -> list[NodeMailbox]:
        """All of them, the account's own first."""
        return [NodeMailbox("", self.mailbox, MAIN, stations=self.stations, is_folder=self.is_folder), *self.further]

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        """A write transaction with the node's state, stored back at its end."""
        with self.database.transaction() as connection:
            unit = Unit(self, connection, state.load_node(connection))
            yield unit
            unit.save()

    def side(self) -> SideState:
        found = self.side_file.read()
        if found is None:
            raise Halted(
                f"the side file {self.side_file.path} is missing, so that a restore can't be noticed; bring it back "
                f"from before, or say that this node was set back: replicator restored"
            )
        return found

    def halt(self, reason: str, epoch: int = 0) -> None:
        """Survives a restart: a halted node applies nothing and sends nothing (protocol.md 3.4).

        `epoch`: one that somebody with this node's name has gone on under; it must not be used again.
        """
        side = self.side()
        self.side_file.write(replace(side, halted=reason, epoch=max(side.epoch, epoch)))

    def stop_numbers(self) -> None:
        """Of a node that has halted no number is drawn any more (protocol.md 5.6). May be repeated."""
        with self.unit() as unit:
            if numbers.load_ranges(unit.connection):
                numbers.retire_all(unit.connection)
                numbers.stop(unit.connection, stopped=True)


@dataclass
class Unit:
    """One transaction's view of the node: loaded when asked for, written back when it ends."""

    node: Node
    connection: Connection
    state: NodeState
    granted: dict[int, int] = field(default_factory=dict)
    """At the host: the highest number granted of those ranges whose ledger was changed."""
    _links: dict[int, LinkState] = field(default_factory=dict)
    _routes: dict[int, list[Route]] = field(default_factory=dict)
    _stored: dict[int, tuple[object, ...]] = field(default_factory=dict)
    _behind: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._before = state.node_values(self.state)

    @property
    def database(self) -> Database:
        return self.node.database

    @property
    def is_host(self) -> bool:
        return self.state.role is Role.HOST

    @cached_property
    def now(self) -> int:
        return self.node.runtime.now()

    @cached_property
    def tables(self) -> dict[int, Table]:
        return load_tables(self.connection)

    @cached_property
    def forms(self) -> Forms:
        """All versions of the tables that are known."""
        return table_versions.load_forms(self.connection, self.tables.values())

    def form_of(self, block: TableBlock) -> Table:
        """The version of its table that a block's rows are of. Raises PeerFault where it was never told."""
        table = self.tables.get(block.table)
        if table is not None and table.version == block.version:
            return table
        form = self.forms.get((block.table, block.version))
        if form is None:
            name = f"number {block.table}" if table is None else table.name
            raise PeerFault(f"a batch has rows of a version of table {name} that was never told here")
        return form

    @cached_property
    def held(self) -> dict[int, Held]:
        """At a station: tables that the host has in another version."""
        return (
            {} if self.is_host else {held.table.id: held for held in table_versions.held(self.connection, self.tables)}
        )

    def note_behind(self, table: int) -> None:
        """At a station: a row came with values that have no column here."""
        if table not in self._behind:
            self._behind.add(table)
            table_versions.set_behind(self.connection, table, behind=True)

    def note_whole(self, table: int) -> None:
        """All its rows come now: what was left out before counts no more."""
        self._behind.discard(table)
        table_versions.set_behind(self.connection, table, behind=False)

    @cached_property
    def books(self) -> dict[int, RuleBook]:
        return load_rule_books(self.connection)

    @cached_property
    def recipient_sets(self) -> RecipientSets:
        return RecipientSets.load(self.connection)

    @cached_property
    def peers(self) -> dict[int, Peer]:
        return state.load_peers(self.connection)

    def forget_forms(self) -> None:
        """A version of a table has become known in this transaction."""
        self.__dict__.pop("forms", None)

    def forget_peers(self) -> None:
        """Stations, and with them rules, have come in this transaction."""
        self.__dict__.pop("peers", None)
        self.forget_catalogue()

    def forget_catalogue(self) -> None:
        """Tables or rules have changed in this transaction."""
        if "number_uses" in self.__dict__:
            self.number_uses.flush()
        for name in ("tables", "forms", "held", "books", "flags_up", "flags_down", "number_uses"):
            self.__dict__.pop(name, None)

    def link(self, peer: int) -> LinkState:
        found = self._links.get(peer)
        if found is None:
            found = self._links[peer] = state.load_link(self.connection, peer, self.state.role)
            self._stored[peer] = state.link_values(found)
        return found

    def current_rule(self, peer: int, table: int) -> Rule:
        return self.books[peer].current(table)

    @cached_property
    def flags_up(self) -> dict[int, Kinds]:
        """At a station: upward kinds of the rule in force."""
        return {table: self.current_rule(0, table).to_host for table in self.tables}

    @cached_property
    def flags_down(self) -> dict[int, Kinds]:
        return {table: self.current_rule(0, table).to_remote for table in self.tables}

    def routes(self, peer: int) -> list[Route]:
        """By which mailboxes mail for this peer goes."""
        found = self._routes.get(peer)
        if found is None:
            found = self._routes[peer] = routes.of_peer(self.connection, peer)
        return found

    def forget_routes(self) -> None:
        """Routes or what a mailbox takes have changed in this transaction."""
        self._routes.clear()

    def part_bytes_of(self, learned: int) -> int:
        """Most content of one mail: as set, or what the mailbox was found to take."""
        return min(self.node.settings.part_bytes, learned or self.node.settings.part_bytes)

    def part_bytes_at(self, mailbox: int = MAIN) -> int:
        return self.part_bytes_of(outgoing.load(self.connection, mailbox).part_bytes)

    @property
    def part_bytes(self) -> int:
        """Of the account's own mailbox."""
        return self.part_bytes_at()

    def next_position(self) -> Position:
        self.state.last_n += 1
        return self.state.position

    def notice(self, kind: str, subject: str, message: str, waiting: bool = False) -> None:
        """Tell a person, once for each subject."""
        notices.add(self.connection, self.now, kind, subject, message, waiting)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self)

    @cached_property
    def number_uses(self) -> NumberUses:
        return NumberUses.of(self)

    def _mark_granted(self) -> None:
        """protocol.md 3.4: the side file has the high-water marks before a grant is committed."""
        side = self.node.side()
        marks = dict(side.number_high_water)
        for number, mark in self.granted.items():
            marks[str(number)] = max(mark, marks.get(str(number), 0))
        if marks != side.number_high_water:
            self.node.side_file.write(replace(side, number_high_water=marks))

    def save(self) -> None:
        if "journal" in self.__dict__:
            self.journal.finish()
        if "number_uses" in self.__dict__:
            self.number_uses.flush()
        for peer, link in self._links.items():
            # A link that nothing happened to is not written: an idle run leaves the disk alone.
            if state.link_values(link) != self._stored[peer]:
                state.save_link(self.connection, link)
        if state.node_values(self.state) != self._before:
            state.save_node(self.connection, self.state)
        if self.granted:
            self._mark_granted()
