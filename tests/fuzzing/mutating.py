"""Mutations of bytes, of msgpack tapes and of plain data; the dice decide all of it, so that a seed can be repeated."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

import msgpack

from replicator.protocol.codec_plain import pack

_Item = TypeVar("_Item")

NUMBERS = (
    -(2**63), -(2**53) - 1, -(2**31) - 1, -1, 0, 1, 2, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32,
    2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1,
)  # fmt: skip
TEXTS = (
    "", "\0", "x" * 199, "x" * 201, "x" * 70_000, "ä", "\u202e", "\U0010ffff", "replicator_peer", "sqlite_master",
    "customers", "rowid", '"', "'; DROP TABLE customers; --", "N", "host", "snap", "rule", "ack", "open", "refresh",
    "database mariadb 11.8.3",
)  # fmt: skip
BYTES = (b"", b"\0", b"\xff" * 8, b"\x93" * 32, bytes(64), bytes(65), b"x" * 70_000, b"\x91\x01", b"\x91" * 600)

HOSTILE_SCALARS: tuple[bytes, ...] = (
    *map(
        msgpack.packb, (*NUMBERS, *TEXTS, *BYTES, None, True, False, 0.5, -0.0, float("nan"), float("inf"), 2**64 - 1)
    ),
    b"\xd9\x02\xff\xfe",  # text that is not UTF-8
    b"\xcd\x00\x05",  # an integer that is longer than it need be
    b"\xdd\xff\xff\xff\xff",  # heads of huge things without their content
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\xc6\x7f\xff\xff\xff",
    b"\xd6\xff\x00\x00\x00\x00",  # a timestamp
    b"\xc7\x00\x05",  # an empty extension
    b"\xc1",  # never used
    b"\x91" * 2000,
    b"\x81\x01" * 2000,
    b"\x92\x01\x02",
    b"\x81\x01\x02",
)


def some_bytes(data: bytes, dice: Random) -> bytes:
    """Blindly: flipped, cut out, doubled, put in, cut off, filled with edge values."""
    if not data:
        return dice.randbytes(dice.randint(1, 8))
    start = dice.randrange(len(data))
    length = min(len(data) - start, 1 << dice.randrange(12))
    length = dice.randint(1, length)
    piece = data[start : start + length]
    match dice.randrange(8):
        case 0 | 1:
            flipped = bytes((data[start] ^ (1 << dice.randrange(8)),))
            return data[:start] + flipped + data[start + 1 :]
        case 2:
            return data[:start] + data[start + length :]
        case 3:
            return data[:start] + piece * dice.choice((2, 3, 17)) + data[start + length :]
        case 4:
            return data[:start] + dice.randbytes(min(length, 8)) + data[start:]
        case 5:
            return data[:start]
        case 6:
            return data[:start] + dice.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * len(piece) + data[start + length :]
        case _:
            number = struct.pack(dice.choice(("<q", ">q")), dice.choice(NUMBERS))[: dice.choice((1, 2, 4, 8))]
            return data[:start] + number + data[start + len(number) :]


def some_items(items: Sequence[_Item], dice: Random, new: Callable[[_Item | None], _Item]) -> list[_Item]:
    """A list with one element changed, taken out, doubled, moved, put in, or with its end missing."""
    changed = list(items)
    if not changed:
        return [new(None)]
    place = dice.randrange(len(changed))
    match dice.randrange(9):
        case 0 | 1 | 2 | 3:
            changed[place] = new(changed[place])
        case 4:
            del changed[place]
        case 5:
            changed[place:place] = [changed[place]] * dice.choice((1, 1, 1, 40))
        case 6:
            other = dice.randrange(len(changed))
            changed[place], changed[other] = changed[other], changed[place]
        case 7:
            changed.insert(place, new(None))
        case _:
            del changed[place:]
    return changed


# --- tapes ------------------------------------------------------------------------------------------------------------


def scalars_of(tape: bytes) -> list[bytes]:
    """The packed scalars of a tape, as far as it can be read; what can't stands at the end as it is."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(tape) + 1)
    unpacker.feed(tape)
    found, start = [], 0
    try:
        while start < len(tape):
            unpacker.skip()
            found.append(tape[start : unpacker.tell()])
            start = unpacker.tell()
    except (ValueError, msgpack.UnpackException):
        found.append(tape[start:])
    return found


def some_tape(tape: bytes, dice: Random) -> bytes:
    """A tape with some scalars of it made hostile."""
    scalars = scalars_of(tape)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        scalars = some_items(scalars, dice, lambda old: _scalar(old, dice))
    return b"".join(scalars)


def _scalar(old: bytes | None, dice: Random) -> bytes:
    if old is None or dice.random() < 0.4:
        return dice.choice(HOSTILE_SCALARS)
    try:
        value = msgpack.unpackb(old, raw=True)
    except (ValueError, msgpack.UnpackException):
        return some_bytes(old, dice)
    if type(value) is int:
        value += dice.choice((-1, 1, -256, 256, 1 << dice.randrange(60)))
        return bytes(msgpack.packb(value)) if -(2**63) <= value < 2**64 else old
    if type(value) is bytes:
        text = old[0] in range(0xA0, 0xC0) or old[0] in (0xD9, 0xDA, 0xDB)
        inner = some_bytes(value, dice)
        if dice.random() < 0.5:  # the length stays: what checks it must not be all that is reached
            inner = inner[: len(value)].ljust(len(value), b"\0")
        return bytes(msgpack.packb(inner.decode("latin-1") if text else inner))
    return dice.choice(HOSTILE_SCALARS)


# --- plain data -------------------------------------------------------------------------------------------------------


def some_plain(value: Any, dice: Random) -> Any:
    """Plain data with something in it changed: any type in any place, keys missing and added, nested deeper."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        changed = dict(value)
        key = dice.choice(sorted(changed, key=repr))
        match dice.randrange(8):
            case 0:
                del changed[key]
            case 1:
                changed[dice.choice(("more", 7, b"x", "content", "rules", "scope"))] = hostile_plain(dice)
            case _:
                changed[key] = some_plain(changed[key], dice)
        return changed
    if isinstance(value, (list, tuple)) and value and dice.random() < 0.85:
        return some_items(value, dice, lambda old: hostile_plain(dice) if old is None else some_plain(old, dice))
    if type(value) is int and dice.random() < 0.4:
        return max(-(2**63), min(2**63 - 1, value + dice.choice((-1, 1, 1 << dice.randrange(62)))))
    if dice.random() < 0.2:
        return [value]
    return hostile_plain(dice)


def hostile_plain(dice: Random) -> Any:
    """Anything that plain data may hold."""
    deep: Any = None
    for _ in range(15):
        deep = [deep] if dice.random() < 0.5 else {"a": deep}
    return dice.choice(
        (
            dice.choice(NUMBERS), dice.choice(TEXTS), dice.choice(BYTES), dice.choice(NUMBERS),
            None, True, False, 0.5, float("nan"), float("inf"), 1e300, "\udcff", "a\udc80", [], {}, [[]],
            [None] * 300, {"": None}, {1: 2, b"x": 3}, deep, "1", b"1",
        )
    )  # fmt: skip


def packed_plain(value: Any) -> bytes | None:
    """As it may travel, or None where it is not plain."""
    try:
        return pack(value)
    except (ValueError, OverflowError):
        return None
