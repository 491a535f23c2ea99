"""Keys as rows of values, and rows by the handful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import msgpack

from replicator.types import Key

_Item = TypeVar("_Item")


def unpack_keys(keys: Iterable[Key]) -> list[tuple[Any, ...]]:
    unpacker = msgpack.Unpacker(use_list=False, unicode_errors="surrogateescape", strict_map_key=False)
    unpacker.feed(b"".join(keys))
    return list(unpacker)


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
