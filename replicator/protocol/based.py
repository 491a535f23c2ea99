"""Did a station know what stands at the host when it changed a row? (protocol.md 5.7 step 1) Pure."""

from __future__ import annotations

from replicator.protocol.proposals import GroupContext, Proposal
from replicator.protocol.working_set import REMADE, Version
from replicator.types import Image


def based_on_current(current: Image | None, version: Version | None, proposal: Proposal, context: GroupContext) -> bool:
    """Step 1: did the station know what stands at the host?"""
    if current is None and proposal.change == "C":
        return False  # it existed when the station changed it, so it was deleted here
    if version is None:
        # A row that stood here before its table was replicated has no version: who inserts it did not know it.
        return current is None or proposal.change != "N"
    position = (version.epoch, version.n)
    if position == proposal.base and version.tie == REMADE and proposal.change == "N":
        return False  # a station that gets deletes only: it knows of that group's delete and not of the row after it
    if position <= proposal.base:
        return True
    if position == context.position and (proposal.table, proposal.key) in context.altered:
        return True  # what one transaction writes builds on itself, also where the host had to alter its beginning
    if current is not None and proposal.change == "N":
        return False  # the station did not know of that row
    return bool(version.writer == context.origin and version.writer_epoch == context.origin_epoch and version.clean)
