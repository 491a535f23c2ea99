"""Rules as the host keeps them: per station, table and direction, versioned by log position (design: rules travel in
band; protocol.md 7.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from replicator.types import NO_RULE, Kinds, Position, Rule, Table


@dataclass(slots=True)
class RuleBook:
    """All versions of one station's rules. A version is the log position at which it was set."""

    versions: dict[int, list[tuple[Position, Rule]]] = field(default_factory=dict)
    """By table, ascending."""

    def add(self, table: int, version: Position, rule: Rule) -> None:
        self.versions.setdefault(table, []).append((version, rule))

    @property
    def first(self) -> Position | None:
        """The oldest version of any table; None: there never was a rule."""
        return min((history[0][0] for history in self.versions.values() if history), default=None)

    def current(self, table: int) -> Rule:
        history = self.versions.get(table)
        return history[-1][1] if history else NO_RULE

    def at(self, table: int, version: Position) -> Rule:
        """The rule of that time: the last one set at or before that version (protocol.md 5.7 step 0)."""
        for since, rule in reversed(self.versions.get(table, ())):
            if since <= version:
                return rule
        return NO_RULE

    def tables(self) -> list[int]:
        """Tables that have a rule now."""
        return [table for table, history in self.versions.items() if history[-1][1]]


def wanting(books: Mapping[int, RuleBook], table: int, kinds: Kinds) -> tuple[int, ...]:
    """Stations whose rule for this table wants one of these kinds of change, sorted: a record's recipients."""
    return tuple(sorted(peer for peer, book in books.items() if kinds & book.current(table).to_remote))


def faults(rules: Mapping[int, Rule], tables: Mapping[int, Table]) -> list[str]:
    """What is wrong with a station's rules taken together, a sentence each (protocol.md 7.9, validation).

    New rows of a child need new rows of its parents in that direction, else its foreign key fails at every insert.
    Deletes of a parent need deletes of its children, else the parent could never go where children are; a table that
    the station has no rule for is not meant.
    """
    by_name = {table.name: table for table in tables.values()}
    found: list[str] = []
    for child in tables.values():
        for foreign in child.definition.foreign_keys:
            parent = by_name.get(foreign.parent)
            if parent is None or parent.id == child.id:
                continue
            mine, theirs = rules.get(child.id, NO_RULE), rules.get(parent.id, NO_RULE)
            if not mine:
                continue
            for word, own, other in (
                ("to-remote", mine.to_remote, theirs.to_remote),
                ("to-host", mine.to_host, theirs.to_host),
            ):
                found += _faults_of_pair(child.name, parent.name, word, own, other, foreign.on_delete)
    return found


def _faults_of_pair(child: str, parent: str, way: str, own: Kinds, other: Kinds, on_delete: str) -> Iterable[str]:
    if Kinds.NEW in own and Kinds.NEW not in other:
        yield f"{child} refers to {parent}: new rows of {child} ({way}) need new rows of {parent} too"
    if Kinds.DELETED in other and Kinds.DELETED not in own and on_delete not in ("SET NULL", "SET DEFAULT"):
        yield f"{child} refers to {parent}: deleted rows of {parent} ({way}) need deleted rows of {child} too"
