"""Who wins a conflict, per table: one function a policy (protocol.md 5.7 step 3)."""

from __future__ import annotations

from collections.abc import Callable

from replicator.protocol.images import columns_of, lay_over, same_image, same_value
from replicator.protocol.proposals import GroupContext, Proposal
from replicator.protocol.working_set import Alike, TableState
from replicator.types import Image, Policy, Value

Decide = Callable[[TableState, Proposal, GroupContext], Image | None]
"""(the host's table, the station's change, its group) to the row that stands afterwards; None: no row."""


def host(state: TableState, proposal: Proposal, _context: GroupContext) -> Image | None:
    """The host's row stays as it is: present, changed or deleted."""
    return state.rows.get(proposal.key)


def station(state: TableState, proposal: Proposal, _context: GroupContext) -> Image | None:
    """What the station changed takes the place of what stands; a row that is gone is made again."""
    current, image = state.rows.get(proposal.key), proposal.image
    return image if image is None or current is None else lay_over(current, image, proposal.mask)


def newest(state: TableState, proposal: Proposal, context: GroupContext) -> Image | None:
    """The later change wins, by the clocks of the nodes; no time is later than the change's receipt.

    A change of the same transaction follows the one before it. Where nobody knows when the host's row was written (it
    stood there before its table was replicated), it stays.
    """
    version = state.versions.get(proposal.key)
    if version is None:
        return host(state, proposal, context)
    later = version.position == context.position or min(proposal.at, context.received_at) > version.at
    return (station if later else host)(state, proposal, context)


def merge(state: TableState, proposal: Proposal, _context: GroupContext) -> Image | None:
    """Column by column: the station's where the host still has what the station changed, else the host's.

    A change beats a delete, on whichever side. Two rows inserted under one key have no common beginning: the host's
    stays.
    """
    current, image = state.rows.get(proposal.key), proposal.image
    if current is None or image is None:
        return image if current is None else current
    if proposal.before is None:
        return current
    places = columns_of(proposal.mask)
    kept = (
        place for place, old in zip(places, proposal.before, strict=True) if still(current, place, old, state.alike)
    )
    return lay_over(current, image, sum(1 << place for place in kept))


def still(current: Image, place: int, old: Value, alike: Alike | None) -> bool:
    """Has the row this value in this column, be it written otherwise?"""
    if same_value(current[place], old):
        return True
    return alike is not None and alike(current, (*current[:place], old, *current[place + 1 :]))


POLICIES: dict[Policy, Decide] = {
    Policy.HOST: host,
    Policy.STATION: station,
    Policy.NEWEST: newest,
    Policy.MERGE: merge,
}


def lost(state: TableState, proposal: Proposal, result: Image | None) -> bool:
    """Did a value get lost, or was a delete undone, as `result` takes the place of the row that stands?

    What the station replaced knowingly (the host still has it) is not lost, nor what both sides came to.
    """
    current, image = state.rows.get(proposal.key), proposal.image
    if current is None or image is None:
        return image is not current
    if result is None:
        return True
    if proposal.before is None:
        return not (same_image(result, current) and same_image(result, image))
    return any(
        not same_value(result[place], image[place])
        or not (same_value(result[place], current[place]) or still(current, place, old, state.alike))
        for place, old in zip(columns_of(proposal.mask), proposal.before, strict=True)
    )
