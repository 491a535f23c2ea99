"""Keys as bytes: the canonical msgpack array of a row's primary key values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, cast

import msgpack

from replicator.errors import PeerFault
from replicator.types import Image, Key, TableDefinition, Value


def pack_key(values: Sequence[Value]) -> Key:
    """The key of these primary key values. Text that is not UTF-8 keeps its bytes (surrogate escapes)."""
    return cast(bytes, msgpack.packb(tuple(values), unicode_errors="surrogateescape"))


def unpack_key(key: Key) -> tuple[Value, ...]:
    return tuple(msgpack.unpackb(key, unicode_errors="surrogateescape", strict_map_key=False))


def checked_key(key: bytes, definition: TableDefinition) -> Key:
    """A key that came by mail, as it is. Raises PeerFault where it isn't one of this table in its canonical form."""
    try:
        values = unpack_key(key)
        sound = len(values) == len(definition.primary_key) and pack_key(values) == key
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise PeerFault(f"a key of table {definition.name} is damaged") from error
    if not sound or any(value is not None and type(value) not in (int, float, str, bytes) for value in values):
        raise PeerFault(f"a key of table {definition.name} does not fit the table")
    return key


def key_packer(definition: TableDefinition) -> Callable[[Image], Key]:
    """A fast function from a whole row to its key, for bulk paths."""
    pack = msgpack.Packer(unicode_errors="surrogateescape").pack
    indexes = definition.key_indexes
    if len(indexes) == 1:
        index = indexes[0]
        return lambda image: cast(bytes, pack((image[index],)))
    pick: Callable[[Image], Any] = itemgetter(*indexes)
    return lambda image: cast(bytes, pack(pick(image)))


def keys_packer(definition: TableDefinition) -> Callable[[Sequence[Image]], list[Key]]:
    """The same for many rows at once, at the speed of C."""
    pack = msgpack.Packer(unicode_errors="surrogateescape").pack
    indexes = definition.key_indexes
    if len(indexes) == 1:
        pick_one = itemgetter(indexes[0])
        return lambda images: list(map(pack, zip(map(pick_one, images), strict=True)))
    pick: Callable[[Image], Any] = itemgetter(*indexes)
    return lambda images: list(map(pack, map(pick, images)))
