"""S7 once more, by the audit itself: at rest its states are what applications and ledger say (number_checks)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.operations.numbers_audit import RangeAudit, audit
from replicator.protocol.number_fates import Entry, Fate, singly
from replicator.protocol.number_ledger import State
from tests.simulation.numbered import Numbered
from tests.simulation.simnode import HOST

if TYPE_CHECKING:
    from tests.simulation.number_checks import Fate as Ledger
    from tests.simulation.numbering import Numbering
    from tests.simulation.world import World

_BY_LEDGER = {State.HELD: Fate.HELD, State.FREE: Fate.RETURNED, State.RETIRED: Fate.RETIRED, State.LOST: Fate.LOST}


def verify(world: World, numbering: Numbering, kind: Numbered, ledger: Ledger) -> None:
    """`ledger`: by number, state and holder."""
    node = world.host.process
    with audit(node, kind.table) as found:
        (audited,) = found.ranges
        told: dict[int, Entry] = {}
        for entry in singly(audited.pieces):
            for number in range(entry.lowest, entry.highest + 1):
                world.expect(number not in told, "audit: number told twice", lambda number=number: str(number))
                told[number] = entry
        names = {name: peer for peer, name in found.names.items()}
    accounts = audited.accounting
    world.expect(set(told) == set(ledger), "audit: number left out", lambda: f"{kind.table} {set(told) ^ set(ledger)}")
    world.expect(accounts.adds_up, "audit: the sums do not add up", lambda: f"{kind.table} {accounts.sums}")
    if numbering.strict:
        _strict(world, numbering, kind, ledger, audited, told, names)


def _strict(
    world: World,
    numbering: Numbering,
    kind: Numbered,
    ledger: Ledger,
    audited: RangeAudit,
    told: dict[int, Entry],
    names: dict[str, int],
) -> None:
    raw, expect, faults = world.host.application.raw, world.expect, audited.accounting.faults
    expect(not faults, "audit: faults", lambda: f"{kind.table} {faults}")
    rows = {kind.number(value): key for key, value in raw.execute(f"SELECT id, {kind.column} FROM {kind.table}")}
    issued = {number: whose for (table, number), whose in numbering.issued.items() if table == kind.table}
    for number, entry in told.items():
        where = f"{kind.table} {number}: {entry}"
        if number in rows:
            right = entry.fate is Fate.USED and entry.key == (rows[number],)
            expect(right, "audit: a number that stands in a row", lambda where=where: where)
            if number in issued:
                node = next((each for each in world.nodes if each.name == issued[number][0]), None)
                was_host = issued[number][0] == HOST  # it may be lost, and another one in its place
                peer = 0 if was_host or (node and node.is_host) else None if node is None else names.get(node.station)
                expect(peer == entry.node, "audit: drawn by another node", lambda where=where: where)
        elif number in issued:
            gone = entry.fate in (Fate.VOIDED, Fate.LOST)
            expect(gone, "audit: issued, and its row is not there", lambda where=where: where)
        elif entry.fate is not Fate.VOIDED:
            state = State(ledger[number][0])
            expect(entry.fate is _BY_LEDGER[state], "audit: another state than the ledger's", lambda where=where: where)
