"""A backup station takes the host's place (protocol.md 10.2): what is told beforehand, and words at the head of mails.

The host names in its log whom its stations are to accept in its place (`successors`), and tells a backup station all
that a host needs (`state`, `judged`). The new host says in each of its mails that it took another one's place, and
where it is to be reached. A station tells a host that was replaced so, where mail of it still comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from replicator.config_values import checked_address, checked_name
from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.tape import COUNT
from replicator.types import Position

SUCCESSORS, STATE, JUDGED = "successors", "state", "judged"
"""Kinds of control records."""
SUCCEEDED = "succeeded"
"""Notice of a station to a host that was replaced."""
KEY = 32
MOST = 32
"""Successors that a host names at most."""
_CLAIM = "successor "
_KIND, _ITEM, _UID = 20, 100, 64


# --- words at the head of mails ---------------------------------------------------------------------------------------


def claim_notice(address: str) -> str:
    """Of a host that was a backup station: where it is to be reached."""
    return _CLAIM + address


def claimed_address(notice: str | None) -> str | None:
    """None where the notice is no claim."""
    if notice is None or not notice.startswith(_CLAIM):
        return None
    try:
        return checked_address(notice.removeprefix(_CLAIM))
    except ValueError:
        return None


# --- records ----------------------------------------------------------------------------------------------------------


class Successor(NamedTuple):
    """A station that may take the host's place."""

    name: str
    public_key: bytes


def successors_plain(successors: list[Successor]) -> list[list[Any]]:
    return [[each.name, each.public_key] for each in successors]


def successors_body(body: Any) -> list[Successor]:
    """In the order in which the host would have them. Raises PeerFault."""
    try:
        found = [Successor(_name(name), _bytes(key, KEY, KEY)) for name, key in _list(body, MOST)]
        if len({each.public_key for each in found}) < len(found):
            raise ValueError("a key is named twice")
    except (TypeError, ValueError) as error:
        raise PeerFault("the host's word about its successors is malformed") from error
    return found


class Item(NamedTuple):
    """A row of the host's own tables, packed; without `content` it is there no more."""

    kind: str
    item: bytes
    content: bytes | None


@dataclass(frozen=True, slots=True)
class StateBody:
    """Items of the host's state that have changed; or, `whole`, all of them anew, of which these are the first."""

    whole: bool
    items: list[Item]

    def plain(self) -> list[Any]:
        return [int(self.whole), [list(item) for item in self.items]]


def state_body(body: Any) -> StateBody:
    """Raises PeerFault."""
    try:
        whole, items = _list(body, 2)
        return StateBody(bool(_integer(whole)), [_item(*_list(item, 3)) for item in _list(items, BOUNDS.containers)])
    except (TypeError, ValueError) as error:
        raise PeerFault("the host's word about its state is malformed") from error


def _item(kind: Any, item: Any, content: Any) -> Item:
    if type(kind) is not str or len(kind) > _KIND:
        raise ValueError("a kind is expected")
    return Item(kind, _bytes(item, 0, _ITEM), None if content is None else _bytes(content, 0, BOUNDS.blob))


class JudgedGroup(NamedTuple):
    """A group of the host's log: when it was made, and whose it is."""

    n: int
    at: int
    """Microseconds since 1970 UTC."""
    origin: int = 0
    """Number of the station that made it; 0: the host."""
    uid: bytes = b""
    born: Position = (0, 0)


def judged_plain(groups: list[JudgedGroup]) -> list[Any]:
    return [
        [each.n, each.at, each.origin, each.uid, *each.born] if each.origin else [each.n, each.at] for each in groups
    ]


def judged_body(body: Any) -> list[JudgedGroup]:
    """Raises PeerFault."""
    found = []
    try:
        for each in _list(body, BOUNDS.entries):
            n, at, *rest = _list(each, 6)
            group = JudgedGroup(_integer(n), _integer(at, -(2**62), 2**62))
            if rest:
                origin, uid, epoch, number = rest
                born = (_integer(epoch), _integer(number))
                group = group._replace(origin=_integer(origin, 1, 2**31 - 1), uid=_bytes(uid, 1, _UID), born=born)
            found.append(group)
    except (TypeError, ValueError) as error:
        raise PeerFault("the host's word about what it has judged is malformed") from error
    return found


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, (list, tuple)) or len(value) > most:
        raise ValueError("a list is expected")
    return list(value)


def _integer(value: Any, low: int = 0, high: int = COUNT) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError("a number is expected")
    return value


def _bytes(value: Any, least: int, most: int) -> bytes:
    if type(value) is not bytes or not least <= len(value) <= most:
        raise ValueError("bytes are expected")
    return value


def _name(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("a name is expected")
    return checked_name(value)
