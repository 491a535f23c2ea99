"""Comparing and laying over whole rows, exactly: 1 is not 1.0, and 0.0 is not -0.0."""

from __future__ import annotations

from functools import lru_cache
from itertools import compress
from math import copysign

from replicator.types import Image, Value


@lru_cache(maxsize=4096)
def selectors(mask: int, width: int) -> tuple[bool, ...]:
    """Which columns a mask selects, as flags for `itertools.compress`."""
    return tuple(bool(mask >> index & 1) for index in range(width))


@lru_cache(maxsize=4096)
def _unselected(mask: int, width: int) -> tuple[bool, ...]:
    return tuple(not mask >> index & 1 for index in range(width))


def full_mask(width: int) -> int:
    return (1 << width) - 1


def same_value(left: Value, right: Value) -> bool:
    if left != right or type(left) is not type(right):
        return False
    return not (left == 0 and isinstance(left, float)) or copysign(1, left) == copysign(1, right)


def same_image(left: Image | None, right: Image | None) -> bool:
    """Equal bit for bit. Fast where they differ in value, which is the usual case."""
    if left is right:
        return True
    if left is None or right is None or left != right:
        return False
    return all(map(same_value, left, right))


def masked(image: Image, mask: int) -> tuple[Value, ...]:
    """Values of the masked columns, in column order."""
    return tuple(compress(image, selectors(mask, len(image))))


def lay_over(current: Image, image: Image, mask: int) -> Image:
    """`current` with the masked columns of `image`; `image` itself where that comes to the same."""
    width = len(image)
    rest = _unselected(mask, width)
    kept = tuple(compress(current, rest))
    if kept == (own := tuple(compress(image, rest))) and all(map(same_value, kept, own)):
        return image
    return tuple(new if taken else old for taken, new, old in zip(selectors(mask, width), image, current, strict=True))


def changed_mask(old: Image, new: Image) -> int:
    """Bit i is set where column i differs, exactly."""
    mask = 0
    for index, (left, right) in enumerate(zip(old, new, strict=True)):
        if not same_value(left, right):
            mask |= 1 << index
    return mask
