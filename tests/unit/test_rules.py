"""Rules as the host keeps them: versions, recipients, and rules that can't go together (protocol.md 5.7, 7.9)."""

from __future__ import annotations

import pytest
from small_tables import table

from replicator.protocol.rules import RuleBook, faults, wanting
from replicator.types import NO_RULE, NOWHERE, Kinds, Rule

N, C, D, ALL, NONE = Kinds.NEW, Kinds.CHANGED, Kinds.DELETED, Kinds.ALL, Kinds.NONE
BOTH = Rule(ALL, ALL)

CUSTOMER = table(1, "customer", "id integer!")
ORDER = table(2, "order", "id integer!, customer integer", foreign=[("customer", "customer", "id")])
LOOSE = table(
    3, "loose", "id integer!, customer integer", foreign=[("customer", "customer", "id")], on_delete="SET NULL"
)
STAFF = table(4, "staff", "id integer!, boss integer", foreign=[("boss", "staff", "id")])
OUTSIDE = table(5, "outside", "id integer!, x integer", foreign=[("x", "not_replicated", "id")])
TABLES = {found.id: found for found in (CUSTOMER, ORDER, LOOSE, STAFF, OUTSIDE)}


def book(*versions: tuple[int, tuple[int, int], Rule]) -> RuleBook:
    found = RuleBook()
    for table_id, version, rule in versions:
        found.add(table_id, version, rule)
    return found


def test_the_rule_of_a_time() -> None:
    rules = book((1, (1, 10), Rule(ALL, N)), (1, (1, 20), Rule(ALL, C)), (1, (2, 1), Rule(ALL, D)))
    assert [rules.at(1, version).to_host for version in [(1, 10), (1, 19), (1, 20), (1, 99), (2, 0), (2, 1)]] == [
        N, N, C, C, C, D,
    ]  # fmt: skip
    assert rules.current(1).to_host == D


def test_a_version_is_a_position_and_may_be_another_tables() -> None:
    rules = book((1, (1, 10), BOTH), (2, (1, 15), BOTH))
    assert rules.at(1, (1, 15)) == BOTH
    assert rules.at(2, (1, 10)) == NO_RULE


def test_before_the_first_rule_and_without_any() -> None:
    rules = book((1, (1, 10), BOTH))
    assert rules.at(1, NOWHERE) == NO_RULE
    assert rules.at(9, (5, 5)) == NO_RULE
    assert rules.current(9) == NO_RULE


def test_tables_that_have_a_rule_now() -> None:
    rules = book((1, (1, 1), BOTH), (2, (1, 1), BOTH), (2, (1, 2), NO_RULE), (3, (1, 3), Rule(NONE, N)))
    assert rules.tables() == [1, 3]


def test_recipients_are_fixed_by_kind() -> None:
    books = {
        7: book((1, (1, 1), Rule(N | C, NONE))),
        3: book((1, (1, 1), Rule(ALL, ALL))),
        5: book((1, (1, 1), Rule(NONE, ALL))),
        9: book((1, (1, 1), BOTH), (1, (1, 2), NO_RULE)),
    }
    assert wanting(books, 1, N) == (3, 7)
    assert wanting(books, 1, C) == (3, 7)
    assert wanting(books, 1, D) == (3,)
    assert wanting(books, 2, N) == ()


FAULTS = [
    # rules by table                                              what is wrong
    ({1: BOTH, 2: BOTH}, []),
    ({2: BOTH}, ["new rows of order (to-remote) need", "new rows of order (to-host) need"]),
    ({1: Rule(ALL, NONE), 2: BOTH}, ["new rows of order (to-host) need"]),
    ({1: Rule(C | D, ALL), 2: BOTH}, ["new rows of order (to-remote) need"]),
    ({1: BOTH, 2: Rule(N | C, ALL)}, ["deleted rows of customer (to-remote) need"]),
    ({1: BOTH, 2: Rule(ALL, N)}, ["deleted rows of customer (to-host) need"]),
    ({1: BOTH, 3: Rule(N | C, N)}, []),
    ({1: BOTH}, []),
    ({2: Rule(C, NONE)}, []),
    ({4: Rule(N, D)}, []),
    ({5: BOTH}, []),
]


@pytest.mark.parametrize(("rules", "found"), FAULTS)
def test_rules_that_cannot_go_together(rules: dict[int, Rule], found: list[str]) -> None:
    told = faults(rules, TABLES)
    assert len(told) == len(found)
    for sentence, part in zip(told, found, strict=True):
        assert part in sentence
