"""What migrations say, as Python and as JSON: read back, it is the same."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import WrongUse
from replicator.operations.migration_requests import described, read, written
from replicator.operations.migration_steps import (
    RefreshCapture,
    ReplicateTable,
    StopReplicating,
    call_text,
    read_replicated,
)
from replicator.operations.replicating import Refreshed, Replicated, Step, Stopped
from replicator.types import Kinds, Policy, Rule

names = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3).map(tuple)
kinds = st.integers(0, 7).map(Kinds)
steps = st.one_of(
    st.builds(
        Replicated,
        names,
        st.none() | st.text(max_size=9),
        st.none() | st.sampled_from(Policy),
        st.dictionaries(st.text(max_size=9), st.builds(Rule, kinds, kinds), max_size=3),
        st.lists(st.text(max_size=9), max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(Stopped, names),
    st.builds(Refreshed, names, st.none() | st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3)),
)


def said(text: str) -> Step:
    """What Python makes of the call."""
    call = ast.parse(text).body[0].value  # type: ignore[attr-defined]
    tables = [ast.literal_eval(each) for each in call.args]
    options: dict[str, Any] = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    if call.func.attr == "stop_replicating":
        return Stopped(tuple(tables))
    if call.func.attr == "refresh_capture":
        return Refreshed(tuple(tables), options.get("renamed"))
    return read_replicated(
        tables,
        options.get("area"),
        options.get("policy"),
        options.get("rules"),
        options.get("columns", ()),
        options.get("replace_cascades", False),
    )


@given(steps)
def test_what_is_written_is_read_back(step: Step) -> None:
    assert read(written(step)) == step
    assert said(call_text(step)) == step


def test_a_call_is_as_a_person_would_write_it() -> None:
    rules = {"all": Rule(Kinds.ALL, Kinds.ALL), "köln": Rule(Kinds.ALL, Kinds.NEW)}
    step = Replicated(("invoices",), None, Policy.MERGE, rules)
    assert call_text(step) == (
        'op.replicate_table("invoices", policy="merge", rules={"all": "all", "köln": ("all", "new")})'
    )
    long = call_text(Replicated(("invoices",), "Sales", Policy.MERGE, rules, ("id", "number")), indent="    ")
    assert long.splitlines()[1] == '        "invoices",'
    assert call_text(Refreshed(("a", "b"), {})) == 'op.refresh_capture("a", "b", renamed={})'


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"do": "sing", "tables": ["a"]}', '{"do": "stop", "tables": [1]}'])
def test_what_cannot_be_read_is_refused(body: str) -> None:
    with pytest.raises(WrongUse, match="can't be read"):
        read(body)
    assert described(body) == "do what can't be read"


@pytest.mark.parametrize("rule", ["everything", ("all",), ("all", 1), {"up": "all"}, None, {}])
def test_a_rule_that_cannot_be_read_is_named(rule: object) -> None:
    with pytest.raises(WrongUse, match="the rule of koeln"):
        read_replicated(["a"], None, None, {"koeln": rule})


def test_ways_back() -> None:
    before = Replicated(("a",), policy=Policy.HOST)
    stop = ReplicateTable(Replicated(("a",), policy=Policy.MERGE)).reverse()
    assert isinstance(stop, StopReplicating)
    assert stop.reverse().step == Replicated(("a",), policy=Policy.MERGE)
    assert ReplicateTable(Replicated(("a",), policy=Policy.MERGE), before).reverse().step == before
    back = RefreshCapture(Refreshed(("a",), {"old": "new"})).reverse()
    assert isinstance(back, RefreshCapture)
    assert (back.step, back.only_backwards) == (Refreshed(("a",), {"new": "old"}), True)
