"""What the host says of comparisons, as a station takes it (protocol.md 7.3)."""

from __future__ import annotations

from replicator.engine.node import Unit
from replicator.protocol.codec_plain import pack
from replicator.protocol.comparing import compare_body, repair_body, result_body
from replicator.protocol.keys import checked_key
from replicator.protocol.working_set import Version
from replicator.store import comparisons, journal, rows
from replicator.store.comparisons import Comparison, State
from replicator.types import HOST_PEER, NOWHERE, Epoch, Kinds, Position, Tie

UNNOTED = pack([])
"""The old values of an edit that nobody has noted."""


def take_sums(unit: Unit, position: Position, body: object) -> None:
    """The host's sums of a table: to be answered when this batch is applied. Raises PeerFault."""
    told = compare_body(body)
    known = comparisons.find(unit.connection, told.asked, HOST_PEER) if told.asked else None
    if known is None or known.other_id not in (0, told.number) or known.state not in (State.WAITING, State.TAKEN):
        known = comparisons.find_other(unit.connection, told.number, HOST_PEER)
        if known is not None and (known.out_epoch, known.in_epoch) != _epochs(unit):
            known = None  # of a host that counts anew since: it was set back, or another one took its place
    if known is None:
        number = comparisons.add(
            unit.connection,
            HOST_PEER,
            (),
            at=unit.now,
            state=State.TAKEN,
            other_id=told.number,
            asked_here=False,
        )
    else:
        number = known.id
        comparisons.set_other(unit.connection, number, told.number)
        comparisons.set_state(unit.connection, number, State.TAKEN)
    watch(unit, number)
    comparisons.take_table(unit.connection, number, told.table, position, 0, told.without, told.sums)


def watch(unit: Unit, number: int) -> None:
    """A comparison goes on in these epochs of the two streams only."""
    comparisons.set_epochs(unit.connection, number, *_epochs(unit))


def _epochs(unit: Unit) -> tuple[Epoch, Epoch]:
    """Of both streams."""
    link = unit.link(HOST_PEER).link
    return link.out.epoch, link.inbound.epoch


def review(unit: Unit) -> None:
    """Comparisons of streams that are over will have no result."""
    for comparison in comparisons.in_state(unit.connection, *comparisons.OPEN):
        if (comparison.out_epoch, comparison.in_epoch) != _epochs(unit):
            comparisons.end(unit.connection, comparison.id, unit.now, void="the link began anew meanwhile")


def give_up(unit: Unit, reason: str) -> None:
    """None of the comparisons under way will have a result."""
    for comparison in comparisons.in_state(unit.connection, *comparisons.OPEN):
        comparisons.end(unit.connection, comparison.id, unit.now, void=reason)


def answered(unit: Unit, comparison: Comparison) -> None:
    """All that the host has asked for up to now is answered. What it comes to is the host's, or will be told."""
    if comparisons.load(unit.connection, comparison.id).asked_here:
        comparisons.set_state(unit.connection, comparison.id, State.SENT)
    else:
        comparisons.end(unit.connection, comparison.id, unit.now)


def take_result(unit: Unit, body: object) -> None:
    """How a comparison ended that this station has asked for. Raises PeerFault."""
    told = result_body(body)
    comparison = comparisons.find(unit.connection, told.asked, HOST_PEER)
    if comparison is None or comparison.state in (State.DONE, State.VOID):
        return
    if told.tables:
        known = {each.table for each in comparisons.compared_tables(unit.connection, comparison.id)}
        comparisons.drop_tables(unit.connection, comparison.id, known - {table for table, *_ in told.tables})
    for table, changed, missing, extra in told.tables:
        comparisons.set_counts(unit.connection, comparison.id, table, changed, missing, extra)
    comparisons.end(unit.connection, comparison.id, unit.now, void=told.void or None)


def adopt(unit: Unit, judged: int, body: object) -> None:
    """Rows that the host sends because they differ are taken for edits that nobody has noted: what the host's rows
    replace is put on record, as an edit is. Raises PeerFault."""
    number, keys = repair_body(body)
    table = unit.tables.get(number)
    if table is None:
        return
    for key in keys:
        checked_key(key, table.definition)
    pending = journal.pending(unit.connection, judged, number, keys)
    versions = rows.load_versions(unit.database, unit.connection, number, keys)
    present = unit.database.read_images(unit.connection, table, keys)
    marked = []
    for key in keys:
        if key in pending or key not in present:
            continue
        version = versions.get(key) or Version(number, key, *NOWHERE)
        if version.tie == Tie.NONE and Kinds.NEW in unit.flags_up[number]:
            # Not private, as new rows go up from here: no trigger has seen it.
            marked.append(version._replace(tie=Tie.SHARED.value, deleted=0, image=UNNOTED))
        elif version.tie == Tie.SHARED and version.image is None:
            marked.append(version._replace(image=UNNOTED))
    rows.save_versions(unit.database, unit.connection, marked)
