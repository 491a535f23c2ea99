"""Rows are compared and laid over exactly: what looks equal in Python may be another value in the database."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import values

from replicator.protocol.images import (
    changed_mask,
    columns_of,
    full_mask,
    lay_over,
    masked,
    same_image,
    same_value,
    selectors,
)

WIDE = 70
"""More columns than a machine word has bits."""

LOOK_ALIKES = [
    (1, 1.0),
    (0, 0.0),
    (0.0, -0.0),
    (0, -0.0),
    (0, False),
    (1, True),
    ("a", b"a"),
    ("", b""),
    ("", None),
    (0, None),
    (b"", None),
    (0.0, None),
    ("1", 1),
    (2**53, float(2**53)),
    (math.nan, 0.0),
    ("\u00e4", "a\u0308"),
]


def exact(value: object) -> tuple[str, object]:
    """What tells two values apart, told in another way than the code does."""
    if isinstance(value, float):
        return "float", "nan" if math.isnan(value) else struct.pack(">d", value)
    return type(value).__name__, value


@pytest.mark.parametrize(("left", "right"), LOOK_ALIKES)
def test_look_alikes_differ(left: object, right: object) -> None:
    assert not same_value(left, right)
    assert not same_value(right, left)
    assert not same_image((7, left), (7, right))
    assert changed_mask((7, left), (7, right)) == 0b10


@pytest.mark.parametrize("value", [None, 0, 0.0, -0.0, "", b"", "a\0b", math.inf, 2**63 - 1, "\udcff"])
def test_equal_values_that_are_not_the_same_object(value: object) -> None:
    copy = struct.unpack(">d", struct.pack(">d", value))[0] if isinstance(value, float) else value
    assert same_value(value, copy)
    assert same_image((1, value), (1, copy))


def test_a_nan_is_no_change() -> None:
    """PostgreSQL stores NaN: a row with one must not count as changed for ever."""
    one, other = float("nan"), float("nan")
    assert same_value(one, other)
    assert same_image((1, one, "a"), (1, other, "a"))
    assert not same_image((1, one, "a"), (1, other, "b"))
    assert changed_mask((one,), (other,)) == 0


def test_images_that_are_missing_or_of_another_width() -> None:
    assert same_image(None, None)
    assert not same_image(None, ())
    assert not same_image((1,), None)
    assert not same_image((1,), (1, None))


def test_laying_over_takes_masked_columns_only() -> None:
    assert lay_over(("a", "b", "c"), ("x", "y", "z"), 0b010) == ("a", "y", "c")
    assert lay_over(("a", "b", "c"), ("x", "y", "z"), 0) == ("a", "b", "c")
    assert lay_over(("a", "b", "c"), ("x", "y", "z"), 0b111) == ("x", "y", "z")


def test_laying_over_gives_the_image_itself_where_that_comes_to_the_same() -> None:
    image = (1, "new", 2.5)
    assert lay_over((1, "old", 2.5), image, 0b010) is image


def test_laying_over_does_not_take_a_look_alike_for_the_same() -> None:
    result = lay_over((0.0, "old"), (-0.0, "new"), 0b10)
    assert exact(result[0]) == exact(0.0)
    assert exact(lay_over((1, "old"), (1.0, "new"), 0b10)[0]) == exact(1)


def test_masks_beyond_64_columns() -> None:
    old, new = tuple(range(WIDE)), tuple(range(100, 100 + WIDE))
    mask = 1 << 69 | 1 << 64 | 1
    assert columns_of(mask) == (0, 64, 69)
    assert masked(new, mask) == (100, 164, 169)
    result = lay_over(old, new, mask)
    assert changed_mask(old, result) == mask
    assert lay_over(old, new, full_mask(WIDE)) == new
    assert sum(selectors(mask, WIDE)) == 3


rows = st.integers(1, WIDE).flatmap(lambda width: st.tuples(*[st.tuples(*[values] * width)] * 2))


@given(rows, st.data())
def test_laying_over_and_masks_agree(pair: tuple[tuple[object, ...], tuple[object, ...]], data: st.DataObject) -> None:
    old, new = pair
    mask = data.draw(st.integers(0, full_mask(len(old))))
    result = lay_over(old, new, mask)
    for index in range(len(old)):
        assert exact(result[index]) == exact(new[index] if mask >> index & 1 else old[index])
    assert changed_mask(old, result) & ~mask == 0
    assert same_image(masked(result, mask), masked(new, mask))


@given(rows)
def test_same_image_is_exact(pair: tuple[tuple[object, ...], tuple[object, ...]]) -> None:
    left, right = pair
    assert same_image(left, right) == (list(map(exact, left)) == list(map(exact, right)))
    assert same_image(left, right) == (changed_mask(left, right) == 0)
    assert same_image(left, (*left[:1], *left[1:]))
