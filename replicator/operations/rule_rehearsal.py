"""What an edit of the rules would send, before it is made: rows, bytes and mails."""

from __future__ import annotations

from dataclasses import dataclass

from replicator.engine.packing import measure_table
from replicator.engine.rule_changes import require_possible
from replicator.operations.opening import View, require_host
from replicator.operations.rules_admin import changes_meant
from replicator.store import catalogue, rows, state
from replicator.types import Kinds, Rule, Table

SAMPLE_BYTES = 32_000_000
"""Of a table, before compression: what is packed to learn how large it gets; the rest is taken to be alike."""
ENVELOPE = 600
"""Bytes of a batch beside its content, about."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What one table's new rule would send."""

    table: str
    old: Rule
    new: Rule
    rows: int
    """Present rows that go to the station at once."""
    bytes: int
    """Of mails, before base64."""
    exact: bool
    """Else the table is large, and its bytes are told from a sample."""
    asks: Kinds
    """Upward kinds that the station gets allowed: it sends what it has held back of them. How much only it knows."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    tables: list[Expected]
    """Those whose rule would change."""
    mails: int
    """That go to the station at once, about."""


def rehearse(
    view: View, station: str, what: str, *, to_remote: Kinds | None = None, to_host: Kinds | None = None
) -> Rehearsal:
    """As `rules_admin.set_rule`, and nothing is changed. Raises what that raises."""
    require_host(view, "rules are rehearsed")
    peer = state.find_peer(view.connection, station)
    tables, book = catalogue.load_tables(view.connection), catalogue.load_rule_books(view.connection)[peer.id]
    changes = changes_meant(tables, book, what, to_remote, to_host)
    require_possible(peer, tables, book, changes)
    found = [_expected(view, peer.id, tables[table], book.current(table), rule) for table, rule in changes.items()]
    total = sum(each.bytes for each in found)
    part = view.configuration.limits.part_bytes
    return Rehearsal(found, -(-(total + ENVELOPE) // part) if found else 0)


def _expected(view: View, peer: int, table: Table, old: Rule, new: Rule) -> Expected:
    asks = new.to_host & ~old.to_host
    if not new.to_remote & ~old.to_remote:
        return Expected(table.name, old, new, 0, 0, True, asks)
    if Kinds.NEW in new.to_remote:
        count = view.database.count(view.connection, table)
    else:
        count = rows.count_link_rows(view.connection, peer, table.id)
    raw = packed = seen = 0
    slice_bytes = min(900_000, view.configuration.limits.part_bytes)
    for entry in measure_table(view.database, view.connection, table, peer, new, slice_bytes):
        raw, packed, seen = raw + entry.raw_size, packed + entry.size, seen + entry.rows
        if raw >= SAMPLE_BYTES:
            break
    exact = seen >= count
    return Expected(table.name, old, new, count, packed if exact else packed * count // max(seen, 1), exact, asks)
