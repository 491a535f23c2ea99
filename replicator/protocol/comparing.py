"""What host and station tell each other when they compare a table (protocol.md 7.3), held against types and ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.keys import checked_key
from replicator.protocol.tape import COUNT
from replicator.types import Key, Position, TableDefinition

SUM_SIZE = 16
"""Bytes of a bucket's sum."""
DIGEST_SIZE = 8
"""Bytes of a row's digest in an answer."""
MOST_BUCKETS = 65_536
_MOST_TABLES = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CompareBody:
    """The host's record: its sums of one table, as the table stands at the record's position."""

    number: int
    """Of the comparison, the host's."""
    asked: int
    """The station's own number, where it asked for it; else 0."""
    table: int
    without: tuple[int, ...]
    """Places of columns that are not compared."""
    sums: bytes

    @property
    def buckets(self) -> int:
        return len(self.sums) // SUM_SIZE

    def plain(self) -> list[Any]:
        return [self.number, self.asked, self.table, list(self.without), self.sums]


def compare_body(body: Any) -> CompareBody:
    """Raises PeerFault."""
    try:
        number, asked, table, without, sums = _list(body)
        places = tuple(_integer(place, 0, BOUNDS.columns) for place in _list(without))
        if not isinstance(sums, bytes) or not _is_power_of_two(len(sums), SUM_SIZE):
            raise ValueError("sums are expected")
        return CompareBody(
            _integer(number, 1, COUNT), _integer(asked, 0, COUNT), _integer(table, 1, _MOST_TABLES), places, sums
        )
    except (TypeError, ValueError) as error:
        raise PeerFault("a record that compares a table is malformed") from error


def _is_power_of_two(length: int, size: int) -> bool:
    count, rest = divmod(length, size)
    return not rest and 1 <= count <= MOST_BUCKETS and not count & (count - 1)


@dataclass(frozen=True, slots=True)
class AnswerBody:
    """A piece of a station's answer about one table: rows of the buckets that differ."""

    number: int
    table: int
    attempt: bytes
    """The same for all pieces of an answer."""
    position: Position
    """In the host's log, at which the station's rows were looked at."""
    piece: int
    last: bool
    listed: bytes
    """A bit for each bucket, the first in the lowest: its rows are named."""
    keys: tuple[Key, ...] = ()
    digests: bytes = b""
    open: tuple[Key, ...] = ()
    """Rows of these buckets that say nothing: changed and not judged yet, edited, hidden, detached, waited for."""

    def plain(self) -> list[Any]:
        place = list(self.position)
        head = [self.number, self.table, self.attempt, place, self.piece, int(self.last), self.listed]
        return [*head, list(self.keys), self.digests, list(self.open)]


def answer_body(body: Any) -> AnswerBody:
    """Raises PeerFault. The keys are looked at by `checked_keys`."""
    try:
        number, table, attempt, position, piece, last, listed, keys, digests, left = _list(body)
        epoch, n = _list(position)
        answer = AnswerBody(
            _integer(number, 1, COUNT),
            _integer(table, 1, _MOST_TABLES),
            _bytes(attempt, 16),
            (_integer(epoch, 0, COUNT), _integer(n, 0, COUNT)),
            _integer(piece, 0, COUNT),
            bool(_integer(last, 0, 1)),
            _bytes(listed, MOST_BUCKETS // 8),
            tuple(_bytes(key, 3000) for key in _list(keys)),
            _bytes(digests, BOUNDS.control),
            tuple(_bytes(key, 3000) for key in _list(left)),
        )
    except (TypeError, ValueError) as error:
        raise PeerFault("a station's answer to a comparison is malformed") from error
    if len(answer.digests) != DIGEST_SIZE * len(answer.keys):
        raise PeerFault("a station's answer to a comparison has another number of digests than of rows")
    return answer


def check_keys(answer: AnswerBody, definition: TableDefinition) -> None:
    """Raises PeerFault where one is no key of this table."""
    for key in (*answer.keys, *answer.open):
        checked_key(key, definition)


def listed_bits(buckets: set[int]) -> bytes:
    number = sum(1 << bucket for bucket in buckets)
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def listed_buckets(bits: bytes) -> set[int]:
    number = int.from_bytes(bits, "little")
    return {bucket for bucket in range(number.bit_length()) if number >> bucket & 1}


def tables_body(body: Any) -> tuple[int, list[int], bool]:
    """What a station asks to be compared: (its own number, tables, whether to repair). Raises PeerFault."""
    try:
        number, tables, repair = _list(body)
        numbers = [_integer(table, 1, _MOST_TABLES) for table in _list(tables)]
        return _integer(number, 1, COUNT), numbers, bool(_integer(repair, 0, 1))
    except (TypeError, ValueError) as error:
        raise PeerFault("a station's request to compare is malformed") from error


def repair_body(body: Any) -> tuple[int, list[Key]]:
    """(table, keys of the rows that follow as verdicts). Raises PeerFault."""
    try:
        table, keys = _list(body)
        return _integer(table, 1, _MOST_TABLES), [_bytes(key, 3000) for key in _list(keys)]
    except (TypeError, ValueError) as error:
        raise PeerFault("a record that repairs rows is malformed") from error


@dataclass(frozen=True, slots=True)
class ResultBody:
    """How a comparison ended that the station asked for."""

    asked: int
    void: str
    """Why there is no result; '': there is one."""
    tables: tuple[tuple[int, int, int, int], ...] = ()
    """(table, rows that differ, that are missing at the station, that it has too much)."""

    def plain(self) -> list[Any]:
        return [self.asked, self.void, [list(table) for table in self.tables]]


def result_body(body: Any) -> ResultBody:
    """Raises PeerFault."""
    try:
        asked, void, tables = _list(body)
        if not isinstance(void, str) or len(void) > 2000:
            raise ValueError("a sentence is expected")
        found = []
        for row in _list(tables):
            table, changed, missing, extra = (_integer(value, 0, COUNT) for value in _list(row))
            found.append((table, changed, missing, extra))
        return ResultBody(_integer(asked, 1, COUNT), void, tuple(found))
    except (TypeError, ValueError) as error:
        raise PeerFault("the result of a comparison is malformed") from error


def _integer(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError("a number is expected")
    return value


def _bytes(value: Any, longest: int) -> bytes:
    if not isinstance(value, bytes) or len(value) > longest:
        raise ValueError("bytes are expected")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list is expected")
    return list(value)
