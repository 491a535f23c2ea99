"""Rules change at the host only: a versioned record in its log, with content where one was widened (protocol.md 7.9).

One transaction: collect, rule rows, record, content, link rows. The content is read while the database is held: an
announced reload, which the operator asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from replicator.engine import fitness
from replicator.engine.collect import collect, open_group
from replicator.engine.node import Unit
from replicator.engine.packing import pack_table
from replicator.engine.restarting import load_anew, waits_for_snapshot
from replicator.errors import WrongUse
from replicator.protocol.definitions import table_to_plain
from replicator.protocol.keys import key_packer
from replicator.protocol.messages import SegmentEntry
from replicator.protocol.order import parents_first
from replicator.protocol.rules import RuleBook, faults
from replicator.store import catalogue, rows, slices
from replicator.store.state import Peer
from replicator.types import Key, Kinds, Position, Rule, Table


def set_rules(unit: Unit, peer: int, changes: dict[int, Rule], *, leaving: bool = False) -> None:
    """Set the rules of these tables for one station. Raises WrongUse with all that is wrong, changing nothing.

    `leaving`: the tables are replicated no more, and may be gone already.
    """
    book = unit.books[peer]
    old = {table: book.current(table) for table in changes}
    changes = {table: rule for table, rule in changes.items() if rule != old[table]}
    if not changes:
        return
    station = unit.peers[peer]
    require_possible(station, unit.tables, book, changes)
    was_unfit = bool(fitness.unfit(unit, station))
    collect(unit)
    # Before the content is read: where new rows are kept back, it is what the station has.
    for table, rule in changes.items() if not leaving else ():
        _keep_link_rows(unit, peer, table, old[table], rule)
    # A link that waits for its snapshot gets the rules and all rows with it.
    scope = [table for table, rule in changes.items() if rule.to_remote & ~old[table].to_remote]
    version = _log(unit, peer, changes, [] if waits_for_snapshot(unit.link(peer)) else scope)
    link = unit.link(peer)
    link.rule = version
    unit.forget_catalogue()
    fitness.review(unit, station)
    if was_unfit and not link.link.out.acknowledged and not fitness.unfit(unit, station):
        # What was made for it before its database was known can't be taken there: its link begins anew.
        load_anew(link)


def require_possible(station: Peer, tables: Mapping[int, Table], book: RuleBook, changes: dict[int, Rule]) -> None:
    """Raises WrongUse where foreign keys or the station's database forbid these rules."""
    wanted = {table: book.current(table) for table in tables} | changes
    if found := faults(wanted, tables):
        raise WrongUse("; ".join(dict.fromkeys(found)))
    wider = [tables[table] for table, rule in changes.items() if _is_wider(rule, book.current(table))]
    if unfit := fitness.refusals(station, tables, wanted, wider):
        raise WrongUse(f"{fitness.sentence(station, unfit)}; no rule was changed")


def send_anew(unit: Unit, peer: int, tables: list[int]) -> None:
    """The present rows of these tables go to the station as content of a rule that stays as it is."""
    collect(unit)
    if waits_for_snapshot(unit.link(peer)):
        return
    unit.link(peer).rule = _log(unit, peer, {table: unit.current_rule(peer, table) for table in tables}, tables)
    unit.forget_catalogue()


def _log(unit: Unit, peer: int, rules: dict[int, Rule], scope: list[int]) -> Position:
    """Log the rules of these tables for the station, with the content of those in scope. Gives their version."""
    group = open_group(unit, control="rule")
    for table, rule in rules.items():
        catalogue.add_rule(unit.connection, peer, table, group.position, rule)
    content = _content(unit, peer, scope, rules, group.position)
    body = {
        "rules": [[table, int(rule.to_remote), int(rule.to_host)] for table, rule in sorted(rules.items())],
        "tables": [table_to_plain(unit.tables[table]) for table, rule in sorted(rules.items()) if rule],
        "scope": sorted(scope),
        "content": len(content),
    }
    slices.insert_content(unit.connection, group.n, content)
    unit.journal.add_control(peer, "rule", body, content=bool(content))
    return group.position


def _is_wider(new: Rule, old: Rule) -> bool:
    """A rule for a table that doesn't fit may still be made narrower, or taken away."""
    return bool(new.to_remote & ~old.to_remote or new.to_host & ~old.to_host)


def _content(
    unit: Unit, peer: int, scope: list[int], changes: dict[int, Rule], version: Position
) -> list[SegmentEntry]:
    content: list[SegmentEntry] = []
    for table in parents_first(unit.tables[number] for number in scope):
        gone: list[Key] = []
        content += pack_table(
            unit.node,
            unit.connection,
            version[0],
            table,
            peer,
            changes[table.id],
            lambda _count: None,
            gone=gone,
            with_versions=unit.peers[peer].backup,
        )
        rows.remove_link_rows(unit.connection, peer, table.id, gone)
    return content


def _keep_link_rows(unit: Unit, peer: int, table: int, old: Rule, new: Rule) -> None:
    """What the station has is written down from when new rows stop going down, and until they go down again."""
    had, has = Kinds.NEW in old.to_remote, Kinds.NEW in new.to_remote
    if has:
        rows.clear_link_rows(unit.connection, peer, table)
    elif had:
        pack_key_of = key_packer(unit.tables[table].definition)
        for images in unit.database.scan(unit.connection, unit.tables[table]):
            rows.add_link_rows(unit.database, unit.connection, peer, table, map(pack_key_of, images))
