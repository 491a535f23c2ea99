"""Rules: what passes between the host and a station, for each table and direction (design.md 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from replicator.engine import fitness
from replicator.engine.node import Node
from replicator.engine.rule_changes import set_rules
from replicator.errors import UnknownName, WrongUse
from replicator.operations.opening import View, require_host
from replicator.operations.table_fitness import ALL
from replicator.protocol.rules import RuleBook
from replicator.store import catalogue, state
from replicator.store.state import Peer
from replicator.types import Kinds, Rule, Table


@dataclass(frozen=True, slots=True)
class StationRule:
    station: str
    table: str
    area: str | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class RulesSet:
    rules: list[StationRule]
    """Those that changed: [] if they were so already."""
    remarks: list[str]
    """What the station's database makes of tables that it did not get before, a sentence each."""


def set_rule(
    node: Node, station: str, what: str, *, to_remote: Kinds | None = None, to_host: Kinds | None = None
) -> RulesSet:
    """Set a station's rules for a table, an area or 'all'; a direction that is None keeps its kinds.

    What the station gets more of is sent with the next run. Raises UnknownName, and WrongUse where foreign keys or the
    station's database forbid it: then nothing is changed.
    """
    require_host(node, "rules are set")
    with node.unit() as unit:
        peer = state.find_peer(unit.connection, station)
        if peer.backup:
            raise WrongUse(
                f"{peer.name} is a backup station: it gets all tables and sends nothing up, so that it can become the "
                f"host; no rules are set for it"
            )
        changes = changes_meant(unit.tables, unit.books[peer.id], what, to_remote, to_host)
        named = {number for number in changes if not unit.current_rule(peer.id, number)}
        if changes:
            set_rules(unit, peer.id, changes)
        rules = {number: unit.current_rule(peer.id, number) for number in unit.tables}
        changed = [unit.tables[number] for number in changes]
        return RulesSet(
            [StationRule(peer.name, table.name, table.area, rules[table.id]) for table in changed],
            fitness.remarks(peer, unit.tables, rules, [table for table in changed if table.id in named]),
        )


def changes_meant(
    tables: Mapping[int, Table], book: RuleBook, what: str, to_remote: Kinds | None, to_host: Kinds | None
) -> dict[int, Rule]:
    """The rules that become others by a command, by table. Raises UnknownName."""
    changes = {}
    for table in _meant(tables, what):
        old = book.current(table.id)
        new = Rule(old.to_remote if to_remote is None else to_remote, old.to_host if to_host is None else to_host)
        if new != old:
            changes[table.id] = new
    return changes


def _meant(tables: Mapping[int, Table], what: str) -> list[Table]:
    """The tables that a word of the command line means."""
    found = [table for table in tables.values() if what == ALL or table.name == what]
    found = found or [table for table in tables.values() if table.area == what]
    if found:
        return found
    if what == ALL:
        raise UnknownName("no table is replicated yet; add some first: replicator table add NAME")
    raise UnknownName(f"there is no replicated table or area named {what}; see: replicator table list")


def list_rules(view: View, station: str | None = None) -> list[StationRule]:
    """For each station and each replicated table its rule, empty ones included. Raises UnknownName.

    At a station these are its own, as the host told them last.
    """
    books = catalogue.load_rule_books(view.connection)
    tables = sorted(catalogue.load_tables(view.connection).values(), key=lambda table: (table.area or "", table.name))
    peers = list(view.peers.values())
    if station is not None and not (station == view.node.name and not view.is_host):
        peers = [state.find_peer(view.connection, station)]
    return [
        StationRule(_station(view, peer), table.name, table.area, books[peer.id].current(table.id))
        for peer in peers
        for table in tables
    ]


def _station(view: View, peer: Peer) -> str:
    """A station's one peer is the host, and the rules are its own."""
    return peer.name if view.is_host else view.node.name
