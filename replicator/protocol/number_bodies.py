"""Bodies of what is said about numbers: the host's `grant`, a station's `req` and `ret`; held against types and ranges
before anything is done with them (protocol.md 5.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from replicator.errors import PeerFault
from replicator.protocol.numbers import HIGHEST, Block, Empty, Form, NumberRange, Share, Way
from replicator.types import Epoch

MOST_BLOCKS = 10_000
"""In one body."""
_MOST_RANGES = 2**31 - 1
_LONGEST_NAME = 200
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Grant:
    """A range as a station is to keep it, its share in it, and blocks, which may be none."""

    range: NumberRange
    table_name: str
    highest: int
    """That the column can hold."""
    share: Share
    blocks: tuple[Block, ...]
    epoch: Epoch
    """Of the station's stream, as the host knew it. Under another one the blocks are not taken: the station said at its
    beginning what it holds, and the ledger goes by that."""

    def plain(self) -> list[Any]:
        known, share = self.range, self.share
        fill = None if known.fill is None else str(known.fill)
        return [
            [known.id, known.table, known.column, str(known.way), fill, known.start, str(known.form)],
            [self.table_name, self.highest],
            [share.block, share.refill, int(share.closed)],
            [[block.lowest, block.highest, block.serial] for block in self.blocks],
            list(self.epoch),
        ]


def grant_body(body: Any) -> Grant:
    """Raises PeerFault."""
    return _checked(_grant, body, "a grant of numbers is malformed")


def _grant(body: Any) -> Grant:
    known, names, share, blocks, epoch = _list(body, 5)
    number, table, column, way, fill, start, form = _list(known, 7)
    table_name, highest = _list(names, 2)
    block, refill, closed = _list(share, 3)
    first, second = _list(epoch, 2)
    if len(_list(blocks)) > MOST_BLOCKS:
        raise ValueError
    return Grant(
        NumberRange(
            _integer(number, 1, _MOST_RANGES),
            _integer(table, 1, _MOST_RANGES),
            _text(column),
            Way(way),
            None if fill is None else Empty(fill),
            _integer(start, -HIGHEST, HIGHEST),
            Form.parse(_text(form)),
        ),
        _text(table_name),
        _integer(highest, 1, HIGHEST),
        Share(_integer(block, 1, HIGHEST), _integer(refill, 0, 100), bool(_integer(closed, 0, 1))),
        tuple(_block(each) for each in blocks),
        (_integer(first, 0, HIGHEST), _integer(second, 0, HIGHEST)),
    )


def _block(body: Any) -> Block:
    lowest, highest, serial = _list(body, 3)
    return Block(_integer(lowest, -HIGHEST, HIGHEST), _integer(highest, lowest, HIGHEST), _integer(serial, 1, HIGHEST))


@dataclass(frozen=True, slots=True)
class NumberRequest:
    """A station asks for more numbers of a range."""

    range: int
    left: int
    """Numbers that it has in hand."""
    above: int | None = None
    """Keys: the highest one that stands in its table; the new ones have to be above it."""

    def plain(self) -> list[Any]:
        return [self.range, self.left, self.above]


def request_body(body: Any) -> NumberRequest:
    """Raises PeerFault."""

    def read(plain: Any) -> NumberRequest:
        number, left, above = _list(plain, 3)
        above = None if above is None else _integer(above, -HIGHEST, HIGHEST)
        return NumberRequest(_integer(number, 1, _MOST_RANGES), _integer(left, 0, HIGHEST), above)

    return _checked(read, body, "a station's request for numbers is malformed")


@dataclass(frozen=True, slots=True)
class NumberReturn:
    """A station gives up the ends of blocks, which it has not used."""

    range: int
    tails: tuple[tuple[int, int], ...]
    """First and last number of each."""

    def plain(self) -> list[Any]:
        return [self.range, [list(tail) for tail in self.tails]]


def return_body(body: Any) -> NumberReturn:
    """Raises PeerFault."""

    def read(plain: Any) -> NumberReturn:
        number, tails = _list(plain, 2)
        if len(_list(tails)) > MOST_BLOCKS:
            raise ValueError
        pairs = [_list(tail, 2) for tail in tails]
        read = tuple((_integer(low, -HIGHEST, HIGHEST), _integer(high, low, HIGHEST)) for low, high in pairs)
        return NumberReturn(_integer(number, 1, _MOST_RANGES), read)

    return _checked(read, body, "a station's return of numbers is malformed")


def held_plain(held: list[tuple[int, Block]]) -> list[Any]:
    """(range, block) of all that a station still holds, as `open` says it."""
    return [[number, [block.lowest, block.highest, block.serial]] for number, block in held]


def held_body(body: Any) -> list[tuple[int, Block]]:
    """Raises PeerFault."""

    def read(plain: Any) -> list[tuple[int, Block]]:
        pairs = [_list(pair, 2) for pair in _list(plain)]
        return [(_integer(number, 1, _MOST_RANGES), _block(block)) for number, block in pairs]

    return _checked(read, body, "a station's list of its numbers is malformed")


def _checked(read: Callable[[Any], _T], body: Any, sentence: str) -> _T:
    try:
        return read(body)
    except (TypeError, ValueError) as error:
        raise PeerFault(sentence) from error


def _list(value: Any, length: int | None = None) -> list[Any]:
    if not isinstance(value, (list, tuple)) or (length is not None and len(value) != length):
        raise ValueError
    return list(value)


def _integer(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise ValueError
    return value
