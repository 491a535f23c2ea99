"""Any chunk of records: a station's keys hold, and no local row is lost silently (protocol.md 7.7, S4, S5, S11)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from small_replaying import PRIVATE, H, Replayed, T
from small_tables import Place, key_of, table

from replicator.protocol.replaying import Record
from replicator.types import Image, Kinds

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
customers = st.tuples(small, st.sampled_from("abcd"), maybe, maybe)
orders = st.tuples(small, small, small)


@st.composite
def records(draw: st.DrawFn) -> tuple[str, Image, bool, bool]:
    return (
        draw(st.sampled_from("NCD")),
        draw(st.one_of(customers, orders)),
        draw(st.booleans()),
        draw(st.booleans()),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(records(), min_size=1, max_size=10), min_size=1, max_size=5),
    st.sets(st.tuples(st.sampled_from([1, 2]), small)),
    st.sampled_from([Kinds.ALL, Kinds.NEW | Kinds.CHANGED, Kinds.CHANGED]),
)
def test_keys_hold_after_every_chunk(
    chunks: list[list[tuple[str, Image, bool, bool]]], waiting: set[tuple[int, int]], flags: Kinds
) -> None:
    """Whatever comes, also what no host would send: keys stay valid, nothing pending moves, each refusal is asked."""
    place = Place(CUSTOMER, ORDER)
    pending: dict[tuple[int, bytes], int] = {}
    n = 0
    for number, chunk in enumerate(chunks):
        steps: list[Record] = []
        for change, image, verdict, gone_ in chunk:
            n += 1
            owner = CUSTOMER if len(image) == 4 else ORDER
            row = None if change == "D" or gone_ else image
            steps.append(Record((1, n), owner.id, "D" if row is None else change, key_of(image[0]), row, verdict))
        held = {where: place.working[where[0]].rows.get(where[1]) for where in pending}
        replayed = Replayed(place, *steps, flags=flags, pending=pending)
        assert not place.broken_keys()
        assert not place.stale_indexes()
        assert {where: place.working[where[0]].rows.get(where[1]) for where in pending} == held
        for where in replayed.skipped:
            assert where in pending or where in replayed.asked
        place.written()
        if not number:
            pending = {(owner, key_of(key)): 9 for owner, key in waiting}


@settings(max_examples=150, deadline=None)
@given(st.lists(customers, max_size=4), st.lists(records(), min_size=1, max_size=10), st.sampled_from([PRIVATE, T, H]))
def test_no_local_row_is_lost_silently(
    local: list[Image], chunk: list[tuple[str, Image, bool, bool]], tie: str
) -> None:
    """protocol.md 1.1, S11: what was private, detached or made again here is on record when it gives way."""
    place = Place(CUSTOMER, ORDER)
    for number, name, code, _ in {image[0]: image for image in local}.values():
        if not any(name == row[1] or (code is not None and code == row[2]) for row in place.rows(CUSTOMER)):
            place.has(CUSTOMER, number, name, code, None, tie=tie)
    before = dict(place.state(CUSTOMER).rows)
    steps = [
        Record(
            (1, n),
            1 if len(image) == 4 else 2,
            "D" if gone_ else "N",
            key_of(image[0]),
            None if gone_ else image,
            verdict,
        )
        for n, (_, image, verdict, gone_) in enumerate(chunk, start=2)
    ]
    replayed = Replayed(place, *steps)
    on_record = {key for _, key, _, ours in replayed.conflicts if ours == before.get(key)}
    for key, image in before.items():
        plan = replayed.replay.plans.get(CUSTOMER.id, {}).get(key)
        is_the_hosts_now = plan is not None and not plan.refused and plan.image == image
        assert place.state(CUSTOMER).rows.get(key) == image or key in on_record or is_the_hosts_now
