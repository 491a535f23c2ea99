"""Old values of local edits: the first value before any edit stays (protocol.md 7.9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import values

from replicator.errors import PeerFault
from replicator.protocol.edits import merge_edit, read_edit


def test_first_values_stay() -> None:
    blob = merge_edit(None, 0b0110, ("b", "c"))
    assert read_edit(blob) == (0b0110, ("b", "c"))
    blob = merge_edit(blob, 0b1100, ("later", "d"))
    assert read_edit(blob) == (0b1110, ("b", "c", "d"))


def test_null_is_a_value_before_an_edit() -> None:
    blob = merge_edit(merge_edit(None, 1, (None,)), 1, ("later",))
    assert read_edit(blob) == (1, (None,))


def test_an_edit_beyond_64_columns() -> None:
    mask = 1 << 70 | 1 << 3
    assert read_edit(merge_edit(None, mask, ("three", "seventy"))) == (mask, ("three", "seventy"))


def test_mask_and_values_must_fit() -> None:
    with pytest.raises(ValueError):
        merge_edit(None, 0b11, ("one",))


def test_damaged_notes_are_a_fault_that_can_be_told() -> None:
    with pytest.raises(PeerFault):
        read_edit(b"\xc1")


edits = st.lists(
    st.integers(1, 2**70).flatmap(lambda mask: st.tuples(st.just(mask), st.tuples(*[values] * mask.bit_count()))),
    min_size=1,
    max_size=4,
)


@given(edits)
def test_any_sequence_of_edits(sequence: list[tuple[int, tuple[object, ...]]]) -> None:
    blob: bytes | None = None
    first: dict[int, object] = {}
    for mask, before in sequence:
        blob = merge_edit(blob, mask, before)
        for index, value in zip((i for i in range(71) if mask >> i & 1), before, strict=True):
            first.setdefault(index, value)
    assert blob is not None
    mask, kept = read_edit(blob)
    assert mask == sum(1 << index for index in first)
    assert list(map(repr, kept)) == [repr(first[index]) for index in sorted(first)]
