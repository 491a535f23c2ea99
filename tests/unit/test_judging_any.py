"""Any sequence of proposals: the host's keys hold, and nothing is lost without a conflict (protocol.md 5.7, S1, S4)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from small_judging import HERE, Judged, delete, insert, update
from small_tables import Place, key_of, table

from replicator.protocol.proposals import Proposal
from replicator.types import Image, Key

CUSTOMER = table(
    1,
    "customer",
    "id integer!, name text(8)!, code integer, boss integer",
    unique=["name", "code"],
    foreign=[("boss", "customer", "id")],
)
ORDER = table(
    2,
    "order",
    "id integer!, customer integer!, number integer!",
    unique=["number"],
    foreign=[("customer", "customer", "id")],
)

small = st.integers(1, 4)
maybe = st.one_of(st.none(), small)
customers = st.tuples(small, st.sampled_from(["a", "b", "a~1", "a~2"]), maybe, maybe)
orders = st.tuples(small, small, small)
bases = st.sampled_from([(0, 0), (1, 1), HERE])


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    owner, images = draw(st.sampled_from([(CUSTOMER, customers), (ORDER, orders)]))
    image, base = draw(images), draw(bases)
    match draw(st.sampled_from("NCD")):
        case "N":
            return insert(owner, *image, base=base)
        case "D":
            return delete(owner, image[0], base=base)
        case _:
            return update(owner, (image[0], *draw(images)[1:]), image, base=base)


def _sent(proposal: Proposal) -> dict[int, Any]:
    """What the station wrote: the masked columns by place."""
    image = proposal.image
    return {} if image is None else {i: image[i] for i in range(len(image)) if proposal.mask >> i & 1}


@settings(max_examples=300, deadline=None)
@given(st.lists(proposals(), min_size=1, max_size=25))
def test_keys_hold_and_nothing_is_lost_without_a_conflict(sequence: list[Proposal]) -> None:
    place = Place(CUSTOMER, ORDER)
    for proposal in sequence:
        state = place.working[proposal.table]
        before = state.rows.get(proposal.key)
        judged = Judged(place, proposal)
        after = state.rows.get(proposal.key)
        assert not place.broken_keys()
        assert not place.stale_indexes()
        mine = [conflict for conflict in judged.outcome.conflicts if conflict.key == proposal.key]
        if proposal.image is None:
            assert after is None or mine
        else:
            lost = after is None or any(after[place_] != value for place_, value in _sent(proposal).items())
            assert not lost or mine
        records = [record for record in judged.outcome.records if record.key == proposal.key]
        if after != proposal.image:
            assert any(record.verdict and record.image == after for record in records), "the origin is told"
        if after != before:
            assert any(record.shared and record.image == after for record in records), "all are told"


@st.composite
def groups(draw: st.DrawFn) -> list[Proposal]:
    """Also a customer whose key changes, as SQLite tells of it: references first, then the old row, then the new."""
    group = draw(st.lists(proposals(), max_size=8))
    if draw(st.booleans()):
        old, new = draw(small), draw(small)
        order, customer = draw(orders), draw(customers)
        group += [
            update(ORDER, (order[0], old, order[2]), (order[0], new, order[2]), base=draw(bases)),
            delete(CUSTOMER, old, base=draw(bases)),
            insert(CUSTOMER, new, *customer[1:], base=draw(bases)),
        ]
    return natural(draw(st.permutations(group)) if draw(st.booleans()) else group)


def natural(group: list[Proposal]) -> list[Proposal]:
    """What a database could tell of: no insert over a row of the group, no change or delete of one that it has deleted,
    no change of one that is otherwise by then; and nothing where at its end keys of the group's own rows don't hold."""
    rows: dict[tuple[int, Key], Image | None] = {}
    told = []
    for each in group:
        where = each.table, each.key
        old, change = rows.get(where), each
        if each.change == "C" and old is not None and each.image is not None:
            change = update(_TABLES[each.table], old, each.image, base=each.base)
        if where not in rows or (rows[where] is None) == (change.change == "N"):
            rows[where] = change.image
            told.append(change)
    return told if _keys_hold(rows) else []


_TABLES = {CUSTOMER.id: CUSTOMER, ORDER.id: ORDER}
_UNIQUE = {CUSTOMER.id: (1, 2), ORDER.id: (2,)}
_CUSTOMER_IN = {CUSTOMER.id: 3, ORDER.id: 1}
"""Places of columns."""


def _keys_hold(rows: dict[tuple[int, Key], Image | None]) -> bool:
    gone = {key for (number, key), image in rows.items() if number == CUSTOMER.id and image is None}
    seen = set()
    for (number, _), image in rows.items():
        if image is None:
            continue
        customer = image[_CUSTOMER_IN[number]]
        values = {(number, place, image[place]) for place in _UNIQUE[number] if image[place] is not None}
        if values & seen or (customer is not None and key_of(customer) in gone):
            return False
        seen |= values
    return True


@settings(max_examples=400, deadline=None)
@given(st.lists(groups(), min_size=1, max_size=5))
def test_at_the_end_of_a_group_keys_hold(sequence: list[list[Proposal]]) -> None:
    """In between a row may refer to a parent that is sure to come."""
    place = Place(CUSTOMER, ORDER)
    for group in sequence:
        place = _with_care(place, group)
        assert not place.broken_keys()
        assert not place.stale_indexes()


def _with_care(place: Place, group: list[Proposal]) -> Place:
    """Where what was taken for the sake of later changes did not come, the group is judged by halves, as `judge` does:
    it may be for a parent that the host has no more, say. A change by itself is taken for the sake of nothing."""
    before = deepcopy(place)
    if Judged(place, *group).kept:
        return place
    assert len(group) > 1
    middle = len(group) // 2
    return _with_care(_with_care(before, group[:middle]), group[middle:])
