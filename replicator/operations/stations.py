"""A host's stations: adding, inviting, changing and removing them (design.md 8, Enrolment)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from replicator.config_values import checked_address, checked_name
from replicator.databases.elsewhere import KINDS
from replicator.engine import backing_up, fitness, handing_on, number_ledgers
from replicator.engine.node import Node, Unit
from replicator.engine.releasing import drop_all_of
from replicator.engine.rule_changes import set_rules
from replicator.errors import WrongUse
from replicator.operations.opening import require_host
from replicator.protocol import link as links
from replicator.protocol.link import InboundStream, Link, OutboundStream
from replicator.store import batches, comparisons, notices, parcels, rows, slices, state, succession
from replicator.store import invitation as invitations
from replicator.store.files import Files
from replicator.store.identity import new_private_key
from replicator.store.invitation import Invitation
from replicator.store.invitation_armour import FILE_LIMIT, looks_like_one
from replicator.store.spool import InboundBatch
from replicator.store.state import LinkState, NodeState, Peer
from replicator.types import NOWHERE, Role

FIRST_EPOCH = 1
COPY_EPOCHS = 1 << 20
"""So far above its original's epoch a copy begins. So all that it writes under its own name is born behind whatever its
original writes, or says that may be forgotten (protocol.md 4.7), unless that is set back a million times.
"""
RESERVED = ("host", "all")
"""Words of listings and commands."""
TITLE_LENGTH = 200
_ALL_BATCHES = 2**62


@dataclass(frozen=True, slots=True)
class Invited:
    """A station that waits for its computer."""

    name: str
    address: str
    file: Path
    protected: bool
    """The file opens with a passphrase only."""
    renewed: bool
    """The station was there before: what it knew is sent anew."""
    remarks: tuple[str, ...] = ()
    """Of a backup station: which tables its database can't hold."""


def add_station(
    node: Node,
    name: str,
    address: str,
    *,
    title: str | None = None,
    out: Path | None = None,
    passphrase: str | None = None,
    database: str | None = None,
    copy_of: str | None = None,
    backup: bool = False,
) -> Invited:
    """Make a station and write its invitation to `out` (default: NAME.invitation in the current folder).

    `database`: the kind that it will have, where that is known before it says so itself. `copy_of`: the station whose
    copy is to become this one; it gets that one's rules and parts in number ranges. `backup`: it gets all tables and
    sends nothing up, and is told all that it needs to become the host if this one is lost.

    Raises UnknownName, StorageTrouble, WrongUse (a name or address that can't be used or is taken, a file that is
    there).
    """
    require_host(node, "stations are added")
    if backup and copy_of is not None:
        raise WrongUse("a copy of a station can't be a backup station: add the two one after the other")
    name, address, title = _checked(checked_name, name), _checked(checked_address, address), _checked_title(title)
    database = None if database is None else _checked_database(database)
    with node.database.transaction(write=False) as connection:
        host = state.load_node(connection)
        _refuse_taken(host, state.load_peers(connection), name, address)
        origin = None if copy_of is None else state.find_peer(connection, copy_of)
        epoch = FIRST_EPOCH if origin is None else _epoch_of(connection, origin) + COPY_EPOCHS
    files, path = Files(node.runtime), out or Path(f"{name}.invitation")
    if files.read(path, FILE_LIMIT) is not None:
        raise WrongUse(f"{path} is there already; name another file with --out, or delete it")
    number, remarks = host.next_peer, list[str]()
    offer = _Offer.make(node, host.address, name, address, epoch, copy_of)
    successors = list(offer.invitation.successors)
    data = offer.sealed(node, passphrase)
    with node.unit() as unit:
        unit.state.next_peer = number + 1
        peer = Peer(
            id=number,
            name=name,
            title=title,
            address=address,
            enabled=True,
            public_key=None,
            bootstrap_key=offer.bootstrap_public,
            invitation=offer.invitation.invitation_id.hex(),
            created_at=unit.now,
            heard_at=None,
            sent_at=None,
            database_kind=database if origin is None or database is not None else origin.database_kind,
            backup=backup,
        )
        _enter(unit, peer, epoch, origin)
        if successors:
            handing_on.note_named(unit, number, successors, NOWHERE)
        if backup:
            remarks = backing_up.give_all_tables(unit, number)
        # Last before the commit: when the file can't be written, there is no station either.
        files.write(path, data)
    return Invited(name, address, path, passphrase is not None, renewed=False, remarks=tuple(remarks))


def _enter(unit: Unit, peer: Peer, epoch: int, origin: Peer | None) -> None:
    """A station and its link, which waits for a snapshot; a copy has what its original has."""
    state.insert_peer(unit.connection, peer)
    unit.forget_peers()
    streams = Link(Role.HOST, OutboundStream((unit.state.host_epoch, 1)), InboundStream((0, epoch)))
    newest = slices.next_slice_id(unit.connection) - 1
    of = 0 if origin is None else origin.id
    state.insert_link(unit.connection, LinkState(peer.id, streams, mode="snapshot", cut_slice=newest, copy_of=of))
    if origin is not None:
        rows.copy_link_rows(unit.connection, origin.id, peer.id)
        set_rules(unit, peer.id, {table: unit.current_rule(origin.id, table) for table in unit.tables})
        number_ledgers.begin_as(unit, peer.id, origin.id)


def invite_station(node: Node, name: str, *, out: Path | None = None, passphrase: str | None = None) -> Invited:
    """A new invitation for a station whose computer was replaced, or whose invitation was lost or used by another.

    Every older invitation and the computer that is in use now are void: the link starts anew with a snapshot. Raises
    UnknownName, WrongUse (a file that is no invitation stands at `out`), StorageTrouble.
    """
    require_host(node, "stations are invited")
    with node.database.transaction(write=False) as connection:
        peer = state.find_peer(connection, name)
        epoch = _epoch_of(connection, peer) + 1
        host = state.load_node(connection)
    files, path = Files(node.runtime), out or Path(f"{name}.invitation")
    there = files.read(path, FILE_LIMIT)
    if there is not None and not looks_like_one(there):
        raise WrongUse(f"{path} is there already and is no invitation; name another file with --out")
    offer = _Offer.make(node, host.address, peer.name, peer.address, epoch)
    data = offer.sealed(node, passphrase)
    with node.unit() as unit:
        digests, parked = _empty_link(unit, peer.id)
        _restart_link(unit, peer.id, epoch)
        number_ledgers.begin_anew(unit, peer.id, f"station {peer.name} was invited anew")
        succession.forget_told(unit.connection, peer.id)
        if offer.invitation.successors:
            handing_on.note_named(unit, peer.id, list(offer.invitation.successors), NOWHERE)
        peer.public_key, peer.bootstrap_key = None, offer.bootstrap_public
        peer.invitation = offer.invitation.invitation_id.hex()
        # Of the new computer nothing was heard yet, and nothing was sent to it.
        peer.heard_at = peer.sent_at = None
        # Its database is likely to be of the same kind; it says so itself.
        peer.database_version = None
        state.save_peer(unit.connection, peer)
        files.write(path, data)
    _sweep(node, digests, parked)
    return Invited(peer.name, peer.address, path, passphrase is not None, renewed=True)


def change_station(
    node: Node, name: str, *, title: str | None = None, address: str | None = None, database: str | None = None
) -> Peer:
    """Set what is not None. What the station says itself of its database overrules it. Raises UnknownName, WrongUse."""
    require_host(node, "stations are changed")
    with node.unit() as unit:
        peer = state.find_peer(unit.connection, name)
        if title is not None:
            peer.title = _checked_title(title)
        if address is not None:
            peer.address = _checked(checked_address, address)
            others = {each.id: each for each in unit.peers.values() if each.id != peer.id}
            _refuse_taken(unit.state, others, None, peer.address)
        if database is not None:
            peer.database_kind, peer.database_version = _checked_database(database), None
            fitness.review(unit, peer)
        state.save_peer(unit.connection, peer)
        return peer


def enable_station(node: Node, name: str, enabled: bool) -> bool:
    """Switch a station on or off: nothing is sent to a station that is off, nor taken from it. Whether it changed."""
    require_host(node, "stations are switched on and off")
    with node.unit() as unit:
        peer = state.find_peer(unit.connection, name)
        changed = peer.enabled != enabled
        peer.enabled = enabled
        state.save_peer(unit.connection, peer)
        return changed


def remove_station(node: Node, name: str) -> None:
    """Forget a station for good, and all that waits for it. Its number is never used again; conflicts and journal keep
    its traces. Raises UnknownName."""
    require_host(node, "stations are removed")
    with node.unit() as unit:
        peer = state.find_peer(unit.connection, name)
        drop_all_of(unit, peer.id)
        digests, parked = _empty_link(unit, peer.id)
        comparisons.delete_of_peer(unit.connection, peer.id)
        number_ledgers.station_removed(unit, peer.id, peer.name)
        state.delete_peer(unit.connection, peer.id)
        notices.settle(unit.connection, (fitness.KIND,), peer.name)
        unneeded = slices.unneeded(unit.connection, digests)
    _sweep(node, unneeded, parked)


# --- invitations ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Offer:
    invitation: Invitation
    bootstrap_public: bytes

    @classmethod
    def make(
        cls, node: Node, host_address: str, name: str, address: str, epoch: int, copy_of: str | None = None
    ) -> _Offer:
        bootstrap = new_private_key(node.runtime)
        with node.unit() as unit:
            successors = tuple(each for each in handing_on.named(unit.peers) if each.name != name)
        invitation = Invitation(
            station=name,
            host_name=node.name,
            host_address=host_address,
            station_address=address,
            host_public_key=node.identity.public_key,
            bootstrap_secret=bytes(bootstrap),
            epoch=epoch,
            invitation_id=node.runtime.random(16),
            created_at=node.runtime.now(),
            copy_of=copy_of,
            successors=successors,
        )
        return cls(invitation, bytes(bootstrap.public_key))

    def sealed(self, node: Node, passphrase: str | None) -> bytes:
        """The file's bytes. Before the write transaction: a passphrase costs a second, and the application waits."""
        if passphrase is not None and not passphrase.strip():
            raise WrongUse("the passphrase is empty; choose one of several words, or leave it out")
        return invitations.write(self.invitation, passphrase, node.runtime)


# --- links ------------------------------------------------------------------------------------------------------------


def _epoch_of(connection: Connection, peer: Peer) -> int:
    """Of a station's stream, as far as it was heard of."""
    return state.load_link(connection, peer.id, Role.HOST).link.inbound.epoch[1]


def _restart_link(unit: Unit, peer: int, epoch: int) -> None:
    """The station begins a new history in the epoch that its invitation names; ours begins with the next snapshot."""
    link = unit.link(peer)
    links.open_epoch(link.link, (0, epoch))
    link.link.inbound.probe = 0
    links.new_outbound_epoch(link.link, link.link.out.epoch)
    link.mode = "snapshot"
    link.applied_n = 0
    link.resent_until = link.copy_of = 0
    link.left_epoch = NOWHERE
    link.cut_slice = slices.next_slice_id(unit.connection) - 1


def _empty_link(unit: Unit, peer: int) -> tuple[list[bytes], list[InboundBatch]]:
    """Forget batches on their way in both directions: (digests of segments let go, parked batches)."""
    connection = unit.connection
    _, _, digests = batches.drop_batches(connection, peer, _ALL_BATCHES)
    parked = [batch.place for batch in parcels.all_parked(connection, peer)]
    for batch in parked:
        parcels.drop(connection, batch)
    for direction in ("out", "in"):
        batches.forget_digests(connection, peer, direction)
    rows.clear_all_link_rows(connection, peer)
    return slices.unneeded(connection, digests), parked


def _sweep(node: Node, digests: list[bytes], parked: list[InboundBatch]) -> None:
    """After the commit: files that nothing names any more. What a crash leaves is swept by a run."""
    node.spool.delete_segments(digests)
    for batch in parked:
        node.spool.delete_batch(batch)


# --- checks -----------------------------------------------------------------------------------------------------------


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise WrongUse(f"{text!r} can't be used: {error}") from None


def _checked_database(kind: str) -> str:
    if kind not in KINDS:
        raise WrongUse(f"{kind!r} is no kind of database that a station may have: give one of {', '.join(KINDS)}")
    return kind


def _checked_title(title: str | None) -> str | None:
    if title is not None and (len(title) > TITLE_LENGTH or not title.isprintable()):
        raise WrongUse(f"the title has more than {TITLE_LENGTH} characters or a line end; choose a shorter one")
    return title or None


def _refuse_taken(host: NodeState, others: dict[int, Peer], name: str | None, address: str) -> None:
    """Names are also file names and addresses folders, where case may not count."""
    if name is not None:
        if name.casefold() in (*RESERVED, host.name.casefold()):
            raise WrongUse(f"{name} stands for something else in commands; choose another name for the station")
        if any(peer.name.casefold() == name.casefold() for peer in others.values()):
            raise WrongUse(f"there is a station {name} already; choose another name, or see: replicator station list")
    for peer in others.values():
        if peer.address.casefold() == address.casefold():
            raise WrongUse(f"{address} is the address of {peer.name} already; each station needs its own mailbox")
    if host.address.casefold() == address.casefold():
        raise WrongUse(f"{address} is the host's own address; each station needs its own mailbox")
