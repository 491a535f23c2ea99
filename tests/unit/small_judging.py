"""Proposals and judged groups for tests of the host's judgement."""

from __future__ import annotations

from typing import Any

from small_tables import Place, key_of

from replicator.protocol.codec_plain import pack_row
from replicator.protocol.coming import is_kept
from replicator.protocol.images import changed_mask, full_mask, masked
from replicator.protocol.judging import judge
from replicator.protocol.leaving import is_alone
from replicator.protocol.proposals import Conflict, GroupContext, LogRecord, Outcome, Proposal
from replicator.protocol.rules import RuleBook
from replicator.types import Image, Kinds, Position, Rule, Table

STATION, OTHER = 5, 6
EPOCH = 3
"""Of the station's stream."""
HERE: Position = (1, 50)
"""Of the group under judgement."""
NOW = 1_000


def update(table: Table, old: Image, new: Image, *, base: Position = (1, 1), at: int = 10) -> Proposal:
    mask = changed_mask(old, new)
    key = key_of(*(new[index] for index in table.definition.key_indexes))
    return Proposal(0, table.id, "C", key, new, mask, masked(old, mask), base, at)


def insert(table: Table, *image: Any, base: Position = (0, 0), at: int = 10) -> Proposal:
    key = key_of(*(image[index] for index in table.definition.key_indexes))
    return Proposal(0, table.id, "N", key, image, full_mask(len(image)), None, base, at)


def delete(table: Table, *key: Any, base: Position = (1, 1), at: int = 10) -> Proposal:
    return Proposal(0, table.id, "D", key_of(*key), None, 0, None, base, at)


class Judged:
    """One group judged at a place."""

    def __init__(self, place: Place, *proposals: Proposal, allowed: Kinds = Kinds.ALL, repeated: bool = False) -> None:
        rules = RuleBook()
        for number in place.working.tables:
            rules.add(number, (1, 1), Rule(Kinds.ALL, allowed))
        self.outcome = Outcome()
        context = GroupContext(HERE, STATION, EPOCH, rules, (1, 1), NOW, repeated)
        # As the engine does: nothing follows a change by itself.
        context.begin(proposals if len(proposals) > 1 else ())
        for proposal in proposals:
            judge(place.working[proposal.table], proposal, context, self.outcome, pack_row)
        self.kept = is_kept(place.working, context) and is_alone(context)
        """Whether all parents came that rows of this group were taken for the sake of, and all children went."""

    @property
    def record(self) -> LogRecord:
        (record,) = self.outcome.records
        return record

    @property
    def conflict(self) -> Conflict:
        (conflict,) = self.outcome.conflicts
        return conflict

    @property
    def kinds(self) -> list[str]:
        return [str(conflict.kind) for conflict in self.outcome.conflicts]

    @property
    def told(self) -> list[tuple[str, Image | None, str]]:
        """(class, image, to whom) of each record: 'all', 'all but origin' (clean), 'all and origin', 'origin'."""
        return [(record.change, record.image, _to_whom(record)) for record in self.outcome.records]


def _to_whom(record: LogRecord) -> str:
    assert not (record.clean and record.verdict)
    if record.shared and record.clean:
        return "all but origin"
    if record.shared:
        return "all and origin" if record.verdict else "all"
    assert record.verdict
    return "origin"
