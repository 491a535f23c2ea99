"""The two tables of protocol.md 7.9, line by line and written as they stand there."""

from __future__ import annotations

from itertools import product

import pytest

from replicator.protocol.ties import Action, classify_upward, receive_row
from replicator.types import ChangeClass, Kinds, Tie

N, C, D = Kinds.NEW, Kinds.CHANGED, Kinds.DELETED
ALL_FLAGS = [Kinds(number) for number in range(8)]
NEW, CHANGED, DELETED = ChangeClass.NEW, ChangeClass.CHANGED, ChangeClass.DELETED

UPWARD = [
    # tie,      event,    flag,  on?,  new tie,    sent as, edited
    ("none", "put", N, True, "shared", NEW, False),
    ("none", "put", N, False, "none", None, False),
    ("none", "delete", None, None, "none", None, False),
    ("shared", "put", C, True, "shared", CHANGED, False),
    ("shared", "put", C, False, "shared", None, True),
    ("shared", "delete", D, True, "none", DELETED, False),
    ("shared", "delete", D, False, "hidden", None, False),
    ("detached", "put", None, None, "detached", None, False),
    ("detached", "delete", None, None, "none", None, False),
    ("hidden", "put", N, True, "shared", NEW, False),
    ("hidden", "put", N, False, "hidden", None, False),
    ("hidden", "delete", D, True, "none", DELETED, False),
    ("hidden", "delete", D, False, "hidden", None, False),
]

TIES = {"none": Tie.NONE, "shared": Tie.SHARED, "detached": Tie.DETACHED, "hidden": Tie.HIDDEN}


@pytest.mark.parametrize(("tie", "event", "flag", "on", "new_tie", "sent", "edited"), UPWARD)
def test_upward(
    tie: str, event: str, flag: Kinds | None, on: bool | None, new_tie: str, sent: ChangeClass | None, edited: bool
) -> None:
    for flags in ALL_FLAGS:
        if flag is not None and (flag in flags) is not on:
            continue
        what = classify_upward(TIES[tie], event == "delete", flags)
        assert (what.send, what.tie, what.edited) == (sent, TIES[new_tie], edited), flags


def test_upward_table_is_complete() -> None:
    for tie, event, flags in product(TIES, ("put", "delete"), ALL_FLAGS):
        lines = [
            line for line in UPWARD if line[:2] == (tie, event) and (line[2] is None or (line[2] in flags) is line[3])
        ]
        assert len(lines) == 1, (tie, event, flags)


def by_rule_or_d(change: ChangeClass, verdict: bool, flags: Kinds) -> bool:
    """'D record by rule, or D down on'."""
    return (change is DELETED and not verdict) or D in flags


def verdict_new_or_n(change: ChangeClass, verdict: bool, flags: Kinds) -> bool:
    """'verdict, class N, or N down on'."""
    return verdict or change is NEW or N in flags


def is_new(change: ChangeClass, _verdict: bool, _flags: Kinds) -> bool:
    return change is NEW


def always(_change: ChangeClass, _verdict: bool, _flags: Kinds) -> bool:
    return True


def otherwise(condition: object) -> object:
    return lambda *record: not condition(*record)  # type: ignore[operator]


DOWNWARD = [
    # tie,      event,     condition,                     new tie,    action,        records the local row
    ("shared", "deleted", by_rule_or_d, "none", Action.DELETE, False),
    ("shared", "deleted", otherwise(by_rule_or_d), "detached", Action.KEEP, False),
    ("detached", "deleted", by_rule_or_d, "none", Action.DELETE, True),
    ("detached", "deleted", otherwise(by_rule_or_d), "detached", Action.DROP, False),
    ("hidden", "deleted", always, "none", Action.KEEP, False),
    ("none", "deleted", always, "none", Action.KEEP, False),
    ("shared", "present", always, "shared", Action.PUT, False),
    ("hidden", "present", is_new, "shared", Action.PUT, True),
    ("hidden", "present", otherwise(is_new), "hidden", Action.DROP, False),
    ("none", "present", verdict_new_or_n, "shared", Action.PUT, True),
    ("none", "present", otherwise(verdict_new_or_n), "none", Action.DROP, False),
    ("detached", "present", verdict_new_or_n, "shared", Action.PUT, True),
    ("detached", "present", otherwise(verdict_new_or_n), "detached", Action.DROP, False),
]

RECORDS = {
    "deleted": list(product((DELETED, CHANGED), (False, True), ALL_FLAGS)),
    "present": list(product((NEW, CHANGED), (False, True), ALL_FLAGS)),
}
"""(class, verdict?, downward flags). Content counts as class C by rule, what it lacks as deleted by verdict."""


@pytest.mark.parametrize(("tie", "event", "condition", "new_tie", "action", "records_local"), DOWNWARD)
def test_downward(tie: str, event: str, condition: object, new_tie: str, action: Action, records_local: bool) -> None:
    met = [record for record in RECORDS[event] if condition(*record)]  # type: ignore[operator]
    assert met
    for change, verdict, flags in met:
        what = receive_row(TIES[tie], event == "present", change, verdict, flags)
        assert (what.action, what.tie, what.record_local) == (action, TIES[new_tie], records_local)


def test_downward_table_is_complete() -> None:
    for tie, event in product(TIES, RECORDS):
        for record in RECORDS[event]:
            lines = [line for line in DOWNWARD if line[:2] == (tie, event) and line[2](*record)]  # type: ignore[operator]
            assert len(lines) == 1, (tie, event, record)


def test_ties_and_classes_may_be_plain_text() -> None:
    assert receive_row("S", True, "C", False, Kinds.ALL) == receive_row(Tie.SHARED, True, CHANGED, False, Kinds.ALL)
    assert classify_upward("S", False, Kinds.ALL) == classify_upward(Tie.SHARED, False, Kinds.ALL)
