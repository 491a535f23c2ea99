"""Comparing and laying over whole rows, exactly: 1 is not 1.0, 0.0 is not -0.0, and NaN is NaN.

Called several times for each change: the loops are plain and stop at the first difference.
"""

from __future__ import annotations

from functools import lru_cache
from math import copysign

from replicator.types import Image, Value


@lru_cache(maxsize=4096)
def columns_of(mask: int) -> tuple[int, ...]:
    """Which columns a mask selects, ascending."""
    return tuple(index for index in range(mask.bit_length()) if mask >> index & 1)


def selectors(mask: int, width: int) -> tuple[bool, ...]:
    """Which columns a mask selects, as flags for `itertools.compress`."""
    return tuple(bool(mask >> index & 1) for index in range(width))


def full_mask(width: int) -> int:
    return (1 << width) - 1


def same_value(left: Value, right: Value) -> bool:
    """Equal in type and value, bit for bit (all NaN count as one)."""
    if type(left) is not type(right):
        return False
    if left != right:
        return bool(left != left and right != right)
    return not (left == 0 and isinstance(left, float)) or copysign(1, left) == copysign(1, right)


def same_image(left: Image | None, right: Image | None) -> bool:
    """Both none, or equal column by column as `same_value` has it."""
    if left is right:
        return True
    if left is None or right is None or len(left) != len(right):
        return False
    for mine, other in zip(left, right, strict=True):
        # Only what may be a zero, a NaN or of another type is worth a call.
        if (
            mine is not other
            and (mine != other or not mine or type(mine) is not type(other))
            and not same_value(mine, other)
        ):
            return False
    return True


def masked(image: Image, mask: int) -> tuple[Value, ...]:
    """Values of the masked columns, in column order."""
    return tuple([image[index] for index in columns_of(mask)])


def lay_over(current: Image, image: Image, mask: int) -> Image:
    """`current` with the masked columns of `image`; `image` itself where that comes to the same."""
    laid = list(current)
    for index in columns_of(mask):
        laid[index] = image[index]
    result = tuple(laid)
    return image if same_image(result, image) else result


def lay_back(image: Image, mask: int, before: tuple[Value, ...]) -> Image:
    """The row with these old values of its masked columns: as it was before a change."""
    laid = list(image)
    for index, value in zip(columns_of(mask), before, strict=True):
        laid[index] = value
    return tuple(laid)


def changed_mask(old: Image, new: Image) -> int:
    """Bit i is set where column i differs, exactly."""
    mask = 0
    for index, (left, right) in enumerate(zip(old, new, strict=True)):
        if left is not right and not same_value(left, right):
            mask |= 1 << index
    return mask
