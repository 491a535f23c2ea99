"""Rules at a station: how a row's tie to the host's row decides what goes up and what a record does (protocol.md 7.9).

Pure tables. What counts is the tie, not the operation: *shared* (both ends had the row), *detached* (the host deleted
it, the station keeps it), *hidden* (the station deleted it, the host keeps it), none: *private*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from replicator.types import ChangeClass, Kinds, Tie


@dataclass(frozen=True, slots=True)
class Upward:
    """What becomes of a local change: sent as `send` (None: it stays local), and the tie afterwards."""

    send: str | None
    """'N', 'C' or 'D'."""
    tie: str
    edited: bool = False
    """A shared row with a change that the rules do not send up: kept with its old values."""


def _upward(tie: Tie, deleted: bool, flags: Kinds) -> Upward:
    match tie, deleted:
        case Tie.NONE, False:
            return Upward(ChangeClass.NEW, Tie.SHARED) if Kinds.NEW in flags else Upward(None, Tie.NONE)
        case Tie.SHARED, False:
            if Kinds.CHANGED in flags:
                return Upward(ChangeClass.CHANGED, Tie.SHARED)
            return Upward(None, Tie.SHARED, edited=True)
        case Tie.SHARED, True:
            return Upward(ChangeClass.DELETED, Tie.NONE) if Kinds.DELETED in flags else Upward(None, Tie.HIDDEN)
        case Tie.HIDDEN, False:
            return Upward(ChangeClass.NEW, Tie.SHARED) if Kinds.NEW in flags else Upward(None, Tie.HIDDEN)
        case Tie.HIDDEN, True:
            return Upward(ChangeClass.DELETED, Tie.NONE) if Kinds.DELETED in flags else Upward(None, Tie.HIDDEN)
        case Tie.DETACHED, False:
            # Would re-create what the host deleted.
            return Upward(None, Tie.DETACHED)
        case _:
            return Upward(None, Tie.NONE)


def _plain(text: str) -> str:
    """The text itself: members of an enumeration are slow to look at and to bind."""
    return str.__str__(text)


_UPWARD: dict[tuple[str, bool, Kinds], Upward] = {
    (tie, deleted, flags): replace(found, send=found.send and _plain(found.send), tie=_plain(found.tie))
    for tie in Tie
    for deleted in (False, True)
    for flags in map(Kinds, range(8))
    for found in (_upward(tie, deleted, flags),)
}


def classify_upward(tie: str, deleted: bool, flags: Kinds) -> Upward:
    """A local change of a row with this tie, under the rule's upward flags. Nothing is forbidden locally."""
    return _UPWARD[tie, deleted, flags]


class Action(Enum):
    PUT = auto()
    DELETE = auto()
    KEEP = auto()
    """The row stays as it is; its version moves on."""
    DROP = auto()
    """Nothing at all: the rules withhold it."""


@dataclass(frozen=True, slots=True)
class Downward:
    action: Action
    tie: str
    record_local: bool = False
    """The local row (private, detached, edited or re-made) gives way and belongs in the station's conflicts."""


def _present(tie: Tie, change: ChangeClass, verdict: bool, flags: Kinds) -> Downward:
    if tie is Tie.SHARED:
        return Downward(Action.PUT, Tie.SHARED)
    if tie is Tie.HIDDEN:
        # The user deleted it here: only a row that is new at the host (after a delete there) comes back, else not even
        # a verdict brings it.
        if change is ChangeClass.NEW:
            return Downward(Action.PUT, Tie.SHARED, record_local=True)
        return Downward(Action.DROP, Tie.HIDDEN)
    if verdict or change is ChangeClass.NEW or Kinds.NEW in flags:
        return Downward(Action.PUT, Tie.SHARED, record_local=True)
    return Downward(Action.DROP, tie)


def _absent(tie: Tie, change: ChangeClass, verdict: bool, flags: Kinds) -> Downward:
    by_rule = (change is ChangeClass.DELETED and not verdict) or Kinds.DELETED in flags
    match tie:
        case Tie.SHARED:
            return Downward(Action.DELETE, Tie.NONE) if by_rule else Downward(Action.KEEP, Tie.DETACHED)
        case Tie.DETACHED:
            if by_rule:
                return Downward(Action.DELETE, Tie.NONE, record_local=True)
            return Downward(Action.DROP, Tie.DETACHED)
        case _:
            return Downward(Action.KEEP, Tie.NONE)


_DOWNWARD: dict[tuple[str, bool, str, bool, Kinds], Downward] = {
    (tie, present, change, verdict, flags): replace(found, tie=_plain(found.tie))
    for tie in Tie
    for present in (False, True)
    for change in ChangeClass
    for verdict in (False, True)
    for flags in map(Kinds, range(8))
    for found in ((_present if present else _absent)(tie, change, verdict, flags),)
}


def receive_row(tie: str, present: bool, change: str, verdict: bool, flags: Kinds) -> Downward:
    """A version of a row that is not pending arrives. `present`: the record has an image; `flags`: downward.

    Ties and classes may be given as the plain text that is stored and sent.
    """
    return _DOWNWARD[tie, present, change, verdict, flags]
