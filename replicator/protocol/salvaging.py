"""The host takes back a row that it has forgotten (protocol.md 5.12 step 5). Pure: works on a loaded working set.

Several stations may give back the same row; the version of the lost timeline decides. What the host or another station
has written since then stays, and the difference goes on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from replicator.protocol.constraints import enforce_constraints
from replicator.protocol.images import full_mask, same_image
from replicator.protocol.proposals import Conflict, ConflictKind, GroupContext, LogRecord, Outcome, PackImage, Proposal
from replicator.protocol.timelines import Timelines
from replicator.protocol.working_set import TableState, Version, made_by_group
from replicator.types import Image, Key, Position


@dataclass(slots=True)
class Salvage:
    """What taking rows back needs to know, and what it adds."""

    timelines: Timelines
    origins: Mapping[tuple[int, Key], Position] = field(default_factory=dict)
    """Of rows that stand as they were given back: of which lost version that was."""
    taken: dict[tuple[int, Key], Position] = field(default_factory=dict)
    """Rows that were taken back now, and of which version."""


def take_back(
    state: TableState, given: Proposal, salvage: Salvage, context: GroupContext, outcome: Outcome, pack: PackImage
) -> None:
    """`given.base` is the row's version in the lost timeline, `given.image` how it stood (None: it was deleted)."""
    context.judged += 1
    where = (given.table, given.key)
    current, version = state.rows.get(given.key), state.versions.get(given.key)
    origin = salvage.taken.get(where) or salvage.origins.get(where)
    if origin == given.base and not _same(state, current, given.image):
        # Of a group that did several things to the row, a narrow rule lets a station see some only. Which of the two
        # was its end nobody can tell: so the row stands, and what it may have cost is on record.
        _record(given, current, current or given.image, outcome)
        if current is not None:
            return
    elif version is not None and given.base <= (origin or version.position):
        # The host has moved on. A value of another lost timeline, or of before what came since, may be lost with this.
        if not same_image(current, given.image) and (origin is None or origin[0] != given.base[0]):
            _record(given, current, current, outcome)
        return
    if same_image(current, given.image):
        return
    # What the lost version itself had taken the place of is no loss.
    unknown = version is not None and version.position > salvage.timelines.common(given.base)
    unknown = unknown and (origin is None or origin[0] != given.base[0])
    result = given.image
    if state.unique or state.parents or state.children:
        result = enforce_constraints(state, given.key, given.image, context, outcome)
    if same_image(result, current):
        return
    if unknown:
        _record(given, current, result, outcome)
    _store(state, given.key, current, result, context, pack)
    salvage.taken[where] = given.base
    outcome.records.append(_logged(given, current, result, context))


def _same(state: TableState, one: Image | None, other: Image | None) -> bool:
    """But for how values are written: stations on other databases than one another give the same row back."""
    if same_image(one, other):
        return True
    return one is not None and other is not None and state.alike is not None and state.alike(one, other)


def _record(given: Proposal, current: Image | None, result: Image | None, outcome: Outcome) -> None:
    outcome.conflicts.append(Conflict(given.table, given.key, ConflictKind.GIVEN_BACK, current, given.image, result))


def _store(
    state: TableState, key: Key, current: Image | None, result: Image | None, context: GroupContext, pack: PackImage
) -> None:
    """A version of the host's own: the station whose row it is may not go on as if it had written it."""
    epoch, n = context.position
    old = state.versions.get(key)
    state.put(key, result)
    tombstone = pack(current) if result is None and current is not None else None
    made = made_by_group(old, context.position, current is not None, result is not None)
    state.set_version(
        Version(state.table.id, key, epoch, n, int(result is None), clean=0, at=0, tie=made, image=tombstone)
    )


def _logged(given: Proposal, current: Image | None, result: Image | None, context: GroupContext) -> LogRecord:
    change = "D" if result is None else "N" if current is None else "C"
    mask = 0 if result is None else full_mask(len(result))
    return LogRecord(
        given.table,
        change,
        given.key,
        result,
        mask,
        context.received_at,
        shared=True,
        clean=False,
        verdict=False,
        before=current,
    )
