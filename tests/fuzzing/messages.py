"""Sound messages made unsound in a place or two, still well-formed enough to be encoded: what a broken peer sends."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.codec_segment import put_segment, read_segment
from replicator.protocol.messages import ControlRecord, GroupHead, Segment, SegmentKind, TableBlock
from replicator.protocol.tape import TapeReader, TapeWriter
from tests.fuzzing.mutating import BYTES, NUMBERS, hostile_plain, some_bytes, some_items, some_plain, some_tape

KINDS = (
    "ack",
    "rule",
    "snap",
    "grant",
    "horizon",
    "resync",
    "schema",
    "open",
    "refresh",
    "req",
    "",
    "\udcff",
    "x" * 200,
)
CELLS = (
    None, 0, 1, -1, 2**63 - 1, -(2**63), 0.5, float("nan"), float("inf"), -0.0, "", "x", "\0", "a\0b", "\udc80",
    "1", "x" * 3000, b"", b"\0", b"1", b"x" * 3000,
)  # fmt: skip


def some_segment_tape(tape: bytes, kind: SegmentKind, dice: Random) -> bytes:
    """A segment's tape, changed as a message where it can still be read and written, else as a tape or as bytes."""
    choice = dice.randrange(10)
    if choice < 5:
        try:
            segment = read_segment(TapeReader(tape, "segment"), kind, BOUNDS)
            for _ in range(dice.choice((1, 1, 2, 4))):
                _change(segment, dice)
            writer = TapeWriter()
            put_segment(writer, segment)
            return bytes(writer)
        except (PeerFault, ValueError, OverflowError, TypeError):
            pass
    return some_bytes(tape, dice) if choice == 9 else some_tape(tape, dice)


def _change(segment: Segment, dice: Random) -> None:
    match dice.randrange(8):
        case 0:
            segment.host_epoch = _number(segment.host_epoch, dice)
        case 1:
            segment.origin = _number(segment.origin, dice)
        case 2 | 3:
            segment.controls = some_items(segment.controls, dice, lambda old: _control(old, dice))
        case 4:
            segment.groups = some_items(segment.groups, dice, lambda old: _group(old, dice))
        case _:
            segment.blocks = some_items(segment.blocks, dice, lambda old: _block(old, dice))


def _number(old: int, dice: Random) -> int:
    new = dice.choice((old - 1, old + 1, old + 1, old + 2, *NUMBERS))
    return min(max(new, 0), 2**53)


def _pair(old: tuple[int, int], dice: Random) -> tuple[int, int]:
    first, second = old
    return (_number(first, dice), second) if dice.random() < 0.5 else (first, _number(second, dice))


def _control(old: ControlRecord | None, dice: Random) -> ControlRecord:
    if old is None:
        return ControlRecord(dice.choice((1, 2, 10, 2**53)), 0, dice.choice(KINDS), hostile_plain(dice))
    match dice.randrange(6):
        case 0:
            return replace(old, number=_number(old.number, dice))
        case 1:
            return replace(old, order=_number(old.order, dice))
        case 2:
            return replace(old, kind=dice.choice(KINDS))
    return replace(old, body=some_plain(old.body, dice))


def _group(old: GroupHead | None, dice: Random) -> GroupHead:
    if old is None:
        old = GroupHead(1, b"u" * 16, (1, 1), (0, 0), 0)
    match dice.randrange(8):
        case 0:
            return replace(old, number=_number(old.number, dice))
        case 1:
            return replace(old, uid=dice.choice(BYTES)[:64])
        case 2:
            return replace(old, born=_pair(old.born, dice))
        case 3:
            return replace(old, rule_version=_pair(old.rule_version, dice))
        case 4:
            return replace(old, at=dice.choice(NUMBERS))
        case 5:
            return replace(old, merged=not old.merged)
    kind, body = old.control or (dice.choice(KINDS), [dice.choice((1, 2, 3)), b"\x91\x01"])
    kind = dice.choice(KINDS) if dice.random() < 0.3 else kind
    return replace(old, control=(kind, some_plain(body, dice) if dice.random() < 0.8 else body))


def _block(old: TableBlock | None, dice: Random) -> TableBlock:
    if old is None:
        return TableBlock(dice.choice((0, 1, 2, 3, 2**53)), [1], [0], "N", [(1, "x")])
    match dice.randrange(10):
        case 0:
            return replace(old, table=_number(old.table, dice))
        case 1:
            numbers, orders = old.numbers, old.orders
            if dice.random() < 0.5:
                numbers = _same_number(numbers, dice)
            else:
                orders = _same_number(orders, dice)
            return replace(old, numbers=numbers, orders=orders)
        case 2:
            return replace(old, verdict=not old.verdict)
        case 3:
            return _without_upward_fields(old, dice)
        case 4:
            return _other_width(old, dice)
        case 5:
            return replace(old, bases=None if old.bases is None else [_pair(base, dice) for base in old.bases])
        case 6 if old.masks:
            width = len(old.rows[0]) if old.rows else 0
            masks = [dice.getrandbits(width) if width else 0 for _ in old.masks]
            before = [tuple(_cell(None, dice) for _ in range(mask.bit_count())) for mask in masks]
            return replace(old, masks=masks, before=None if old.before is None else before)
        case 7:
            classes = "".join(dice.choice("NC") if sign in "NC" else sign for sign in old.classes)
            changed = classes.count("C")
            masks = None if old.masks is None else [0] * changed
            return replace(old, classes=classes, masks=masks, before=None if old.before is None else [()] * changed)
    rows = [tuple(_cell(cell, dice) if dice.random() < 0.3 else cell for cell in row) for row in old.rows]
    keys = [tuple(_cell(cell, dice) for cell in key) for key in old.keys]
    return replace(old, rows=rows, keys=keys)


def _same_number(numbers: list[int], dice: Random) -> list[int]:
    """As many as before: in another order, all one, or one of them changed."""
    if not numbers:
        return numbers
    match dice.randrange(3):
        case 0:
            return dice.sample(numbers, len(numbers))
        case 1:
            return [dice.choice(numbers)] * len(numbers)
    place = dice.randrange(len(numbers))
    return [*numbers[:place], _number(numbers[place], dice), *numbers[place + 1 :]]


def _without_upward_fields(old: TableBlock, dice: Random) -> TableBlock:
    match dice.randrange(4):
        case 0:
            return replace(old, times=None)
        case 1:
            return replace(old, bases=None)
        case 2:
            return replace(old, masks=None, before=None)
    return replace(old, before=None)


def _other_width(old: TableBlock, dice: Random) -> TableBlock:
    """A column too many or too few."""
    rows: Any = [row[:-1] for row in old.rows] if dice.random() < 0.5 else [(*row, None) for row in old.rows]
    keys: Any = [(*key, None) for key in old.keys] if dice.random() < 0.5 else old.keys
    return replace(old, rows=rows, keys=keys)


def _cell(old: object, dice: Random) -> Any:
    if isinstance(old, int) and dice.random() < 0.5:
        return min(max(old + dice.choice((-1, 1)), -(2**63)), 2**63 - 1)
    return dice.choice(CELLS)
