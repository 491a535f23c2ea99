"""What a node is, how far each link has come, what waits, and what needs a person."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from replicator.engine.bounced import FULL
from replicator.engine.fitness import refusals
from replicator.engine.holding import held_back
from replicator.engine.mail_packing import mails_waiting
from replicator.engine.mailbox_limits import REFUSED_FULL
from replicator.engine.node import Node
from replicator.engine.restarting import RESYNC, waits_for_snapshot
from replicator.errors import UnknownName
from replicator.operations.backup_status import BackupLink, BackupStation, backup_link, backup_station
from replicator.operations.number_warnings import running_out
from replicator.operations.opening import View
from replicator.protocol.envelope import key_id
from replicator.store import batches, conflicts, notices, parcels, quarantine, routes, slices, state
from replicator.store.catalogue import load_rule_books, load_tables
from replicator.store.outgoing import MAIN
from replicator.store.routes import Route
from replicator.store.state import Peer
from replicator.types import HOST_PEER, NOWHERE, Epoch, Position, Role

NOTICES = 100
"""Shown at most, newest first."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link, from this end. Moments are microseconds since 1970 UTC, sizes bytes."""

    name: str
    title: str | None
    address: str
    enabled: bool
    joined: bool
    """The peer's own key is known. A station that has not joined was invited, and not heard of yet."""
    key: str | None
    """Id of the key that is in use."""
    is_station: bool
    """Else it is a host's."""
    database: str | None
    """At the host: kind of the station's database. None: it is not known yet."""
    database_version: str | None
    """None: the station has not said it itself."""
    created_at: int
    heard_at: int | None
    sent_at: int | None
    starts_anew: bool
    """The next run sends everything in the station's rules."""
    asked: bool
    """This host was set back, and the station has not told yet what was forgotten; only then it gets everything."""
    out_epoch: Epoch
    made: int
    """Number of the last batch for the peer in this epoch."""
    acknowledged: int
    unacknowledged_bytes: int
    oldest_at: int | None
    """When the oldest batch was made that the peer has not acknowledged."""
    covered: Position
    """Own journal up to here is acknowledged by the peer."""
    waiting_mails: int
    """About, by the mailbox that most waits for, where there are several."""
    waiting_bytes: int
    full_since: int | None
    """Since when its mailbox is known to be full, as a bounce or its server said; None: it is not known to be."""
    in_epoch: Epoch
    applied: int
    """Number of the last batch that was applied of the peer's."""
    highest_seen: int
    parked_batches: int
    parked_bytes: int
    sequence: int
    """At the host: sequence number of the station's last change that was judged. At a station: of its own."""
    holds_bytes: int
    """Of the journal's content, what is kept for this link alone or with others: it has not acknowledged it."""
    holds_since: int | None
    """When the oldest change of it was made."""
    backup: BackupLink | None
    """At the host, of a backup station."""
    unfit: list[str]
    """At the host: what of the station's rules its database can't hold, a sentence each, where one station is shown."""


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """One of the node's mailboxes. Moments are microseconds since 1970 UTC."""

    name: str
    """Empty: the account's own."""
    mailbox: str
    """URL."""
    enabled: bool
    sends: bool
    away_since: int | None
    """Since when runs could not use it, where there are several; None: the last one could."""
    waiting_mails: int
    """About."""
    waiting_bytes: int
    """Of batches, once for each peer that they are for."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person."""

    number: int | None
    """To tell that it is done: status --done NUMBER. None: it goes when its cause does."""
    kind: str
    message: str
    at: int | None


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    role: Role
    address: str
    home: Path
    database: str
    mailbox: str
    mailboxes: list[MailboxStatus]
    """All of them, the account's own first."""
    enabled: bool
    position: Position
    """At the host: of its log. At a station: up to where the host's log is applied here."""
    sequence: int
    """Of the last group in this node's journal."""
    vector: dict[str, int]
    """For each origin the sequence number up to which its changes are applied here."""
    changes_captured: bool
    """The application has written what no run has collected yet."""
    groups_uncut: int
    """Groups in the journal that no run has made into batches yet."""
    conflicts: int
    quarantined: int
    """Changes that the database here refuses, with what waits for them."""
    backup: BackupStation | None
    """At a backup station."""
    links: list[LinkStatus]
    needs: list[Need]


def status_of(view: View) -> Status:
    account, node = view.configuration.account, view.node
    links = [link_status(view, peer) for peer in view.peers.values()]
    if view.is_host:
        position = node.position
        vector = {node.name: node.last_n} | {link.name: link.sequence for link in links}
    else:
        position = state.load_link(view.connection, HOST_PEER, node.role).seen
        vector = {node.name: node.last_n} | {link.name: position[1] for link in links}
    return Status(
        name=node.name,
        role=node.role,
        address=node.address,
        home=view.home.path,
        database=view.configuration.database,
        mailbox=account.mailbox,
        mailboxes=_mailboxes(view),
        enabled=account.enabled,
        position=position,
        sequence=node.last_n,
        vector=vector,
        changes_captured=not view.database.outbox_is_empty(view.connection),
        groups_uncut=slices.groups_uncut(view.connection, node.last_n),
        conflicts=conflicts.count(view.connection),
        quarantined=sum(count.changes for count in quarantine.counts(view.connection)),
        backup=None if view.is_host else backup_station(view),
        links=links,
        needs=_needs(view),
    )


def link_status(view: View, peer: Peer) -> LinkStatus:
    connection = view.connection
    found = state.load_link(connection, peer.id, view.node.role)
    out, inbound = found.link.out, found.link.inbound
    mails, size = max((_waiting(view, peer.id, route) for route in routes.of_peer(connection, peer.id)), default=(0, 0))
    key = peer.public_key or peer.bootstrap_key
    holds, since = held_back(connection, found)
    return LinkStatus(
        name=peer.name,
        title=peer.title,
        address=peer.address,
        enabled=peer.enabled,
        joined=peer.public_key is not None if view.is_host else inbound.epoch > NOWHERE,
        key=None if key is None else key_id(key).hex(),
        is_station=view.is_host,
        database=peer.database_kind,
        database_version=peer.database_version,
        created_at=peer.created_at,
        heard_at=peer.heard_at,
        sent_at=peer.sent_at,
        starts_anew=waits_for_snapshot(found),
        asked=found.mode == RESYNC,
        out_epoch=out.epoch,
        made=out.n,
        acknowledged=out.acknowledged,
        unacknowledged_bytes=sum(batch.size for batch in batches.unacknowledged(connection, peer.id)),
        oldest_at=batches.oldest_at(connection, peer.id),
        covered=out.high,
        waiting_mails=mails,
        waiting_bytes=size,
        full_since=notices.since(connection, (FULL, REFUSED_FULL), peer.name),
        in_epoch=inbound.epoch,
        applied=inbound.n,
        highest_seen=inbound.high,
        parked_batches=len(parcels.all_parked(connection, peer.id)),
        parked_bytes=parcels.parked_bytes(connection, peer.id),
        sequence=found.applied_n if view.is_host else found.judged_n,
        holds_bytes=holds,
        holds_since=since,
        backup=backup_link(view, peer, found) if peer.backup else None,
        unfit=[],
    )


def _mailboxes(view: View) -> list[MailboxStatus]:
    known = routes.known(view.connection)
    there: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for peer in view.peers:
        for route in routes.of_peer(view.connection, peer):
            there[route.mailbox].append(_waiting(view, peer, route))
    found = []
    for account in view.configuration.accounts:
        number, _, since = known.get(account.name, (MAIN if not account.name else 0, "", 0))
        mails, size = (sum(each) for each in zip(*there.get(number, [(0, 0)]), strict=True))
        shown = MailboxStatus(account.name, account.mailbox, account.enabled, account.sends, since or None, mails, size)
        found.append(shown)
    return found


def _waiting(view: View, peer: int, route: Route) -> tuple[int, int]:
    """(mails, bytes of batches) that wait for a mailbox."""
    set_to = view.configuration.limits.part_bytes
    room = min(set_to, route.part_bytes or set_to)
    mails = mails_waiting(view.connection, peer, route.mailbox, room)
    return mails, batches.queue_bytes(view.connection, peer, [route.mailbox])


def _needs(view: View) -> list[Need]:
    side = view.home.side_file.read()
    found = []
    if side is None:
        missing = "is missing; bring it back from before, or say that this node was set back: replicator restored"
        found.append(Need(None, "side-file", f"the side file {view.home.side_file.path} {missing}", None))
    elif side.halted is not None:
        found.append(Need(None, "halted", f"this node has halted: {side.halted}", None))
    found += [Need(None, "numbers", sentence, None) for sentence in running_out(view)]
    waiting = notices.recent(view.connection, NOTICES, waiting_only=True)
    return found + [Need(notice.id, notice.kind, notice.message, notice.at) for notice in waiting]


def settle_needs(node: Node, numbers: list[int]) -> None:
    """A person has seen to these. Raises UnknownName, and then none of them is settled."""
    with node.unit() as unit:
        for number in numbers:
            if not notices.done(unit.connection, number):
                raise UnknownName(f"nothing with the number {number} waits for a person; see: replicator status")


# --- stations, at the host --------------------------------------------------------------------------------------------


def list_stations(view: View) -> list[LinkStatus]:
    """The host's stations in the order of their adding; at a station its one host."""
    return [link_status(view, peer) for peer in view.peers.values()]


def show_station(view: View, name: str) -> LinkStatus:
    """Raises UnknownName."""
    peer = state.find_peer(view.connection, name)
    tables, book = load_tables(view.connection), load_rule_books(view.connection)[peer.id]
    rules = {table: book.current(table) for table in tables}
    unfit = refusals(peer, tables, rules, tables.values()) if view.is_host else []
    return replace(link_status(view, peer), unfit=unfit)
