"""The host judges a station's batch: groups to verdicts to the journal, in one transaction (protocol.md 5.7).

Collect comes first, so that the conflict test sees what the host's own application has committed. Then segment by
segment: load a working set, decide with `protocol.judging`, write rows, versions, records and conflicts in sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from replicator.engine import comparing, judge_loading, working
from replicator.engine.causes import Causes
from replicator.engine.inbound import InboundBatch
from replicator.engine.marking import heard_of_station, tell_of_forgotten
from replicator.engine.node import Unit
from replicator.engine.number_ledgers import take_request, take_return
from replicator.engine.progress import Progress
from replicator.engine.proposing import Numbered, dropped, proposals
from replicator.engine.recipients import MADE_AND_DELETED, Recipients
from replicator.engine.reloading import take_reload
from replicator.engine.restarting import take_open
from replicator.engine.taking_back import TakingBack
from replicator.engine.timelines import of_link
from replicator.engine.twin import COPY, take_copy
from replicator.errors import ConstraintViolation, PeerFault
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.coming import is_kept
from replicator.protocol.control_bodies import backed_up_body, refresh_body
from replicator.protocol.judging import judge, last_verdicts, record_forgotten
from replicator.protocol.leaving import is_alone
from replicator.protocol.messages import GroupHead, Segment, SegmentKind, TableBlock
from replicator.protocol.order import parents_first
from replicator.protocol.proposals import Conflict, GroupContext, LogRecord, Outcome, Proposal
from replicator.protocol.questions import Where
from replicator.protocol.rules import RuleBook
from replicator.protocol.salvaging import take_back
from replicator.protocol.timelines import Timelines
from replicator.protocol.working_set import WorkingSet
from replicator.store import conflicts, retention, rows
from replicator.store.journal import Group
from replicator.store.state import LinkState, Peer
from replicator.types import NOWHERE, Key, Position


def judge_batch(unit: Unit, peer: Peer, batch: InboundBatch, progress: Progress, judging: Judging) -> None:
    """Apply a station's batch at the host, behind a collect. Raises PeerFault where it breaks the protocol."""
    judging.opener = batch.manifest.opener if batch.manifest.n == 1 else None
    if judging.opener is not None:
        # A new epoch numbers anew.
        unit.link(peer.id).applied_n = -1
    done, total = 0, batch.rows
    for segment in batch.segments(SegmentKind.LOG):
        judging.segment(segment)
        done += sum(len(block.classes) for block in segment.blocks)
        progress.applied(peer.name, done, total)


@dataclass
class Judging:
    """A batch decided on in sets, a segment at a time; `CarefulJudging` is for one with what the database refuses."""

    unit: Unit
    peer: Peer
    silence: working.Silence
    working: WorkingSet = field(init=False)
    recipients: Recipients = field(init=False)
    group: Group | None = None
    context: GroupContext | None = None
    opener: str | None = None
    """The batch opens a stream with this request, which has not been met yet."""
    repeated: bool = False
    """The open group was seen before: it is not applied, its rows go back as verdicts."""
    judged: list[rows.SeenGroup] = field(default_factory=list)
    copied: list[rows.SeenGroup] = field(default_factory=list)
    """Groups that the station that this one is a copy of may send as well."""
    lost: list[conflicts.Found] = field(default_factory=list)
    """What is put on record with the next flush, as is what was judged."""
    gives_back: bool | None = None
    """The group under way begins an epoch: its rows are what this host has forgotten. True: it asked for them; False:
    it has them by now."""
    timelines: Timelines = field(init=False)
    causes: Causes = field(init=False)
    forgotten: bool = False
    """The open group is older than any that is remembered: it may have been seen, so it is not applied either."""
    horizon: Position = NOWHERE
    """Groups of the station that were born before are not remembered."""

    def __post_init__(self) -> None:
        self.working = working.new_working_set(self.unit)
        self.recipients = Recipients(self.unit)
        self.timelines = of_link(self.unit, self.peer.id)
        self.causes = Causes(self.unit, self.peer.id)
        copied = self.unit.link(self.peer.id).copy_of
        self.horizon = max(
            retention.horizon(self.unit.connection, peer).heard_born for peer in (self.peer.id, copied or self.peer.id)
        )

    # --- one segment -------------------------------------------------------------------------------------------------

    def segment(self, segment: Segment) -> None:
        changes = self._proposals(segment.blocks)
        heads = {head.number: head for head in segment.groups}
        seen = self._seen([head.uid for head in segment.groups])
        self._prepare(changes, segment.groups)
        self._check_order(heads, changes)
        lost = dropped(self.unit, segment.blocks)
        by_group = {n: [change for _, change in found] for n, found in groupby(changes, key=itemgetter(0))}
        if self.group is not None and self.group.origin_n in by_group and self.group.origin_n not in heads:
            self._keep_dropped(lost.get(self.group.origin_n, ()))
            self._changes(by_group.pop(self.group.origin_n))
        for number, head in heads.items():
            self._begin(head, head.uid in seen)
            self._keep_dropped(lost.get(number, ()))
            if head.control is not None and not self.repeated:
                self._request(head)
            self._changes(by_group.pop(number, []))
        if by_group:
            raise PeerFault("a batch has changes of a group that it does not name")
        if self.opener is not None:
            raise PeerFault("a batch begins a new epoch without saying what its station knows")
        self._flush()

    def _proposals(self, blocks: list[TableBlock]) -> list[Numbered]:
        return proposals(self.unit, blocks)

    def _prepare(self, changes: list[Numbered], heads: list[GroupHead]) -> None:
        self.load(changes, heads)

    def _seen(self, uids: list[bytes]) -> set[bytes]:
        """Groups that were judged before, those of a copy under the old name as well."""
        connection, copied = self.unit.connection, self.unit.link(self.peer.id).copy_of
        seen = rows.seen_groups(connection, self.peer.id, uids)
        return seen | rows.seen_groups(connection, copied, uids) if copied else seen

    def _check_order(self, heads: dict[int, GroupHead], changes: list[Numbered]) -> None:
        """Sequence numbers only rise, without a gap to what was judged before."""
        last = self.unit.link(self.peer.id).applied_n
        for number in heads:
            if number <= last:
                raise PeerFault("a batch repeats or disorders its sequence numbers")
            last = number
        if any(change.table not in self.unit.tables for _, change in changes):
            raise PeerFault("a batch names a table that is not replicated here")

    def _keep_dropped(self, found: Iterable[Conflict]) -> None:
        """Values of columns that are gone here, which the group under way has written to."""
        if self.group is not None and not self.repeated:
            self.lost += [(self.group.position, self.group.uid, conflict) for conflict in found]

    def _begin(self, head: GroupHead, seen: bool) -> None:
        unit, link = self.unit, self.unit.link(self.peer.id)
        position = unit.next_position()
        opens = head.control is not None and head.control[0] in _OPENERS
        self.forgotten = not seen and not opens and head.born < self.horizon
        self.repeated, self.gives_back = seen or self.forgotten, None
        if self.forgotten:
            tell_of_forgotten(unit, self.peer)
        epoch = link.link.inbound.epoch[1]
        self.group = Group(
            n=position[1],
            host_epoch=position[0],
            uid=head.uid,
            born_epoch=head.born[0],
            born_n=head.born[1],
            origin=self.peer.id,
            origin_epoch=epoch,
            origin_n=head.number,
            control=None if head.control is None else head.control[0],
            body=None,
            merged=int(head.merged),
            rule_epoch=head.rule_version[0],
            rule_n=head.rule_version[1],
            schema_version=1,
            at=head.at,
        )
        unit.journal.open(self.group)
        rules, version = self.rules_at(head.rule_version, position)
        self.context = GroupContext(
            position=position,
            origin=self.peer.id,
            origin_epoch=epoch,
            rules=rules,
            rule_version=version,
            received_at=unit.now,
            repeat_verdicts=head.number <= link.resent_until,
        )
        link.applied_n = head.number
        if not seen:
            self.judged.append((head.uid, head.born))
            if link.copy_of and head.number <= link.resent_until:
                self.copied.append((head.uid, head.born))

    def rules_at(self, version: Position, position: Position) -> tuple[RuleBook, Position]:
        """The rules that a group goes by, and their version. What a copy wrote before it had rules of its own goes by
        those of the station that it was; if that is gone, by its own of now."""
        books, link = self.unit.books, self.unit.link(self.peer.id)
        own = books[self.peer.id]
        if not link.copy_of or version >= (own.first or position):
            return own, version
        former = books.get(link.copy_of)
        return (own, position) if former is None else (former, version)

    # --- deciding ----------------------------------------------------------------------------------------------------

    def _changes(self, changes: list[Proposal]) -> None:
        if self.context is not None:
            self._take(changes, self.context)
        elif changes:
            raise PeerFault("a batch begins in the middle of a group")

    def _take(self, changes: list[Proposal], context: GroupContext) -> None:
        """These changes of the open group, which may be all of it."""
        self._write(self.decide(changes, context))

    def decide(self, changes: list[Proposal], context: GroupContext, *, ahead: bool = True) -> Outcome:
        """Decide on changes that are loaded. `ahead`: with a look at what follows among them.

        Raises ConstraintViolation where what was expected to follow did not come, Dependent where the outcome rests on
        a row that can't be as its station wrote it.
        """
        outcome = Outcome()
        if self.gives_back is not None:
            if self.gives_back:
                self._take_back(changes, context, outcome, ahead=ahead)
            return outcome
        if self.repeated:
            for change in changes:
                if self.forgotten:
                    record_forgotten(self.working[change.table], change, outcome)
                self._answer(change.table, change.key, outcome)
                self._note_other_key(change, context, outcome)
            last_verdicts(outcome)
            return outcome
        if self.timelines:
            changes = [change._replace(base=self.timelines.common(change.base)) for change in changes]
        context.begin(changes if ahead else ())
        for change in changes:
            self._note_other_key(change, context, outcome)
            judge(self.working[change.table], change, context, outcome, pack_row)
        if not is_kept(self.working, context):
            raise ConstraintViolation("a row came to stand whose parent did not")
        if not is_alone(context):
            raise ConstraintViolation("a row stayed whose parent went")
        self.causes.require_none(self.working, changes, outcome.conflicts)
        if context.answered:
            last_verdicts(outcome)
        return outcome

    def _take_back(
        self, changes: list[Proposal], context: GroupContext, outcome: Outcome, *, ahead: bool = True
    ) -> None:
        """Rows of lost versions; the station has them, whatever comes of them here."""
        taking = TakingBack(self.unit, of_link(self.unit, self.peer.id), changes)
        context.begin(changes if ahead else ())
        for change in changes:
            take_back(self.working[change.table], change, taking.salvage, context, outcome, pack_row)
            self.recipients.note_at(self.peer.id, change.table, change.key, change.image is not None)
        taking.forget_told(outcome)
        taking.keep(context.position)

    def _note_other_key(self, change: Proposal, context: GroupContext, outcome: Outcome) -> None:
        """A change whose station writes a key in another way: it gets the row as it is written here, and not its own.

        Where its rows refer to the one that goes, it asks again once they have been rewritten (protocol.md 7.7).
        """
        if change.sent is None:
            return
        context.answered.add((change.table, change.key))
        if change.sent != change.key:
            outcome.records.append(
                LogRecord(
                    change.table, "D", change.sent, None, 0, self.unit.now, shared=False, clean=False, verdict=True
                )
            )

    def _request(self, head: GroupHead) -> None:
        """A request of the station: a group without entries (protocol.md 2, control requests)."""
        assert head.control is not None  # noqa: S101 - the caller has looked
        kind, body = head.control
        if self.opener is not None and kind == self.opener:
            self.opener = None
            self.gives_back = _OPENERS[kind](self.unit, self.unit.link(self.peer.id), body)
            return
        if kind in _REQUESTS:
            _REQUESTS[kind](self.unit, self.peer, body)
            return
        if kind != "refresh":
            raise PeerFault(f"a station asks for '{kind}', which this version does not know")
        assert self.context is not None  # noqa: S101 - set by _begin
        outcome = Outcome()
        asked = [
            (table, key)
            for table, key in dict.fromkeys(refresh_body(body, self.unit.tables))
            # Nothing of a table that the station had no rule for when it asked is handed out.
            if table in self.unit.tables and self.context.rules.at(table, self.context.rule_version)
        ]
        for table, key in asked if len(asked) < 2 else self._in_order(asked):
            self._answer(table, key, outcome)
        self._write(outcome)

    def _in_order(self, asked: list[Where]) -> list[Where]:
        """Deletes of children first, then rows with parents first: the answer may reach the station's tables in
        pieces, of which each has to stand."""
        places = {table.id: place for place, table in enumerate(parents_first(self.unit.tables.values()))}
        there = [where for where in asked if where[1] in self.working[where[0]].rows]
        gone = [where for where in asked if where[1] not in self.working[where[0]].rows]
        return sorted(gone, key=lambda where: -places[where[0]]) + sorted(there, key=lambda where: places[where[0]])

    def _answer(self, table: int, key: Key, outcome: Outcome) -> None:
        """The present row goes back to the station as a verdict."""
        image = self.working[table].rows.get(key)
        change = "D" if image is None else "C"
        outcome.records.append(
            LogRecord(table, change, key, image, 0, self.unit.now, shared=False, clean=False, verdict=True)
        )

    def _write(self, outcome: Outcome) -> None:
        """Records to the journal's entries, what the station has to the link rows, conflicts on record."""
        assert self.group is not None  # noqa: S101 - set by _begin
        peer, group = self.peer.id, self.group
        of, add, uses = self.recipients.of, self.unit.journal.add, self.unit.number_uses
        numbered, restored = uses.tables, bool(self.gives_back)
        for table, change, key, image, mask, at, shared, clean, verdict, before, made in outcome.records:
            if shared and table in numbered:
                uses.changed(table, key, image, mask, before, peer, 0 if restored else at, restored=restored)
            wanted = MADE_AND_DELETED if made else change
            recipients = of(table, wanted, peer if verdict else 0) if shared else None
            origin, must = (peer if clean else 0), (peer if verdict else 0)
            add(table, change, key, image, mask, before, at, NOWHERE, recipients, origin, must)
            if shared and change == "D":
                self.recipients.note(table, change, key)
            if clean or verdict:
                self.recipients.note_at(peer, table, key, image is not None)
        self.lost += [(group.position, group.uid, conflict) for conflict in outcome.conflicts]

    def _flush(self) -> None:
        working.flush(self.unit, self.working, self.silence)
        self.recipients.flush()
        working.forget(self.working)
        unit = self.unit
        rows.remember_groups(unit.connection, self.peer.id, self.judged)
        if self.copied:
            rows.remember_groups(unit.connection, unit.link(self.peer.id).copy_of, self.copied)
        conflicts.record(unit.connection, self.peer.id, unit.now, self.lost, unit.tables)
        unit.number_uses.refused(self.peer.id, (conflict for _, _, conflict in self.lost))
        self.judged, self.copied, self.lost = [], [], []

    def load(self, changes: list[Numbered], heads: list[GroupHead]) -> None:
        judge_loading.load(self.unit, self.working, changes, heads)


_OPENERS: dict[str, Callable[[Unit, LinkState, Any], bool | None]] = {"open": take_open, COPY: take_copy}
"""What begins a stream; see `Judging.gives_back` for what they return."""

_REQUESTS: dict[str, Callable[[Unit, Peer, Any], None]] = {
    "reload": lambda unit, peer, body: take_reload(unit, peer.id, body),
    "horizon": lambda unit, peer, body: heard_of_station(unit, peer.id, *backed_up_body(body)),
    "compare": comparing.take_request,
    "compared": comparing.take_answer,
    "req": lambda unit, peer, body: take_request(unit, peer.id, body),
    "ret": lambda unit, peer, body: take_return(unit, peer.id, body),
}
"""What a station asks for or tells that has nothing to do with the rows of its batch."""
