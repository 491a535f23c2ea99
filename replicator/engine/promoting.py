"""A backup station becomes the host (protocol.md 10.2).

It comes to a restore of the host with another key: this database is the host's as of the last batch that was applied
here, a new timeline begins behind it, and each station is asked for what it knows beyond. In one transaction the tables
that are a station's go, and those that are a host's come, of the state that the host has told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from replicator.databases.base import Database
from replicator.engine import local_rows, timelines
from replicator.engine.collect import collect
from replicator.engine.node import Node, Unit
from replicator.engine.number_ledgers import host_restored
from replicator.engine.readiness import not_accepting
from replicator.errors import WrongUse
from replicator.protocol import link as links
from replicator.protocol.link import InboundStream, Link, OutboundStream
from replicator.store import batches, catalogue, host_state, notices, parcels, retention, rows, sql, state, succession
from replicator.store import timelines as stored_timelines
from replicator.store.host_state import EVENT, LINK, NODE, PEER, ROWS, TABLE
from replicator.store.retention import Retention
from replicator.store.spool import InboundBatch
from replicator.store.state import LinkState, NodeState, Peer
from replicator.store.succession import FormerHost
from replicator.types import HOST_PEER, Position, Role, Table

PROMOTED = "promoted"
"""Kind of the notice that tells of it."""
REASON = "a backup station took the host's place"

_OF_A_STATION = (
    *("base", "base_segment", "slice_table", "slice_origin", "batch_trail", "mail_trail", "contact", "number_pace"),
    *("journal", "journal_key", "outbox_control", "recipients", "slice", "slice_segment", "content"),
    *("link", "batch_out", "batch_segment", "digest", "batch_in", "part_in", "send_queue", "route", "sent_mail"),
    *(
        "rule",
        "skipped",
        "quarantine",
        "salvaged",
        "scope_key",
        "mark",
        "mark_link",
        "retention",
        "successor",
        "notice",
    ),
    *("number_share", "number_stock", "number_span", "comparison", "comparison_table", "comparison_row"),
)
"""Tables that are emptied. What was not applied is put on record before."""


@dataclass(slots=True)
class Promoted:
    """What became of it, for people."""

    host: str
    """The name, as the stations know it."""
    position: Position
    """Of the former host's log that is known here."""
    epoch: int
    heard_at: int | None
    """When the former host was heard of last; microseconds since 1970 UTC."""
    local: local_rows.LocalRows = field(default_factory=local_rows.LocalRows)
    refused: int = 0
    """Rows that stand here in another state than the host's, which this database could not hold."""
    partly: int = 0
    """Batches of which a part has come only."""
    unaware: list[str] = field(default_factory=list)
    """Stations that don't accept this node as far as is known: they need a new invitation."""
    missing: list[str] = field(default_factory=list)
    """Tables that were replicated and are not here."""
    untold: list[str] = field(default_factory=list)
    """Tables that came, and what the host knows of them did not: they have to be set up again."""
    lost_numbers: int = 0
    """Of which nobody knows whether they were used."""
    stations: list[str] = field(default_factory=list)


def require_ready(connection: Connection) -> None:
    """Raises WrongUse where this station has not been told all that a host needs."""
    if not succession.is_backup(connection):
        raise WrongUse(
            "this node can't become the host: only a station that was added with 'station add NAME --backup' can, once "
            "it has been told what a host needs to know"
        )
    if not succession.is_complete(connection):
        raise WrongUse(
            "this backup station was about to be told the host's state anew, and not all of it has come: run "
            "'replicator remote-run' once more; if nothing comes any more, use an older backup of this "
            "node, or another backup station"
        )


def host_name(connection: Connection) -> str:
    """Of the host whose place would be taken."""
    return str(_node_item(connection)["name"])


def _node_item(connection: Connection) -> dict[str, Any]:
    return host_state.unpacked(next(succession.items(connection, NODE)))


def become_host(node: Node, address: str, least_epoch: int, run: int, report: Callable[[Promoted], str]) -> None:
    """In one transaction; the spool's files of what has gone are deleted behind it. The report is kept.
    Raises WrongUse.

    `least_epoch`: that of the side file. `run`: of the side file, so that nothing passes for a restore.
    """
    with node.database.transaction() as connection:
        require_ready(connection)
        unit = Unit(node, connection, state.load_node(connection))
        collect(unit)
        unit.save()
        _release_tables(unit)
        done, gone = _leave(unit, least_epoch)
        _install(node.database, connection, unit.state, done, address, run)
        unit = Unit(node, connection, state.load_node(connection))
        _begin(unit, done)
        notices.add(connection, unit.now, PROMOTED, str(done.epoch), report(done), waiting=False)
        unit.save()
    for batch in gone:
        node.spool.delete_batch(batch)


def kept_report(connection: Connection) -> str:
    """What was told when this node became the host; empty where it is not on record."""
    return next((each.message for each in notices.recent(connection) if each.kind == PROMOTED), "")


# --- what a station has -----------------------------------------------------------------------------------------------


def _leave(unit: Unit, least_epoch: int) -> tuple[Promoted, list[InboundBatch]]:
    connection, link, host = unit.connection, unit.link(HOST_PEER), unit.peers[HOST_PEER]
    known = max(link.seen[0], link.link.inbound.epoch[0], least_epoch)
    by_clock = (unit.now - timelines.BEGINNING) // links.MINUTE
    done = Promoted(host_name(connection), link.seen, max(known, by_clock) + 1, host.heard_at)
    parked = parcels.all_parked(connection, HOST_PEER)
    done.partly = len(parked)
    done.untold = _untold(unit)
    done.unaware = not_accepting(connection, unit.node.identity.public_key)
    done.refused = local_rows.record_refused(unit)
    local_rows.keep_pending(unit)
    if host.public_key is not None:
        former = FormerHost(host.public_key, host.name, host.address, unit.state.name, unit.now)
        succession.add_former_host(connection, former)
    return done, [batch.place for batch in parked]


def _release_tables(unit: Unit) -> None:
    """A table that the host no longer replicates is none here either. Its triggers go before this
    transaction reads anything of it: that is done beside it on some databases, and would wait for its end."""
    for table in _not_told(unit):
        unit.database.remove_capture(unit.connection, table)


def _not_told(unit: Unit) -> list[Table]:
    told = {host_state.unpacked(item)["id"] for item in succession.items(unit.connection, TABLE)}
    return [table for table in unit.tables.values() if table.id not in told]


def _untold(unit: Unit) -> list[str]:
    """A table that the host has taken out has no rule any more."""
    return sorted(table.name for table in _not_told(unit) if unit.books[HOST_PEER].current(table.id))


def _peers(connection: Connection) -> list[dict[str, Any]]:
    return [host_state.unpacked(item) for item in succession.items(connection, PEER)]


# --- what a host has --------------------------------------------------------------------------------------------------


def _install(
    database: Database, connection: Connection, former: NodeState, done: Promoted, address: str, run: int
) -> None:
    links_told = {each["peer"]: each for each in map(host_state.unpacked, succession.items(connection, LINK))}
    peers = _peers(connection)
    node = _node_item(connection)
    done.stations = sorted(str(each["name"]) for each in peers)
    for name in _OF_A_STATION:
        sql.run(connection, f"DELETE FROM replicator_{name}")
    for kind in host_state.KINDS:
        if kind.name not in (PEER, LINK, TABLE):
            host_state.install(connection, kind, succession.items(connection, kind.name))
    sql.run(connection, "DELETE FROM replicator_peer")
    for each in peers:
        state.insert_peer(connection, _peer(each))
        link = _link(each["id"], links_told.get(each["id"], {}), done.position)
        state.insert_link(connection, link)
        if link.link.inbound.digest is not None:
            n, digest = link.link.inbound.n, link.link.inbound.digest
            batches.remember_digest(connection, link.peer, "in", n, digest)
    host_state.install_events(connection, succession.items(connection, EVENT))
    host_state.install_linked_rows(
        connection,
        succession.items(connection, ROWS),
        lambda peer, table, keys: rows.add_link_rows(database, connection, peer, table, keys),
    )
    _install_tables(connection, done)
    forgotten_epoch, forgotten_n = _pair(node["forgotten"])
    retention.save(connection, Retention(forgotten_epoch=forgotten_epoch, forgotten_n=forgotten_n))
    rows.keep_groups_of(connection, [each["id"] for each in peers])
    succession.clear_items(connection)
    former.role, former.name, former.address = Role.HOST, done.host, address
    former.host_epoch, former.last_n = done.epoch, done.position[1]
    former.open_group = former.open_through = 0
    former.next_table, former.next_peer = int(node["next_table"]), int(node["next_peer"])
    former.run = max(former.run, run)
    state.save_node(connection, former)


def _peer(told: dict[str, Any]) -> Peer:
    known = {name: told[name] for name in Peer.__slots__ if name in told}
    known["enabled"], known["backup"] = bool(known.get("enabled")), bool(known.get("backup"))
    return Peer(**{**known, "heard_at": None, "sent_at": None})


def _link(peer: int, told: dict[str, Any], seen: Position) -> LinkState:
    """As the former host had it when it told last. Its own stream begins anew at once."""

    def number(name: str) -> int:
        return int(told.get(name, 0))

    digest = told.get("in_digest")
    inbound = InboundStream(
        (number("in_epoch_epoch"), number("in_epoch_n")),
        number("in_n"),
        digest if isinstance(digest, bytes) else None,
        number("in_n"),
    )
    out = OutboundStream((seen[0], 0), high=seen)
    return LinkState(
        int(peer),
        Link(Role.HOST, out, inbound),
        mode="snapshot",
        applied_n=number("applied_n"),
        resent_until=number("resent_until"),
        rule=(number("rule_epoch"), number("rule_n")),
        copy_of=number("copy_of"),
    )


def _install_tables(connection: Connection, done: Promoted) -> None:
    """Areas and policies are the host's matter."""
    known = catalogue.load_tables(connection)
    told = {each["id"]: each for each in map(host_state.unpacked, succession.items(connection, TABLE))}
    for number, each in told.items():
        if number not in known:
            done.missing.append(str(each["name"]))
        else:
            sql.run(
                connection,
                "UPDATE replicator_table SET area = ?, policy = ?, added_at = ? WHERE id = ?",
                (each["area"], each["policy"], each["added_at"], number),
            )
    for number in known.keys() - told.keys():
        catalogue.delete_table(connection, number)


def _pair(value: Any) -> Position:
    first, second = value if isinstance(value, list) else (0, 0)
    return int(first), int(second)


# --- the new timeline -------------------------------------------------------------------------------------------------


def _begin(unit: Unit, done: Promoted) -> None:
    unit.state.next_table = timelines.unused_table(unit)
    for peer in unit.peers:
        stored_timelines.end(unit.connection, peer, done.position[0], done.position)
    before = _lost(unit)
    host_restored(unit, {}, f"{REASON} and began epoch {done.epoch}", image=True)
    done.lost_numbers = _lost(unit) - before
    done.local = local_rows.take_over(unit)
    for station in unit.peers.values():
        if station.public_key is not None:
            timelines.ask(unit, unit.link(station.id))


def _lost(unit: Unit) -> int:
    found = sql.one(
        unit.connection,
        "SELECT coalesce(sum(highest - lowest + 1), 0) FROM replicator_number_span WHERE state = 'lost'",
    )
    return int(found[0]) if found else 0
