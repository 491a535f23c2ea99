"""The host judges a station's changes (protocol.md 5.7). Pure: works on a loaded working set.

The host is the only judge: it orders all changes in one log, and its verdict goes back to the origin wherever the row
is not exactly what the origin sent. Steps are numbered as in the protocol.
"""

from __future__ import annotations

from replicator.protocol.based import based_on_current
from replicator.protocol.constraints import enforce_constraints
from replicator.protocol.images import lay_over, masked, same_image
from replicator.protocol.policies import POLICIES, lost
from replicator.protocol.proposals import Conflict, ConflictKind, GroupContext, LogRecord, Outcome, PackImage, Proposal
from replicator.protocol.working_set import TableState, Version, made_by_group
from replicator.types import Image, Key, Value


def judge(state: TableState, proposal: Proposal, context: GroupContext, outcome: Outcome, pack: PackImage) -> None:
    """Decide on one change: the working set gets the result, `outcome` what is logged and what stands in conflict."""
    context.judged += 1
    key, image = proposal.key, proposal.image
    current, version = state.rows.get(key), state.versions.get(key)
    made = version is not None and version.made and version.position == context.position
    forbidden = _is_forbidden(proposal, version if made else None, context)  # step 0
    based = (proposal.table, key) not in context.unfounded and based_on_current(current, version, proposal, context)
    if not based:
        context.unfounded.add((proposal.table, key))
    if based and not forbidden:  # step 2
        result = image if image is None or current is None else lay_over(current, image, proposal.mask)
    else:  # step 3
        result = current if forbidden else POLICIES[state.table.policy](state, proposal, context)
        if lost(state, proposal, result):
            _record(state, proposal, result, forbidden, outcome)
    if result is not current and (state.unique or state.parents or state.children):  # step 4: what stands, stands
        result = enforce_constraints(state, key, result, context, outcome)
    differs = forbidden or not based or not _comes_to_the_same(state, result, image)  # step 5
    if differs and based and not forbidden:
        context.altered.add((proposal.table, key))
    changed = not same_image(result, current)
    # step 6. A delete leaves its mark even where no row was; but one that came too late moves no mark that is there:
    # what the station writes to that row afterwards would else count as based on it.
    if changed or (result is None and (version is None or (based and not forbidden))):
        _store(state, proposal, current, result, differs, context, pack)
    # step 7. A verdict on an earlier change of the row would be the last that its origin hears: it gets this one too.
    verdict = differs or context.repeat_verdicts or (proposal.table, key) in context.answered
    if verdict:
        context.answered.add((proposal.table, key))
    if changed or verdict:  # step 8
        if result is None:
            change = "D"
        else:
            change = "N" if changed and (current is None or made) else "C"
        outcome.records.append(
            LogRecord(
                proposal.table,
                change,
                key,
                result,
                proposal.mask if changed else 0,
                proposal.at,
                changed,  # shared
                changed and not verdict,  # clean
                verdict,
                _stood(current, result, proposal.mask) if changed else None,
                made and result is None,
            )
        )


def _comes_to_the_same(state: TableState, result: Image | None, image: Image | None) -> bool:
    """What is only written otherwise at two places needs no verdict: each would go on writing it in its own way."""
    if same_image(result, image):
        return True
    return result is not None and image is not None and state.alike is not None and state.alike(result, image)


def _is_forbidden(proposal: Proposal, made: Version | None, context: GroupContext) -> bool:
    """Step 0: do the rules forbid it? What a group does to a row that its station made belongs to the new row, be that
    allowed or not. `made`: the row's version, where this group brought the row into being."""
    where = proposal.table, proposal.key
    if where in context.forbidden:
        return True
    if proposal.change in context.allowed(proposal.table):
        return False
    if made is not None and _is_its_own(made, proposal, context):
        return False
    if proposal.change == "N":
        context.forbidden.add(where)
    return True


def _is_its_own(version: Version, proposal: Proposal, context: GroupContext) -> bool:
    """Made by the group's station, and not by the host for the sake of a child."""
    return version.writer == context.origin or (proposal.table, proposal.key) in context.altered


def last_verdicts(outcome: Outcome) -> None:
    """Of several verdicts on a row the origin gets the last: what the group made of the row in between it would take
    for what stands, and might keep, where its rules withhold the rest."""
    later: set[tuple[int, Key]] = set()
    kept = []
    for record in reversed(outcome.records):
        if record.verdict:
            where = (record.table, record.key)
            if where in later:
                if not record.shared:
                    continue
                record = record._replace(verdict=False, clean=True)
            later.add(where)
        kept.append(record)
    if len(later) < len(kept):
        outcome.records[:] = reversed(kept)


def _stood(current: Image | None, result: Image | None, mask: int) -> tuple[Value, ...] | None:
    """What the change takes the place of: the masked columns, or the whole row of a delete."""
    if current is None or result is None:
        return current
    return masked(current, mask)


def _store(
    state: TableState,
    proposal: Proposal,
    current: Image | None,
    result: Image | None,
    differs: bool,
    context: GroupContext,
    pack: PackImage,
) -> None:
    epoch, n = context.position
    key = proposal.key
    tombstone: bytes | None = None
    if current is not None or result is not None:
        state.put(key, result)
    old = state.versions.get(key)
    if result is None:
        tombstone = pack(current) if current is not None else old.image if old else None
    state.set_version(
        Version(
            proposal.table,
            key,
            epoch,
            n,
            int(result is None),
            0 if differs else context.origin,
            context.origin_epoch,
            int(not differs),
            min(proposal.at, context.received_at),
            made_by_group(old, context.position, current is not None, result is not None),
            tombstone,
        )
    )


def record_forgotten(state: TableState, proposal: Proposal, outcome: Outcome) -> None:
    """A change of which nobody can tell whether it was judged before: the row stays as it is, and what the station
    sent goes on record (protocol.md 5.7, "forgotten, or a copy's group")."""
    current = state.rows.get(proposal.key)
    if not same_image(proposal.image, current):
        _put_on_record(state, proposal, current, ConflictKind.FORGOTTEN, outcome)


def _record(state: TableState, proposal: Proposal, result: Image | None, forbidden: bool, outcome: Outcome) -> None:
    """Both images go on record, who wrote the host's, and when."""
    current, image = state.rows.get(proposal.key), proposal.image
    if forbidden:
        kind = ConflictKind.FORBIDDEN
    elif image is None:
        kind = ConflictKind.DELETED_CHANGED
    elif current is None:
        kind = ConflictKind.CHANGED_DELETED
    else:
        kind = ConflictKind.BOTH_INSERTED if proposal.change == "N" else ConflictKind.BOTH_CHANGED
    _put_on_record(state, proposal, result, kind, outcome)


def _put_on_record(
    state: TableState, proposal: Proposal, result: Image | None, kind: ConflictKind, outcome: Outcome
) -> None:
    current, image = state.rows.get(proposal.key), proposal.image
    version = state.versions.get(proposal.key)
    outcome.conflicts.append(
        Conflict(
            state.table.id,
            proposal.key,
            kind,
            current,
            image,
            result,
            proposal.mask,
            proposal.at,
            None if version is None else version.at,
            None if version is None else version.writer,
        )
    )
