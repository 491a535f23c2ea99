"""Hypothesis strategies for values and messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from replicator.protocol import messages
from replicator.protocol.messages import Direction, SegmentKind

numbers = st.integers(0, 2**53)
pairs = st.tuples(numbers, numbers)
integers = st.integers(-(2**63), 2**63 - 1)
texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "Köln", "2026-01-31", "2026-02-28", "a\0b", "\0"]),
    st.binary(max_size=12).map(lambda data: data.decode("utf-8", "surrogateescape")),
)
reals = st.one_of(
    st.floats(), st.sampled_from([0.0, -0.0, 12.34, 99.99, 1e308, 5e-324]), st.integers(-999, 999).map(float)
)
blobs = st.binary(max_size=12)
values = st.one_of(st.none(), integers, st.integers(-300, 300), reals, texts, blobs)
names = st.text(st.characters(codec="utf-8"), max_size=20)
digests = st.binary(min_size=32, max_size=32)
plain_data = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, st.floats(allow_nan=False), texts, blobs),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(names, st.integers(0, 99)), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def columns(draw: st.DrawFn) -> list[Any]:
    """A column as tables have them: mostly of one type, often with few distinct or similar values."""
    source = draw(
        st.sampled_from([integers, st.integers(0, 5), reals, texts, blobs, values, st.none(), dates, nullable])
    )
    column = draw(st.lists(source, max_size=20))
    return column * draw(st.sampled_from([1, 1, 1, 3, 70]))


dates = st.dates().map(str)
nullable = st.one_of(st.none(), texts)


@st.composite
def blocks(draw: st.DrawFn, kind: SegmentKind = SegmentKind.LOG) -> messages.TableBlock:
    classes = draw(st.text("NCD", max_size=30))
    count, changed, deleted = len(classes), classes.count("C"), classes.count("D")

    def parallel(elements: st.SearchStrategy[Any], length: int) -> list[Any]:
        return draw(st.lists(elements, min_size=length, max_size=length))

    width = draw(st.integers(1, 5))
    block = messages.TableBlock(
        table=draw(numbers),
        classes=classes,
        rows=parallel(st.tuples(*[values] * width), count - deleted),
        keys=parallel(st.tuples(values), deleted),
        verdict=draw(st.booleans()),
    )
    if kind is SegmentKind.LOG:
        block.numbers, block.orders = parallel(numbers, count), parallel(numbers, count)
    if draw(st.booleans()):
        block.times, block.bases = parallel(integers, count), parallel(pairs, count)
        block.masks = parallel(st.integers(0, 2**width - 1), changed)
        block.before = [draw(st.tuples(*[values] * mask.bit_count())) for mask in block.masks]
    return block


group_heads = st.builds(
    messages.GroupHead,
    number=numbers,
    uid=st.binary(max_size=64),
    born=pairs,
    rule_version=pairs,
    at=integers,
    merged=st.booleans(),
    control=st.one_of(st.none(), st.tuples(names, plain_data)),
)
control_records = st.builds(messages.ControlRecord, number=numbers, order=numbers, kind=names, body=plain_data)
segments = st.builds(
    messages.Segment,
    host_epoch=numbers,
    origin=numbers,
    groups=st.lists(group_heads, max_size=4),
    blocks=st.lists(blocks(), max_size=3),
    controls=st.lists(control_records, max_size=4),
)
entries = st.builds(
    messages.SegmentEntry,
    digest=digests,
    size=st.integers(1, 10**7),
    raw_size=st.integers(1, 10**7),
    kind=st.sampled_from(SegmentKind),
    rows=numbers,
)
manifests = st.builds(
    messages.Manifest,
    epoch=pairs,
    n=st.integers(1, 2**53),
    previous=st.none() | digests,
    peer_epoch=pairs,
    high=pairs,
    opener=st.none() | names,
    segments=st.lists(entries, max_size=5).map(tuple),
    schema_version=numbers,
)
missing = st.builds(messages.MissingParts, n=st.integers(1, 2**53), ranges=st.lists(pairs, max_size=4).map(tuple))
places: st.SearchStrategy[messages.PartPlace] = st.integers(1, 2**53).flatmap(
    lambda total: st.builds(
        messages.PartPlace,
        epoch=pairs,
        n=st.integers(1, 2**53),
        total=st.just(total),
        offset=st.integers(0, total - 1),
        peer_epoch=pairs,
        opener=st.none() | names,
        digest=st.binary(min_size=4, max_size=4),
    )
)
headers = st.builds(
    messages.Header,
    sender=names,
    receiver=names,
    direction=st.sampled_from(Direction),
    acknowledgement=st.builds(
        messages.Acknowledgement,
        epoch=pairs,
        n=numbers,
        digest=st.none() | digests,
        high=numbers,
        missing=st.lists(missing, max_size=4).map(tuple),
        probe=numbers,
    ),
    echo=st.builds(
        messages.Echo, epoch=pairs, n=numbers, digest=st.one_of(st.none(), st.binary(min_size=4, max_size=4))
    ),
    probe=numbers,
    part=st.none() | places,
    new_key=st.none() | digests,
    notice=st.none() | names,
)

Damage = Callable[[bytes], bytes]


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """A function that changes, cuts, lengthens or repeats bytes somewhere."""
    place, flip = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 255))
    sort = draw(st.sampled_from(["flip", "cut", "insert", "append", "remove"]))

    def damage(data: bytes) -> bytes:
        at = int(place * len(data))
        if sort == "flip":
            return data[:at] + bytes((data[at] ^ flip,)) + data[at + 1 :]
        if sort == "cut":
            return data[:at]
        if sort == "insert":
            return data[:at] + bytes((flip,)) + data[at:]
        if sort == "append":
            return data + bytes((flip,))
        return data[:at] + data[at + 1 :]

    return damage
