"""Apply: complete batches that are next in order, one transaction each (protocol.md 4.1 steps 10 and 11).

A batch that does not chain to what was applied before is dropped, and the acknowledgement shows its sender the fork.
Transient trouble rolls the whole batch back and leaves it parked; the next run tries again.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine.answering import answer_comparisons
from replicator.engine.careful_judging import CarefulJudging
from replicator.engine.careful_replaying import CarefulReplaying
from replicator.engine.collect import collect
from replicator.engine.content import Content
from replicator.engine.held_tables import follow, look_ahead
from replicator.engine.inbound import InboundBatch, open_batch
from replicator.engine.judge import Judging, judge_batch
from replicator.engine.node import Node, Unit
from replicator.engine.progress import Progress
from replicator.engine.replay import Replaying, replay_batch
from replicator.engine.setting_aside import Care, tell
from replicator.engine.soundness import blaming_tables, unwritable
from replicator.engine.working import Silence
from replicator.errors import (
    ChangedMeanwhile,
    ConstraintViolation,
    DatabaseBusy,
    DatabaseTrouble,
    GoesWhole,
    PeerFault,
    SpoolLoss,
    UnfitTable,
)
from replicator.protocol import link as links
from replicator.store import batches, notices, parcels, trails
from replicator.store.parcels import Parked
from replicator.store.state import LinkState
from replicator.store.trails import BatchTrail
from replicator.types import Role

REFUSED = "refused-batch"
"""Kind of the notice about a batch that waits."""

BUSY, BUSY_LONG = "busy", "busy-long"
"""Kinds of the notices about a batch that others keep us from applying: the first time, and when that lasts."""

LASTING = 5 * 60 * 1_000_000
"""Microseconds after which a person should know."""

TRIES = 6
"""Of one batch in one run. An application that changes the same rows all the time is met by the next run."""


@dataclass(slots=True)
class Applied:
    batches: int = 0
    rows: int = 0
    waiting: str | None = None
    """Why the next batch could not be applied now."""


def apply_ready(node: Node, progress: Progress) -> Applied:
    """Apply all that can be applied, link by link."""
    applied = Applied()
    if node.role is Role.STATION:
        answer_comparisons(node)  # the last run died in between
    with node.unit() as unit:
        peers = [peer.id for peer in unit.peers.values() if peer.enabled]
    for peer in peers:
        with blaming_tables(node, "what has come"):
            while _apply_next(node, peer, applied, progress):
                if node.role is Role.STATION:
                    # As long as the rows are those of the position that the host's sums are of.
                    answer_comparisons(node)
                    follow(node)  # the next batch may hold rows with columns that are to be made
    return applied


def apply_before_opening(node: Node, peer: int, progress: Progress) -> bool:
    """A new epoch of the peer's stream voids what is parked of the one before: what is next in that is applied first.

    False: it can't be at the moment, so that the new epoch has to wait.
    """
    applied = Applied()
    while _apply_next(node, peer, applied, progress):
        pass
    return applied.waiting is None


def _apply_next(node: Node, peer: int, applied: Applied, progress: Progress) -> bool:
    with node.unit() as unit:
        parked = _next(unit, peer)
    if parked is None:
        return False
    try:
        done = _persist(node, parked, applied, progress)
        if done is None:
            return True
    except DatabaseBusy as busy:
        applied.waiting = str(busy)
        _note_busy(node, parked, busy)
        return False
    except SpoolLoss as loss:
        with node.unit() as unit:
            done = _drop(unit, unit.link(peer), parked, str(loss))
    except (PeerFault, ConstraintViolation, UnfitTable) as fault:
        # Authentic, and yet not what the protocol allows, or a row or a table that can't be had in this database:
        # this link waits for a person, the others go on.
        with node.unit() as unit:
            name = unit.peers[peer].name
            unit.notice(REFUSED, f"{name} {parked.n}", f"batch {parked.n} of {name} waits: {fault}", waiting=True)
        return False
    if done:
        node.spool.delete_batch(parked.place)
    return done


def _persist(node: Node, parked: Parked, applied: Applied, progress: Progress) -> bool | None:
    """Apply the batch. Where a station's application has changed a table before the host's word of it came, that word
    is taken first if the batch has it (None: all is to be begun anew); else the table's rows are set aside, and
    everything else goes on."""
    try:
        return _try(node, parked, applied, progress)
    except (DatabaseTrouble, UnfitTable):
        if node.role is not Role.STATION:
            raise
        if look_ahead(node, parked):
            return None
        with node.unit() as unit:
            tables = unwritable(unit, unit.tables)
        if not tables:
            raise
    return _try(node, parked, applied, progress, Care(unwritable=tables))


def _note_busy(node: Node, parked: Parked, busy: DatabaseBusy) -> None:
    """Who holds a row for long may have forgotten it: a transaction that was left open over lunch."""
    if not node.database.capabilities.others_write_meanwhile:
        return  # what keeps us out keeps our notes out as well
    try:
        with node.unit() as unit:
            name = unit.peers[parked.peer].name
            subject = f"{name} {parked.n}"
            since = notices.since(unit.connection, (BUSY,), subject)
            unit.notice(BUSY, subject, f"batch {parked.n} of {name} waits: {busy}")
            if since is not None and unit.now - since >= LASTING:
                minutes = (unit.now - since) // 60_000_000
                text = f"batch {parked.n} of {name} has waited for {minutes} minutes: {busy}"
                unit.notice(BUSY_LONG, subject, text, waiting=True)
    except DatabaseBusy:
        return


def _try(node: Node, parked: Parked, applied: Applied, progress: Progress, care: Care | None = None) -> bool:
    """Apply the batch; again where the application changed meanwhile what was decided on, which is collected then."""
    tries = TRIES
    while True:
        try:
            return _apply(node, parked, applied, progress, care)
        except GoesWhole:
            continue  # with what is known now; each time of one transaction more
        except ConstraintViolation:
            if care is not None:
                raise
            # Decided on in sets, the database refuses something: narrowed down to what it is.
            care = Care()
        except ChangedMeanwhile:
            tries -= 1
            if not tries:
                raise


def _next(unit: Unit, peer: int) -> Parked | None:
    inbound = unit.link(peer).link.inbound
    found = parcels.parked(unit.connection, peer, inbound.epoch, inbound.n + 1)
    return found if found is not None and found.complete else None


def _apply(node: Node, parked: Parked, applied: Applied, progress: Progress, care: Care | None) -> bool:
    with node.unit() as unit:
        state = unit.link(parked.peer)
        try:
            batch = open_batch(unit, parked)
        except (PeerFault, SpoolLoss) as fault:
            return _drop(unit, state, parked, str(fault))
        with batch.stream:
            if not links.chains(state.link, batch.manifest.previous):
                links.refuse(state.link)
                return _drop(unit, state, parked, None)
            _run(unit, parked, batch, progress, care)
        state = unit.link(parked.peer)
        links.applied(state.link, parked.n, batch.digest)
        batches.remember_digest(unit.connection, parked.peer, "in", parked.n, batch.digest)
        _note(unit, parked, batch, state)
        parcels.drop(unit.connection, parked.place)
        notices.settle(unit.connection, (REFUSED, BUSY, BUSY_LONG), f"{unit.peers[parked.peer].name} {parked.n}")
    applied.batches += 1
    applied.rows += batch.rows
    return True


def _note(unit: Unit, parked: Parked, batch: InboundBatch, state: LinkState) -> None:
    """For those who ask what became of a row."""
    manifest = batch.manifest
    place = (parked.peer, trails.IN, *manifest.epoch, manifest.n, *manifest.high)
    trail = BatchTrail(*place, manifest.opener, parked.total, batch.rows, state.judged_n, unit.now)
    trails.note_batch(unit.database, unit.connection, trail)


def _run(unit: Unit, parked: Parked, batch: InboundBatch, progress: Progress, care: Care | None) -> None:
    # What was written before is judged, or replayed over, as what it is.
    collect(unit)
    with Silence(unit) as silence:
        if unit.is_host:
            peer = unit.peers[parked.peer]
            judging = Judging(unit, peer, silence) if care is None else CarefulJudging(unit, peer, silence, care=care)
            judge_batch(unit, peer, batch, progress, judging)
            changed = care is not None
        else:
            content = Content(batch)
            replaying = (
                Replaying(unit, silence, content, progress, batch.rows)
                if care is None
                else CarefulReplaying(unit, silence, content, progress, batch.rows, care=care)
            )
            replay_batch(unit, batch, replaying)
            changed = replaying.aside
    if changed:
        tell(unit)


def _drop(unit: Unit, state: LinkState, parked: Parked, reason: str | None) -> bool:
    """Forget a batch that can't be used: it is asked for again, since it is not acknowledged."""
    if reason is not None:
        name = unit.peers[parked.peer].name
        unit.notice("dropped-batch", f"{name} {parked.n}", f"batch {parked.n} of {name} was dropped: {reason}")
    state.link.inbound.acknowledgement_due = True
    parcels.drop(unit.connection, parked.place)
    return True
