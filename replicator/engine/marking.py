"""Marks of how far this node was, and what it tells its peers by them: what they may forget (protocol.md 5.15).

A node that is put back from a backup knows what it knew then. So the other end keeps what such a node would have to
hear again, until it is told that no older backup will ever be put back: by whoever makes backups, or by the clock.
"""

from __future__ import annotations

from replicator.engine.collect import collect, open_group, request
from replicator.engine.holding import held, settled
from replicator.engine.node import Unit
from replicator.protocol.codec_plain import pack
from replicator.protocol.control_bodies import HorizonBody, ResyncBody
from replicator.protocol.proposals import ConflictKind
from replicator.store import purging, retention, slices
from replicator.store.retention import Horizon, JudgedOf, Mark
from replicator.store.state import Peer
from replicator.types import HOST_PEER, NOWHERE, Position

MARKS = 90
"""In the time that is kept: one a day in three months."""
BEHIND_HORIZON = "behind-horizon"
"""Kind of the notice about a station whose backup was older than it had announced."""
ANNOUNCEMENTS = 12
"""By the clock, in the time that backups are kept: about one a week."""


def interval(unit: Unit) -> int:
    """Microseconds between two marks."""
    return max(unit.node.settings.journal_kept // MARKS, unit.node.settings.least_interval)


def add_mark(unit: Unit) -> Mark:
    """Note how far this node is now."""
    connection, state = unit.connection, unit.state
    forgotten = retention.load(connection).forgotten
    links: list[JudgedOf] = []
    if unit.is_host:
        reached = slices.end_of(connection, held(unit).least)[1]
        known, born = settled(unit), NOWHERE
        for peer in unit.peers:
            link = unit.link(peer)
            if link.applied_n > 0:
                links.append(JudgedOf(peer, link.link.inbound.epoch, link.applied_n))
    else:
        link = unit.link(HOST_PEER)
        reached, known = min(link.link.out.high[1], link.judged_n), link.seen
        born = purging.born_of_oldest(connection) or (link.link.out.epoch[1], state.last_n + 1)
    mark = Mark(unit.now, state.last_n, reached, *known, *born, *forgotten)
    retention.add_mark(connection, mark, links)
    return mark


def announce_by_the_clock(unit: Unit) -> int:
    """Where nobody tells of backups: what held so long ago that no older one will be put back."""
    known, kept = retention.load(unit.connection), unit.node.settings.backups_kept
    if unit.now - known.announced_at < kept // ANNOUNCEMENTS:
        return 0
    mark = retention.mark_through(unit.connection, unit.now - kept)
    return 0 if mark is None else announce(unit, mark)


def announce(unit: Unit, mark: Mark) -> int:
    """Tell the peers that this node will never be set back behind the mark. Returns to how many there was news."""
    told = _announce_to_stations(unit, mark) if unit.is_host else _announce_to_host(unit, mark)
    if told:
        retention.save_horizons(unit.connection, told)
        known = retention.load(unit.connection)
        known.announced_at = unit.now
        retention.save(unit.connection, known)
    return len(told)


def _announce_to_stations(unit: Unit, mark: Mark) -> list[Horizon]:
    known = retention.horizons(unit.connection)
    handed_on = _known_to_backups(unit)
    if handed_on < mark.last_n:
        # A backup station may become the host, as of what it has acknowledged: that comes to a restore to there.
        older = retention.mark_behind(unit.connection, mark.at, handed_on)
        if older is None:
            return []
        mark = older
    told: list[Horizon] = []
    for peer, epoch, n in retention.links_of(unit.connection, mark):
        if peer not in unit.peers or unit.link(peer).link.inbound.epoch != epoch:
            continue  # of an epoch that is over: the station would not take it
        horizon = known.get(peer) or Horizon(peer)
        if (epoch, n) <= (horizon.told_epoch, horizon.told_n) and mark.forgotten <= horizon.told_forgotten:
            continue
        horizon.told_epoch, horizon.told_n, horizon.told_forgotten = epoch, n, mark.forgotten
        told.append(horizon)
    if told:
        collect(unit)
        open_group(unit, control="horizon")
        for horizon in told:
            body = HorizonBody(horizon.told_epoch, horizon.told_n, horizon.told_forgotten)
            unit.journal.add_control(horizon.peer, "horizon", body.plain())
    return told


def _known_to_backups(unit: Unit) -> int:
    """The log's position that all backup stations have acknowledged."""
    backups = [unit.link(peer.id) for peer in unit.peers.values() if peer.backup]
    return min((link.link.out.high[1] for link in backups), default=unit.state.last_n)


def _announce_to_host(unit: Unit, mark: Mark) -> list[Horizon]:
    horizon = retention.horizon(unit.connection, HOST_PEER)
    if mark.born <= horizon.told_born and mark.settled <= horizon.told_forgotten:
        return []
    horizon.told_born = max(horizon.told_born, mark.born)
    horizon.told_forgotten = max(horizon.told_forgotten, mark.settled)
    request(unit, "horizon", pack([list(horizon.told_born), list(horizon.told_forgotten)]))
    return [horizon]


def heard_of_station(unit: Unit, peer: int, born: Position, seen: Position) -> None:
    """Host: no group of the station that was born before is in a backup of it that will be put back, and each of these
    has the log up to `seen`."""
    horizon = retention.horizon(unit.connection, peer)
    if born > horizon.heard_born or seen > horizon.heard_forgotten:
        horizon.heard_born = max(born, horizon.heard_born)
        horizon.heard_forgotten = max(seen, horizon.heard_forgotten)
        retention.save_horizons(unit.connection, [horizon])


def heard_of_host(unit: Unit, body: HorizonBody) -> None:
    """Station: the host will never be set back behind this."""
    horizon = retention.horizon(unit.connection, HOST_PEER)
    horizon.heard_forgotten = max(horizon.heard_forgotten, body.forgotten)
    if body.epoch == unit.link(HOST_PEER).link.out.epoch:
        horizon.heard_epoch, horizon.heard_n = max((horizon.heard_epoch, horizon.heard_n), (body.epoch, body.n))
    retention.save_horizons(unit.connection, [horizon])


def tell_of_forgotten(unit: Unit, station: Peer) -> None:
    """A database that was put back from a backup older than the one that its station has announced."""
    unit.notice(
        BEHIND_HORIZON,
        f"{station.name} {unit.link(station.id).link.inbound.epoch[1]}",
        f"{station.name} was put back from a backup that is older than the one it announced: changes that it wrote "
        f"before then came again or for the first time, nobody can tell. They were not taken, and stand in the "
        f"conflicts of the kind {ConflictKind.FORGOTTEN}: look through them (replicator conflict list) and enter anew "
        f"what is missing; at {station.name}, put back a newer backup if there is one",
        waiting=True,
    )


def tell_of_gap(unit: Unit, told: ResyncBody) -> None:
    """Station: the host was put back from a backup older than the one that it announced, and what this station has
    purged since can't be sent to it again."""
    horizon, oldest = retention.horizon(unit.connection, HOST_PEER), purging.oldest_group(unit.connection)
    first = unit.state.last_n + 1 if oldest is None else oldest[0]
    behind = (horizon.heard_epoch, horizon.heard_n) > (told.inbound, told.applied)
    if behind and first > told.applied + 1:
        host = unit.peers[HOST_PEER].name
        unit.notice(
            BEHIND_HORIZON,
            f"{host} {told.inbound} {told.applied}",
            f"{host} was put back from a backup that is older than the one it announced: it had judged this station's "
            f"groups up to {told.applied} only, and those up to {first - 1} are no longer in the journal here. It gets "
            f"the rows that this station has now; what was overwritten or deleted in between is lost. If there is a "
            f"newer backup, put that back at {host}",
            waiting=True,
        )
