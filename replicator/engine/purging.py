"""Purging, a little in each run: what all have acknowledged, after the time for which it is kept (protocol.md 5.9).

Small transactions, oldest first, so that the application never waits long and a kill at any moment leaves nothing that
the next run would not take up. Looked at about once a day, and as long as something is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from replicator.engine import holding, marking, rolling
from replicator.engine.node import Node, Unit
from replicator.errors import PeerFault
from replicator.protocol.codec import decode_segment
from replicator.protocol.keys import keys_packer, pack_key
from replicator.protocol.messages import SegmentEntry, SegmentKind
from replicator.store import purging, quarantine, retention, rows, slices, trails
from replicator.types import HOST_PEER, NOWHERE, Position, Role, Tie

STEPS = 60
"""Transactions of one run at most."""
BYTES = 1_000_000
"""Of the journal's content, about, in one transaction."""
SLICES = 200
ROWS = 2_000
"""Of any other kind, about; at a station also changes whose content goes."""


@dataclass(slots=True)
class Purged:
    """What went, or would go."""

    slices: int = 0
    bytes: int = 0
    groups: int = 0
    seen_groups: int = 0
    deleted_rows: int = 0
    """Versions of rows that were deleted long ago."""

    def __bool__(self) -> bool:
        return bool(self.slices or self.groups or self.seen_groups or self.deleted_rows)


@dataclass(frozen=True, slots=True)
class Limits:
    """Up to where things may go."""

    slice: int
    seen: dict[int, Position]
    """Host: by station, uids of groups born below."""
    deleted: Position


def purge_a_little(node: Node) -> Purged:
    """The share of a run: nothing but one small query, unless a day is over or something was left by the last one."""
    with node.unit() as unit:
        known = retention.load(unit.connection)
        since = unit.now - retention.newest_mark(unit.connection)
        if not known.unfinished and 0 <= since < marking.interval(unit):
            return Purged()
    return purge(node, STEPS)


def purge(node: Node, steps: int | None = None) -> Purged:
    """Purge what may go, in at most so many transactions."""
    purged = Purged()
    freed: list[bytes] = []
    with node.unit() as unit:
        marking.add_mark(unit)
        marking.announce_by_the_clock(unit)
        if unit.is_host:
            freed = holding.let_go(unit, _kept(unit))
        limits = limits_of(unit)
        retention.forget_marks(unit.connection, _oldest_asked_for(unit))
        freed = slices.unneeded(unit.connection, freed)
    node.spool.delete_segments(freed)
    if limits.slice and node.role is Role.HOST:
        rolling.roll(node, limits.slice, all_of_it=steps is None)
        with node.database.transaction(write=False) as connection:
            limits = replace(limits, slice=rolling.covered(connection, limits.slice))
    done = 0
    while steps is None or done < steps:
        done += 1
        if not _step(node, limits, purged):
            _note(node, limits, unfinished=False)
            return purged
    _note(node, limits, unfinished=True)
    return purged


def _note(node: Node, limits: Limits, *, unfinished: bool) -> None:
    with node.unit() as unit:
        known = retention.load(unit.connection)
        forgotten = known.forgotten
        if unit.is_host and not unfinished:
            forgotten = max(forgotten, limits.deleted)
        if (forgotten, bool(known.unfinished)) != (known.forgotten, unfinished):
            known.forgotten_epoch, known.forgotten_n = forgotten
            known.unfinished = int(unfinished)
            retention.save(unit.connection, known)


def _oldest_asked_for(unit: Unit) -> int:
    settings = unit.node.settings
    oldest = unit.now - max(settings.journal_kept, settings.backups_kept)
    backup_at = retention.load(unit.connection).backup_at
    return min(oldest, backup_at) if backup_at else oldest


# --- what may go ------------------------------------------------------------------------------------------------------


def limits_of(unit: Unit) -> Limits:
    connection, settings = unit.connection, unit.node.settings
    mark = retention.mark_through(connection, unit.now - settings.journal_kept)
    if mark is None:
        return Limits(0, {}, NOWHERE)
    # The last slice stays: numbers go on from it, and a station that knows all of the log is found in it.
    newest = purging.newest_slice(connection) - 1
    if unit.is_host:
        through = min(holding.held(unit).least, _old(unit, mark.acknowledged_n), newest)
        seen = {
            peer: horizon.heard_born
            for peer, horizon in retention.horizons(connection).items()
            if peer in unit.peers and horizon.heard_born > NOWHERE
        }
        deleted = min(mark.settled, holding.settled(unit), _backed_up(unit))
    else:
        horizon, link = retention.horizon(connection, HOST_PEER), unit.link(HOST_PEER)
        backed_up = horizon.heard_n if horizon.heard_epoch == link.link.out.epoch else 0
        n = min(mark.acknowledged_n, link.link.out.high[1], link.judged_n, backed_up)
        through = min(_old(unit, n), link.cut_slice, newest)
        seen, deleted = {}, horizon.heard_forgotten
    return Limits(purging.last_whole(connection, through), seen, deleted)


def _backed_up(unit: Unit) -> Position:
    """Behind this in the log no station will be set back. A row that it had captured and not numbered when its backup
    was made comes up once more then, under another uid: only that the host knows of its delete keeps it away."""
    if not quarantine.is_empty(unit.connection):
        return NOWHERE  # what was set aside is judged later, by what it knew then
    known = retention.horizons(unit.connection)
    joined = [peer for peer in unit.peers.values() if peer.public_key is not None]
    heard = (known[peer.id].heard_forgotten if peer.id in known else NOWHERE for peer in joined)
    return min(heard, default=holding.ENDLESS)


def _old(unit: Unit, n: int) -> int:
    return slices.last_through(unit.connection, (0, n))


def _kept(unit: Unit) -> int:
    """The last slice that would go if no station needed it."""
    mark = retention.mark_through(unit.connection, unit.now - unit.node.settings.journal_kept)
    return 0 if mark is None else _old(unit, mark.last_n)


def would_go(unit: Unit, limits: Limits) -> Purged:
    connection = unit.connection
    end = slices.end_of(connection, limits.slice)[1] if limits.slice else 0
    first = purging.first_kept(connection)
    before = max(end + 1 if limits.slice else 0, first or 0)
    sizes = purging.slice_sizes(connection, 0, limits.slice)
    return Purged(
        len(sizes),
        sum(size for _, size in sizes),
        purging.count_groups(connection, before),
        sum(purging.count_seen_groups(connection, peer, born) for peer, born in limits.seen.items()),
        purging.count_tombstones(connection, limits.deleted),
    )


# --- step by step -----------------------------------------------------------------------------------------------------


def _step(node: Node, limits: Limits, purged: Purged) -> bool:
    """One transaction's worth. False: nothing is left."""
    freed: list[bytes] = []
    with node.unit() as unit:
        done = (
            _slices(unit, limits, purged, freed)
            or _groups(unit, purged)
            or _seen_groups(unit, limits, purged)
            or _deleted_rows(unit, limits, purged)
            or _trails(unit)
        )
        freed = slices.unneeded(unit.connection, freed)
    node.spool.delete_segments(freed)
    return done


def _slices(unit: Unit, limits: Limits, purged: Purged, freed: list[bytes]) -> bool:
    connection = unit.connection
    taken: list[purging.OldSlice] = []
    size = keys = 0
    for each in purging.oldest_slices(connection, limits.slice, SLICES):
        if taken and (size + each.size > BYTES or keys >= ROWS):
            break
        taken.append(each)
        size += each.size
        if not unit.is_host:
            keys += _forget_keys(unit, each.id, each.last_n)
    if not taken:
        return False
    through = taken[-1].id
    freed += purging.spooled_content(connection, through)
    known = retention.load(connection)
    known.purged_epoch, known.purged_n = slices.end_of(connection, through)
    known.purged_at = unit.now
    retention.save(connection, known)
    purging.delete_slices(connection, through)
    purged.slices += len(taken)
    purged.bytes += size
    return True


def _forget_keys(unit: Unit, slice_id: int, through: int) -> int:
    """Which groups touch a row is asked by the row; so the rows of a slice are read from it once more. How many."""
    count = 0
    for digest, size, raw_size, frame in purging.log_frames(unit.connection, slice_id):
        try:
            segment = decode_segment(frame, SegmentEntry(digest, size, raw_size, SegmentKind.LOG))
        except PeerFault:
            # Damaged on the disk, and to go anyway: found by number, which takes longer.
            for number in unit.tables:
                purging.delete_keys_of_table(unit.connection, number, through)
            continue
        for block in segment.blocks:
            count += len(block.classes)
            form = unit.forms.get((block.table, block.version))
            if form is None or block.table not in unit.tables:
                purging.delete_keys_of_table(unit.connection, block.table, through)
                continue
            keys = {*map(pack_key, block.keys), *keys_packer(form.definition)(block.rows)}
            purging.delete_journal_keys(unit.connection, block.table, sorted(keys), through)
    return count


def _groups(unit: Unit, purged: Purged) -> bool:
    first = purging.first_kept(unit.connection)
    gone = 0 if first is None else purging.delete_groups(unit.connection, first, ROWS)
    purged.groups += gone
    return gone > 0


def _seen_groups(unit: Unit, limits: Limits, purged: Purged) -> bool:
    for peer, below in limits.seen.items():
        gone = purging.delete_seen_groups(unit.connection, peer, below, ROWS)
        if gone:
            purged.seen_groups += gone
            return True
    return False


def _deleted_rows(unit: Unit, limits: Limits, purged: Purged) -> bool:
    """Entries whose row has another version by now go alone."""
    found = purging.oldest_tombstones(unit.connection, limits.deleted, ROWS)
    if not found:
        return False
    by_table: dict[int, list[purging.Tombstone]] = {}
    for each in found:
        by_table.setdefault(each.table, []).append(each)
    for table, entries in by_table.items():
        purged.deleted_rows += _forget_versions(unit, table, entries)
    purging.delete_tombstones(unit.connection, found[-1])
    return True


def _trails(unit: Unit) -> bool:
    """Where batches went that nobody finds a group of any more."""
    oldest = purging.oldest_group(unit.connection)
    kept = unit.now - unit.node.settings.journal_kept
    return trails.purge(unit.connection, kept if oldest is None else min(kept, oldest[1]), ROWS) > 0


def _forget_versions(unit: Unit, table: int, entries: Iterable[purging.Tombstone]) -> int:
    places = {each.key: (each.epoch, each.n) for each in entries}
    known = rows.load_versions(unit.database, unit.connection, table, list(places))
    gone = [
        key
        for key, version in known.items()
        # At a station a row that it keeps to itself is known by its tie.
        if version.deleted and version.position <= places[key] and (unit.is_host or version.tie == Tie.NONE)
    ]
    purging.delete_versions(unit.connection, table, sorted(gone))
    return len(gone)
