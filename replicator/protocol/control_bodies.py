"""Bodies of the host's control records, held against their types and ranges before anything is done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from replicator.errors import PeerFault
from replicator.protocol.bounds import BOUNDS
from replicator.protocol.definitions import table_from_plain, table_to_plain
from replicator.protocol.keys import checked_key
from replicator.protocol.number_bodies import held_body, held_plain
from replicator.protocol.numbers import Block
from replicator.protocol.succession import Successor, successors_body
from replicator.protocol.tape import COUNT
from replicator.types import Epoch, Key, Kinds, Position, Rule, Table

_MOST_TABLES = 2**31 - 1
_DIGEST = 32

WHOLE = "whole"
"""Kind of the record that tells which groups of its segment were transactions: none of their changes stands alone."""


@dataclass(frozen=True, slots=True)
class RuleBody:
    """A rule that changes, or all rules of a snapshot."""

    rules: dict[int, Rule]
    tables: list[Table]
    """Definitions that come along: of all tables that have a rule now."""
    content: int
    """How many content segments belong to it."""
    scope: list[int]
    """Numbers of the tables that the content replaces; not said in a snapshot, which replaces all that have a rule."""


@dataclass(frozen=True, slots=True)
class SnapshotBody:
    version: Position
    """Of the rules."""
    epoch: Epoch
    """Of the station's stream, as the host had it."""
    judged: int
    """Sequence number in that epoch up to which the content knows the station's changes."""
    rule: RuleBody
    numbers: list[Any]
    """A `grant` for each number range that the station has a part in (number_bodies)."""
    successors: list[Successor] = field(default_factory=list)
    """Whom the station is to accept in the host's place."""
    forms: list[Table] = field(default_factory=list)
    """Versions of these tables between the first and this one, oldest first."""


@dataclass(frozen=True, slots=True)
class OpenBody:
    """With what a station begins a new epoch of its stream (protocol.md 5.11)."""

    stream: Epoch
    """Of the host's stream, as the station knows it."""
    seen: Position
    """The host's log up to here is applied."""
    resent: int
    """Groups up to this sequence number may have been sent before."""
    held: list[tuple[int, Block]] = field(default_factory=list)
    """Blocks of numbers that it still holds, each with its range."""
    forms: list[Table] = field(default_factory=list)
    """Versions of tables that it knows, if any was changed: a host that was set back, or that was a backup station, may
    not."""

    def plain(self) -> dict[str, Any]:
        held = held_plain(self.held)
        plain = {"stream": list(self.stream), "seen": list(self.seen), "resent": self.resent, "held": held}
        return plain | _plain_forms(self.forms)


def open_body(body: Any) -> OpenBody:
    """Raises PeerFault."""
    try:
        stream, seen, resent = _pair(body["stream"]), _pair(body["seen"]), _integer(body["resent"], 0, COUNT)
        return OpenBody(stream, seen, resent, held_body(body.get("held", [])), _forms(body))
    except (TypeError, KeyError, ValueError) as error:
        raise PeerFault("a station's request to begin anew is malformed") from error


@dataclass(frozen=True, slots=True)
class CopyBody:
    """With what a copy of a station begins a stream under a name of its own (protocol.md 5.13)."""

    seen: Position
    """The host's log up to here was applied under the old name."""
    resent: int
    """Groups up to this sequence number were made under the old name, and may have been sent under it."""
    forms: list[Table] = field(default_factory=list)
    """As in `OpenBody`."""

    def plain(self) -> dict[str, Any]:
        return {"seen": list(self.seen), "resent": self.resent} | _plain_forms(self.forms)


def copy_body(body: Any) -> CopyBody:
    """Raises PeerFault."""
    try:
        return CopyBody(_pair(body["seen"]), _integer(body["resent"], 0, COUNT), _forms(body))
    except (TypeError, KeyError, ValueError) as error:
        raise PeerFault("the request of a copy to begin is malformed") from error


@dataclass(frozen=True, slots=True)
class RewindBody:
    """The host's new stream goes on with its log from here on (protocol.md 5.8)."""

    position: Position
    number: int
    """The station's at the host: records of that origin are its own."""

    def plain(self) -> dict[str, Any]:
        return {"position": list(self.position), "number": self.number}


def plain_whole(numbers: Iterable[int]) -> list[int]:
    """The body of a `whole` record: runs of group numbers, each as its first number and how many there are."""
    runs: list[int] = []
    for n in sorted(numbers):
        if runs and runs[-2] + runs[-1] == n:
            runs[-1] += 1
        else:
            runs += (n, 1)
    return runs


def whole_body(body: Any) -> set[int]:
    """Numbers of the groups that belong together. Raises PeerFault."""
    found: set[int] = set()
    try:
        numbers = [_integer(number, 0, COUNT) for number in _list(body)]
        for first, count in zip(numbers[::2], numbers[1::2], strict=True):
            if len(found) + count > BOUNDS.entries:
                raise ValueError("more groups than a segment has")
            found.update(range(first, first + count))
    except (TypeError, ValueError) as error:
        raise PeerFault("a record of the groups that belong together is malformed") from error
    return found


def refresh_body(body: Any, tables: Mapping[int, Table]) -> list[tuple[int, Key]]:
    """(table, key) of each row that a station asks for: pairs in a row, which are answered as one group.

    Raises PeerFault; of a table that isn't replicated here the key is taken as it is.
    """
    if not isinstance(body, (list, tuple)) or not body or len(body) % 2:
        raise PeerFault("a station's request for a row is malformed")
    found = []
    for number, key in zip(body[::2], body[1::2], strict=True):
        if not isinstance(number, int) or not isinstance(key, bytes):
            raise PeerFault("a station's request for a row is malformed")
        table = tables.get(number)
        found.append((number, key if table is None else checked_key(key, table.definition)))
    return found


def rewind_body(body: Any) -> RewindBody:
    """Raises PeerFault."""
    try:
        return RewindBody(_pair(body["position"]), _integer(body["number"], 1, _MOST_TABLES))
    except (TypeError, KeyError, ValueError) as error:
        raise PeerFault("a record that begins a link anew is malformed") from error


@dataclass(frozen=True, slots=True)
class ResyncBody:
    """The host was set back (protocol.md 5.12): what of its past is common with this station."""

    ends: dict[int, Position]
    """Host epochs that are over, each with the last position that both know; nothing behind it can be relied on."""
    stream: Epoch
    """Of the host's stream until then, as the host has it now."""
    acknowledged: int
    """Batches of that stream that this station has acknowledged, as the host has it now."""
    digest: bytes | None
    """Of the last of them."""
    inbound: Epoch
    """Of the station's stream, as the host has it now."""
    n: int
    """Batches of that stream that the host has judged,"""
    known: bytes | None
    """the digest of the last of them,"""
    applied: int
    """and the sequence number up to which that goes: groups up to here need not be sent again."""

    def plain(self) -> dict[str, Any]:
        return {
            "ends": [[epoch, *end] for epoch, end in sorted(self.ends.items())],
            "stream": [*self.stream, self.acknowledged, self.digest],
            "inbound": [*self.inbound, self.n, self.known, self.applied],
        }


def resync_body(body: Any) -> ResyncBody:
    """Raises PeerFault."""
    try:
        ends = {
            _integer(epoch, 1, COUNT): (_integer(first, 0, COUNT), _integer(n, 0, COUNT))
            for epoch, first, n in map(_list, _list(body["ends"]))
        }
        first, second, acknowledged, digest = _list(body["stream"])
        own, station, n, known, applied = _list(body["inbound"])
        return ResyncBody(
            ends,
            _pair((first, second)),
            _integer(acknowledged, 0, COUNT),
            _digest(digest),
            _pair((own, station)),
            _integer(n, 0, COUNT),
            _digest(known),
            _integer(applied, 0, COUNT),
        )
    except (TypeError, KeyError, ValueError) as error:
        raise PeerFault("the host's word that it was set back is malformed") from error


@dataclass(frozen=True, slots=True)
class HorizonBody:
    """The host will never be set back behind this (protocol.md 5.15)."""

    epoch: Epoch
    """Of the station's stream."""
    n: int
    """The station's groups up to here, in that epoch, are in the host's backup."""
    forgotten: Position
    """Of rows that were deleted up to here the host no longer knows."""

    def plain(self) -> dict[str, Any]:
        return {"epoch": list(self.epoch), "n": self.n, "forgotten": list(self.forgotten)}


def horizon_body(body: Any) -> HorizonBody:
    """Raises PeerFault."""
    try:
        return HorizonBody(_pair(body["epoch"]), _integer(body["n"], 0, COUNT), _pair(body["forgotten"]))
    except (TypeError, KeyError, ValueError) as error:
        raise PeerFault("a record that tells of a backup is malformed") from error


def backed_up_body(body: Any) -> tuple[Position, Position]:
    """Of a station's request `horizon`: groups born before the first are in no backup of it that will be put back, and
    each of them has the host's log up to the second. Raises PeerFault."""
    try:
        born, seen = _list(body)
        return _pair(born), _pair(seen)
    except (TypeError, ValueError) as error:
        raise PeerFault("a station's request that tells of a backup is malformed") from error


def rule_body(body: Any) -> RuleBody:
    """Raises PeerFault."""
    try:
        rules = {
            _integer(table, 1, _MOST_TABLES): Rule(_kinds(down), _kinds(up)) for table, down, up in _list(body["rules"])
        }
        tables = [table_from_plain(plain) for plain in _list(body["tables"])]
        scope = [_integer(table, 1, _MOST_TABLES) for table in _list(body.get("scope", []))]
        return RuleBody(rules, tables, _integer(body["content"], 0, BOUNDS.segments), scope)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise PeerFault("a rule record is malformed") from error


def schema_body(body: Any) -> list[Table]:
    """Tables that were changed at the host, as they are now. Raises PeerFault."""
    try:
        return [table_from_plain(plain) for plain in _list(body["tables"])]
    except (TypeError, KeyError, ValueError) as error:
        raise PeerFault("a record of changed tables is malformed") from error


def tables_in(kind: str, body: Any) -> list[Table]:
    """The tables that a control record of this kind defines. Raises PeerFault."""
    if kind == "schema":
        return schema_body(body)
    if kind == "rule":
        return rule_body(body).tables
    if kind == "snap":
        told = snapshot_body(body)
        return [*told.forms, *told.rule.tables]
    return []


def reload_body(body: Any) -> list[int]:
    """Tables whose rows a station asks for anew. Raises PeerFault."""
    try:
        return [_integer(table, 1, _MOST_TABLES) for table in _list(body)]
    except (TypeError, ValueError) as error:
        raise PeerFault("a station's request for rows of changed tables is malformed") from error


def snapshot_body(body: Any) -> SnapshotBody:
    """Raises PeerFault."""
    try:
        version, epoch, judged = _pair(body["version"]), _pair(body["epoch"]), _integer(body["judged"], 0, COUNT)
        numbers, successors = _list(body.get("numbers", [])), body.get("successors", [])
        forms = _forms(body)
    except (TypeError, KeyError, ValueError) as error:
        raise PeerFault("a snapshot record is malformed") from error
    return SnapshotBody(version, epoch, judged, rule_body(body), numbers, successors_body(successors), forms)


def acknowledgement_body(body: Any) -> tuple[Epoch, int]:
    """((epoch of the station's stream), sequence number judged). Raises PeerFault."""
    try:
        epoch, sequence = _list(body)
        return _pair(epoch), _integer(sequence, 0, COUNT)
    except (TypeError, ValueError) as error:
        raise PeerFault("an acknowledgement in the host's log is malformed") from error


def _plain_forms(forms: Iterable[Table]) -> dict[str, Any]:
    """Left out where there are none."""
    plain = [table_to_plain(form) for form in forms]
    return {"forms": plain} if plain else {}


def _forms(body: Any) -> list[Table]:
    return [table_from_plain(plain) for plain in _list(body.get("forms", []))]


def _integer(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError("a number is expected")
    return value


def _pair(value: Any) -> tuple[int, int]:
    first, second = _list(value)
    return _integer(first, 0, COUNT), _integer(second, 0, COUNT)


def _digest(value: Any) -> bytes | None:
    if value is not None and (type(value) is not bytes or len(value) != _DIGEST):
        raise ValueError("a digest is expected")
    return value


def _kinds(value: Any) -> Kinds:
    return Kinds(_integer(value, int(Kinds.NONE), int(Kinds.ALL)))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list is expected")
    return list(value)
