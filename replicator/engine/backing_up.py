"""What a backup station gets: all tables, whole, and nothing of it comes back (protocol.md 10.2)."""

from __future__ import annotations

from replicator.engine import fitness
from replicator.engine.node import Unit
from replicator.engine.rule_changes import set_rules
from replicator.protocol.rules import faults
from replicator.store import notices
from replicator.types import NO_RULE, Kinds, Rule

EVERYTHING = Rule(Kinds.ALL, Kinds.NONE)
LEFT_OUT = "not-backed-up"
"""Kind of the notice about tables that a backup station can't hold."""


def give_all_tables(unit: Unit, peer: int) -> list[str]:
    """Its rules are these: everything down, nothing up, of each table that its database can hold.

    Gives a sentence where some are left out.
    """
    station = unit.peers[peer]
    rules = dict.fromkeys(unit.tables, EVERYTHING)
    reasons = []
    for table in unit.tables.values():
        if found := fitness.refusals(station, unit.tables, rules, [table]):
            reasons += found
            rules[table.id] = NO_RULE
    while torn := [table.id for table in unit.tables.values() if rules[table.id] and _is_torn(unit, rules, table.id)]:
        rules.update(dict.fromkeys(torn, NO_RULE))
    set_rules(unit, peer, rules)
    left_out = sorted(unit.tables[number].name for number, rule in rules.items() if not rule)
    notices.settle(unit.connection, (LEFT_OUT,), station.name)
    if not left_out:
        return []
    told = (
        f"{fitness.sentence(station, reasons)}; so the backup station {station.name} does not get "
        f"{', '.join(left_out)}, and these would be lost with this host"
    )
    unit.notice(LEFT_OUT, station.name, told, waiting=True)
    return [f"{told}."]


def _is_torn(unit: Unit, rules: dict[int, Rule], table: int) -> bool:
    """Does it refer to a table that is left out?"""
    parents = {unit.tables[table].name, *(key.parent for key in unit.tables[table].definition.foreign_keys)}
    among = {number: each for number, each in unit.tables.items() if each.name in parents}
    return bool(faults({number: rules[number] for number in among}, among))


def review(unit: Unit, peer: int) -> None:
    """Its database may be known by now."""
    if fitness.unfit(unit, unit.peers[peer]):
        give_all_tables(unit, peer)


def take_away(unit: Unit, tables: set[int]) -> None:
    """Tables that are no longer replicated."""
    for peer in [peer.id for peer in unit.peers.values() if peer.backup]:
        set_rules(unit, peer, dict.fromkeys(tables, NO_RULE))
