"""The host compares its rows with a station's: its sums go down at one position of the log (protocol.md 7.3).

The rows are read from a snapshot, at leisure, so that nobody waits. What the log has taken meanwhile is then taken into
the sums in the short transaction that logs them, so that they are those of the record's own position: a station that
has applied the log up to there can hold its rows against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.databases import digests
from replicator.databases.digests import Digester
from replicator.engine.collect import collect, open_group
from replicator.engine.node import Node, Unit
from replicator.engine.packing import present_rows
from replicator.errors import WrongUse
from replicator.protocol.comparing import CompareBody, ResultBody, answer_body, check_keys, tables_body
from replicator.protocol.keys import pack_key
from replicator.store import compared_rows, comparisons, journal_reading, rows, table_versions
from replicator.store.comparisons import OPEN, Comparison, State
from replicator.store.state import Peer
from replicator.types import Key, Kinds, Position, Rule, Table

MOST_CHANGED = 10_000
"""Rows changed while the sums were made that are taken into them; of more the station names its rows instead."""
CHUNK = 1000


def begin(
    unit: Unit, peer: int, wanted: list[int] | None, *, repair: bool = False, asked: int = 0
) -> tuple[int, list[Table]]:
    """A comparison of these tables with a station (None: of all that it is told changes of), for the next run.

    `asked`: the station's own number of it. Gives the number and the tables. Raises WrongUse.
    """
    name = unit.peers[peer].name
    told = [table for table in unit.tables.values() if can_be_compared(unit.current_rule(peer, table.id))]
    chosen = told if wanted is None else [unit.tables[number] for number in wanted]
    for table in chosen:
        if table not in told:
            raise WrongUse(
                f"{name} is not told changes of {table.name}, so its rows may differ; a table can be compared whose "
                f"rule sends 'changed' to the station (replicator rule list)"
            )
    if not chosen:
        raise WrongUse(f"{name} is told changes of no table; set a rule first: replicator rule set {name} TABLE …")
    numbers = sorted(table.id for table in chosen)
    number = comparisons.add(
        unit.connection, peer, numbers, at=unit.now, repair=repair, other_id=asked, asked_here=not asked
    )
    return number, chosen


def can_be_compared(rule: Rule) -> bool:
    """Of a station that hears of no changes nothing tells how its rows should be."""
    return Kinds.CHANGED in rule.to_remote


# --- the host's sums --------------------------------------------------------------------------------------------------


def start_comparisons(node: Node) -> int:
    """Log the sums of all comparisons that wait for it. Returns how many."""
    with node.database.transaction(write=False) as connection:
        if not comparisons.in_state(connection, *OPEN):
            return 0
    with node.unit() as unit:
        review(unit)
        waiting = [each for each in comparisons.in_state(unit.connection, State.WAITING) if _may_start(unit, each)]
    for comparison in waiting:
        _start(node, comparison)
    return len(waiting)


def _may_start(unit: Unit, comparison: Comparison) -> bool:
    peer = unit.peers[comparison.peer]
    return peer.enabled and not unit.link(peer.id).mode


@dataclass(slots=True)
class _Sums:
    table: Table
    rule: Rule
    digester: Digester
    without: tuple[int, ...]
    sums: list[int]


def _start(node: Node, comparison: Comparison) -> None:
    with ExitStack() as stack:
        with node.unit() as unit:
            collect(unit)
            unit.journal.finish()
            position = unit.state.position
            plan = list(_plan(unit, comparison))
            reader = stack.enter_context(node.database.snapshot(unit.connection))
        for each in plan:
            for images in present_rows(node.database, reader, each.table, comparison.peer, each.rule):
                each.digester.add(each.sums, images)
        with node.unit() as unit:
            collect(unit)
            unit.journal.finish()
            _catch_up(unit, comparison.peer, reader, position, plan)
            _log(unit, comparison, plan)


def _plan(unit: Unit, comparison: Comparison) -> Iterator[_Sums]:
    peer = unit.peers[comparison.peer]
    for compared in comparisons.compared_tables(unit.connection, comparison.id):
        table = unit.tables.get(compared.table)
        rule = None if table is None else unit.current_rule(peer.id, table.id)
        if table is None or rule is None or not can_be_compared(rule):
            comparisons.drop_tables(unit.connection, comparison.id, [compared.table])
            continue
        same = peer.database_kind == unit.database.name
        without = () if same else digests.free_forms(table.definition)
        buckets = digests.bucket_count(unit.database.count(unit.connection, table))
        digester = Digester(table.definition, buckets, without)
        yield _Sums(table, rule, digester, without, [0] * buckets)


def _catch_up(unit: Unit, peer: int, reader: Connection, position: Position, plan: list[_Sums]) -> None:
    """Take into the sums what was logged since the snapshot: the rows as they were leave, as they are enter."""
    changed: dict[int, dict[Key, None]] = {each.table.id: {} for each in plan}
    definitions = {each.table.id: each.table.definition for each in plan}
    count = 0
    for number in journal_reading.slices_after(unit.connection, position[1]):
        for change in journal_reading.changes_of_slice(unit.connection, number, definitions):
            if change.n > position[1] and change.table in changed:
                changed[change.table][pack_key(change.key_values)] = None
                count += 1
        if count > MOST_CHANGED:
            return
    for each in plan:
        keys = list(changed[each.table.id])
        for start in range(0, len(keys), CHUNK):
            some = keys[start : start + CHUNK]
            for connection, sign in ((reader, -1), (unit.connection, 1)):
                told = some
                if Kinds.NEW not in each.rule.to_remote:
                    told = list(rows.linked(unit.database, connection, peer, each.table.id, some))
                images = unit.database.read_images(connection, each.table, told)
                for row in each.digester.rows(list(images.values())):
                    each.sums[row.bucket] += sign * digests.number_of(row.digest)


def _log(unit: Unit, comparison: Comparison, plan: list[_Sums]) -> None:
    link, peer = unit.link(comparison.peer), comparison.peer
    if link.mode or comparisons.load(unit.connection, comparison.id).state != State.WAITING:
        return
    if not plan:
        finish(unit, comparison, "none of its tables can be compared any more")
        return
    for each in plan:
        if unit.current_rule(peer, each.table.id) != each.rule:
            return  # the next run begins anew
    for each in plan:
        position = open_group(unit, control="compare").position
        sums = digests.encode_sums(each.sums)
        body = CompareBody(comparison.id, comparison.other_id, each.table.id, each.without, sums)
        unit.journal.add_control(peer, "compare", body.plain())
        comparisons.take_table(
            unit.connection, comparison.id, each.table.id, position, int(each.rule.to_remote), each.without, sums
        )
    comparisons.set_epochs(unit.connection, comparison.id, link.link.out.epoch, link.link.inbound.epoch)
    comparisons.set_state(unit.connection, comparison.id, State.SENT)


# --- what a station says ----------------------------------------------------------------------------------------------


def take_answer(unit: Unit, peer: Peer, body: object) -> None:
    """A piece of a station's answer. Raises PeerFault where it is malformed; what nobody asked for is passed over."""
    answer = answer_body(body)
    comparison = comparisons.find(unit.connection, answer.number, peer.id)
    compared = comparisons.compared_table(unit.connection, answer.number, answer.table)
    table = unit.tables.get(answer.table)
    if comparison is None or compared is None or table is None or comparison.state != State.SENT or compared.answered:
        return
    check_keys(answer, table.definition)
    pieces = compared.pieces
    if compared.attempt != answer.attempt:
        if answer.piece:
            return  # of an answer that was given up
        comparisons.begin_answer(
            unit.connection, comparison.id, table.id, answer.attempt, answer.position, answer.listed
        )
        pieces = 0
    if answer.piece != pieces:
        return
    size = digests.SHORT
    named = [(key, answer.digests[place * size : (place + 1) * size]) for place, key in enumerate(answer.keys)]
    compared_rows.add_rows(unit.database, unit.connection, comparison.id, table.id, named)
    compared_rows.add_rows(unit.database, unit.connection, comparison.id, table.id, [(key, b"") for key in answer.open])
    comparisons.count_piece(unit.connection, comparison.id, table.id, last=answer.last)
    if all(each.answered for each in comparisons.compared_tables(unit.connection, comparison.id)):
        comparisons.set_state(unit.connection, comparison.id, State.ANSWERED)


def take_request(unit: Unit, peer: Peer, body: object) -> None:
    """A station asks for a comparison of its own rows. Raises PeerFault where it is malformed."""
    number, wanted, repair = tables_body(body)
    if any(each.peer == peer.id and not each.asked_here for each in comparisons.in_state(unit.connection, *OPEN)):
        another = ResultBody(number, "another one is on its way").plain()
        unit.journal.add_control(peer.id, "compared", another)
        return
    known = [table for table in wanted if table in unit.tables]
    chosen = [table for table in known if can_be_compared(unit.current_rule(peer.id, table))]
    if wanted and not chosen:
        unit.journal.add_control(peer.id, "compared", ResultBody(number, "none of its tables can be compared").plain())
        return
    try:
        begin(unit, peer.id, chosen or None, repair=repair, asked=number)
    except WrongUse as refused:
        unit.journal.add_control(peer.id, "compared", ResultBody(number, str(refused)).plain())


# --- the end ----------------------------------------------------------------------------------------------------------


def review(unit: Unit) -> None:
    """Comparisons that something has overtaken end without a result."""
    for comparison in comparisons.in_state(unit.connection, *OPEN):
        reason = _overtaken(unit, comparison)
        if reason:
            finish(unit, comparison, reason)


def _overtaken(unit: Unit, comparison: Comparison) -> str:
    if comparison.peer not in unit.peers:
        return "the station was removed"
    if comparison.state not in (State.SENT, State.ANSWERED):
        return ""
    link = unit.link(comparison.peer)
    if link.mode or (link.link.out.epoch, link.link.inbound.epoch) != (comparison.out_epoch, comparison.in_epoch):
        return "the link began anew meanwhile (a restore, a reload or a new invitation); compare again"
    for compared in comparisons.compared_tables(unit.connection, comparison.id):
        table = unit.tables.get(compared.table)
        if table is None:
            return "a table of it is not replicated any more; compare again"
        if int(unit.current_rule(comparison.peer, table.id).to_remote) != compared.to_remote:
            return f"the rule of {table.name} changed meanwhile; compare again"
        if any(
            (known.from_n or 0) > compared.at[1] for known in table_versions.load_versions(unit.connection, table.id)
        ):
            return f"the columns of {table.name} changed meanwhile; compare again"
    return ""


def finish(unit: Unit, comparison: Comparison, void: str | None = None) -> None:
    """It is over; a station that has asked for it is told."""
    comparisons.end(unit.connection, comparison.id, unit.now, void=void)
    if not comparison.other_id or comparison.peer not in unit.peers:
        return
    counts = tuple(
        (each.table, each.changed, each.missing, each.extra)
        for each in comparisons.compared_tables(unit.connection, comparison.id)
    )
    open_group(unit, control="compared")
    body = ResultBody(comparison.other_id, void or "", () if void else counts)
    unit.journal.add_control(comparison.peer, "compared", body.plain())
