"""The node, its peers and its links, as rows and as objects (protocol.md 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from replicator.errors import DatabaseTrouble, UnknownName
from replicator.protocol.link import InboundStream, Link, OutboundStream
from replicator.protocol.messages import Echo
from replicator.store import sql
from replicator.types import Epoch, Position, Role


@dataclass(slots=True)
class NodeState:
    """The one row of replicator_node."""

    role: Role
    name: str
    address: str
    run: int
    host_epoch: int
    last_n: int
    open_group: int
    open_through: int
    next_table: int
    next_peer: int
    created_at: int

    @property
    def position(self) -> Position:
        """Of the last group in the journal."""
        return self.host_epoch, self.last_n


_NODE = tuple(NodeState.__slots__)
_VALUES_OF_NODE = attrgetter(*_NODE)
_SELECT_NODE = f"SELECT {', '.join(_NODE)} FROM replicator_node WHERE id = 1"
_UPDATE_NODE = f"UPDATE replicator_node SET {', '.join(f'{name} = ?' for name in _NODE)} WHERE id = 1"


def load_node(connection: Connection) -> NodeState:
    row = sql.one(connection, _SELECT_NODE)
    if row is None:
        raise DatabaseTrouble("this database holds no node of the replicator; run host-init or remote-init first")
    role, name, address, *numbers = row
    return NodeState(Role(role), name, address, *numbers)


def node_values(node: NodeState) -> tuple[object, ...]:
    """All that is stored of it, to tell later whether it has changed."""
    values: tuple[object, ...] = _VALUES_OF_NODE(node)
    return values


def save_node(connection: Connection, node: NodeState) -> None:
    sql.run(connection, _UPDATE_NODE, [_plain(value) for value in node_values(node)])


def insert_node(connection: Connection, node: NodeState) -> None:
    columns = ("id", *_NODE)
    values = (1, *(_plain(getattr(node, name)) for name in _NODE))
    sql.run(
        connection, f"INSERT INTO replicator_node ({', '.join(columns)}) VALUES ({sql.marks(len(columns))})", values
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Role) else value


@dataclass(slots=True)
class Peer:
    """A station (at the host) or the host (at a station). Keys are 32 bytes."""

    id: int
    name: str
    title: str | None
    address: str
    enabled: bool
    public_key: bytes | None
    bootstrap_key: bytes | None
    invitation: str | None
    created_at: int
    heard_at: int | None
    sent_at: int | None
    database_kind: str | None = None
    """At the host: `mariadb`, `postgresql`, `sqlite`, or another word of a newer station. None: nobody has said it."""
    database_version: str | None = None
    """As the station says it; None: what is known of its database was said beforehand."""
    backup: bool = False
    """At the host: it gets everything, and is told all that it needs to become the host if this one is lost."""


_PEER = tuple(Peer.__slots__)


def load_peers(connection: Connection) -> dict[int, Peer]:
    found = sql.rows(connection, f"SELECT {', '.join(_PEER)} FROM replicator_peer ORDER BY id")
    peers = {row[0]: Peer(*row) for row in found}
    for peer in peers.values():
        peer.enabled, peer.backup = bool(peer.enabled), bool(peer.backup)
    return peers


def find_peer(connection: Connection, name: str) -> Peer:
    """By name. Raises UnknownName."""
    for peer in load_peers(connection).values():
        if peer.name == name:
            return peer
    raise UnknownName(f"there is no station named {name}; see: replicator station list")


def insert_peer(connection: Connection, peer: Peer) -> None:
    values = [getattr(peer, name) for name in _PEER]
    sql.run(connection, f"INSERT INTO replicator_peer ({', '.join(_PEER)}) VALUES ({sql.marks(len(_PEER))})", values)


def save_peer(connection: Connection, peer: Peer) -> None:
    names = _PEER[1:]
    values = [*(getattr(peer, name) for name in names), peer.id]
    sql.run(connection, f"UPDATE replicator_peer SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?", values)


_OF_A_PEER = (
    "link",
    "rule",
    "number_share",
    "number_pace",
    "contact",
    "link_row",
    "seen_group",
    "batch_out",
    "batch_segment",
    "send_queue",
    "route",
    "sent_mail",
    "digest",
    "batch_in",
    "part_in",
    "timeline",
    "horizon",
    "mark_link",
    "told",
    "reload",
)


def delete_peer(connection: Connection, peer: int) -> None:
    """With its link and all that is kept for it; journal and conflicts go on naming its number."""
    for table in _OF_A_PEER:
        sql.run(connection, f"DELETE FROM replicator_{table} WHERE peer = ?", (peer,))
    sql.run(connection, "DELETE FROM replicator_peer WHERE id = ?", (peer,))


@dataclass(slots=True)
class LinkState:
    """A link with what the engine keeps beside the two streams."""

    peer: int
    link: Link
    mode: str = ""
    """At the host: 'snapshot' or 'rewind' where it is to be begun anew, with everything in its scope or with the log
    from where the station stands; 'resync' while the station is asked for what this host has forgotten, 'away' while
    one that was let go is not heard of."""
    cut_slice: int = 0
    applied_n: int = 0
    judged_n: int = 0
    seen: Position = (0, 0)
    resent_until: int = 0
    rule: Position = (0, 0)
    rewound_slice: int = 0
    number: int = 0
    copy_of: int = 0
    """At the host: number of the station whose database this one began with, and whose changes it may send again."""
    left_epoch: Epoch = (0, 0)
    """At a station: of the host's stream before that said that it was set back. At the host: of the station's stream
    before the one that has begun, while what it begins with has not been taken."""


_LINK = (
    "mode",
    "out_epoch_epoch",
    "out_epoch_n",
    "out_n",
    "out_acknowledged",
    "out_digest",
    "out_high_epoch",
    "out_high_n",
    "out_bytes",
    "out_probe",
    "out_probe_at",
    "out_probe_wait",
    "in_epoch_epoch",
    "in_epoch_n",
    "in_n",
    "in_digest",
    "in_high",
    "acknowledgement_due",
    "in_probe",
    "cut_slice",
    "applied_n",
    "judged_n",
    "seen_epoch",
    "seen_n",
    "resent_until",
    "rule_epoch",
    "rule_n",
    "peak_epoch_epoch",
    "peak_epoch_n",
    "peak_n",
    "peak_digest",
    "rewound_slice",
    "number",
    "copy_of",
    "left_epoch_epoch",
    "left_epoch_n",
)
_SELECT_LINK = f"SELECT {', '.join(_LINK)} FROM replicator_link WHERE peer = ?"
_UPDATE_LINK = f"UPDATE replicator_link SET {', '.join(f'{name} = ?' for name in _LINK)} WHERE peer = ?"
_INSERT_LINK = f"INSERT INTO replicator_link ({', '.join(_LINK)}, peer) VALUES ({sql.marks(len(_LINK) + 1)})"


def load_link(connection: Connection, peer: int, role: Role) -> LinkState:
    """The link to `peer`, seen from a node of this role."""
    row = sql.one(connection, _SELECT_LINK, (peer,))
    if row is None:
        raise DatabaseTrouble(f"the link to peer {peer} is missing from replicator_link; restore the database")
    (mode, oe, ok, on, oack, odig, ohe, ohn, obytes, op, opa, opw, ie, ik, i_n, idig, ihigh, due, iprobe) = row[:19]
    cut_slice, applied, judged, seen_epoch, seen_n, resent, rule_epoch, rule_n = row[19:27]
    pe, pk, pn, pdig, rewound, number, copy_of, le, lk = row[27:]
    out = OutboundStream((oe, ok), on, oack, odig, (ohe, ohn), obytes, op, opa, opw, Echo((pe, pk), pn, pdig))
    inbound = InboundStream((ie, ik), i_n, idig, ihigh, bool(due), iprobe)
    return LinkState(
        peer,
        Link(role, out, inbound),
        mode,
        cut_slice,
        applied,
        judged,
        (seen_epoch, seen_n),
        resent,
        (rule_epoch, rule_n),
        rewound,
        number,
        copy_of,
        (le, lk),
    )


def link_values(state: LinkState) -> tuple[Any, ...]:
    """The link as a row of replicator_link, its peer last."""
    out, inbound = state.link.out, state.link.inbound
    return (
        state.mode,
        *out.epoch,
        out.n,
        out.acknowledged,
        out.digest,
        *out.high,
        out.unacknowledged_bytes,
        out.probe,
        out.probe_at,
        out.probe_wait,
        *inbound.epoch,
        inbound.n,
        inbound.digest,
        inbound.high,
        inbound.acknowledgement_due,
        inbound.probe,
        state.cut_slice,
        state.applied_n,
        state.judged_n,
        *state.seen,
        state.resent_until,
        *state.rule,
        *out.peak.epoch,
        out.peak.n,
        out.peak.digest,
        state.rewound_slice,
        state.number,
        state.copy_of,
        *state.left_epoch,
        state.peer,
    )


def save_link(connection: Connection, state: LinkState) -> None:
    sql.run(connection, _UPDATE_LINK, link_values(state))


def insert_link(connection: Connection, state: LinkState) -> None:
    sql.run(connection, _INSERT_LINK, link_values(state))
