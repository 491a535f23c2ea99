"""What becomes of a row that has to leave its value in a unique key to another (protocol.md 5.7 step 4, 7.7). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.protocol.key_indexes import KeyIndex
from replicator.protocol.keys import unpack_key
from replicator.protocol.working_set import TableState
from replicator.types import Image, Key, TypeKind

ENDINGS = 6
"""Suffixes that are tried for a text that has to give way, less one."""


def yield_unique(state: TableState, index: KeyIndex, key: Key, image: Image) -> Image | None:
    """`image` with another value in this unique key, or None where none can be made.

    Who holds the values it may get must be loaded: see `places_to_yield`.
    """
    for place in places_to_yield(state, index, key, image):
        value = index.of(place)
        if value is None or index.holders.get(value) in (None, key):
            return place
    return None


def places_to_yield(state: TableState, index: KeyIndex, key: Key, image: Image) -> Iterator[Image]:
    """What `image` may become to leave its value in this unique key: a NULL where that can be, else text suffixes.

    Nothing where the key has a number of a range: a document without its number, or with another one, is none.
    """
    if state.numbered.intersection(index.indexes):
        return
    columns = state.table.definition.columns
    fixed = set(state.table.definition.key_indexes)
    for place in index.indexes:
        if columns[place].nullable and place not in fixed:
            yield (*image[:place], None, *image[place + 1 :])
            return
    fixed.update(place for link in state.parents for place in link.indexes)  # a suffix would name no parent
    suffix = "~" + "-".join(part.hex() if isinstance(part, bytes) else str(part) for part in unpack_key(key))
    for place in index.indexes:
        value = image[place]
        if place in fixed or columns[place].type.kind is not TypeKind.TEXT or not isinstance(value, str):
            continue
        length = columns[place].type.length
        for ending in (suffix, *(f"{suffix}~{number}" for number in range(2, ENDINGS))):
            text = value + ending if length is None else value[: max(0, length - len(ending))] + ending
            if length is None or len(text) <= length:
                yield (*image[:place], text, *image[place + 1 :])
