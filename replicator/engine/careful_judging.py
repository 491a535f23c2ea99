"""The host judges a batch in which its database refuses something (protocol.md 5.14).

By halves, each in a savepoint, down to the change or the transaction that is refused. That one is set aside with all
that depends on it; its group's number is acknowledged like any other. Its station gets the row as it stands here once
the change is judged anew, or dropped by a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from replicator.engine import proposing, working
from replicator.engine.judge import Judging
from replicator.engine.proposing import Numbered
from replicator.engine.setting_aside import Care, cause_of, narrow, next_try
from replicator.errors import ConstraintViolation, GoesWhole
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.messages import GroupHead, TableBlock
from replicator.protocol.proposals import Conflict, ConflictKind, GroupContext, Outcome, Proposal
from replicator.protocol.set_aside import SetAsideProposal
from replicator.store import quarantine
from replicator.store.quarantine import SetAside
from replicator.types import Image, Key


@dataclass
class CarefulJudging(Judging):
    """See above. `care` outlives the attempt, and is told what the next one has to know."""

    care: Care = field(default_factory=Care)
    standing: int = 0
    """Number of the last group of which something stands."""
    gone: int = 0
    """Number of the last transaction that was set aside."""
    unfit: dict[tuple[int, int], str] = field(default_factory=dict)
    """Changes, by number and order, that can't even be read as this database would write them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Before the first savepoint: going back to one would bring the triggers back.
        for table in self.unit.tables.values():
            self.silence.on(table)

    # --- loading and deciding ----------------------------------------------------------------------------------------

    def _proposals(self, blocks: list[TableBlock]) -> list[Numbered]:
        found: list[Numbered] = []
        self.unfit.clear()
        for table, changes in proposing.numbered(self.unit, blocks):

            def do(some: list[Numbered], table: int = table) -> None:
                with self.unit.database.attempt(self.unit.connection):
                    stored = proposing.as_stored_here(self.unit, table, [change for _, change in some])
                found.extend(zip((number for number, _ in some), stored, strict=True))

            narrow([[change] for change in changes], do, lambda some, refused: self._unfit(found, some, refused))
        found.sort(key=proposing.place)
        return found

    def _unfit(self, found: list[Numbered], some: list[Numbered], refused: ConstraintViolation) -> None:
        found += some
        self.unfit.update(((number, change.order), str(refused)) for number, change in some)

    def _prepare(self, changes: list[Numbered], heads: list[GroupHead]) -> None:
        """Each piece is loaded by itself: what is loaded for another one may be rolled back with it."""

    def _request(self, head: GroupHead) -> None:
        self.load([], [head])
        super()._request(head)
        working.forget(self.working)

    def _take(self, changes: list[Proposal], context: GroupContext) -> None:  # noqa: ARG002 - self.context
        group = self.group
        if group is None or not changes:
            return
        if group.merged or self.repeated or self.gives_back is not None:
            pieces = [[change] for change in changes]
        else:
            pieces = [changes]
            if self.gone == group.origin_n or group.origin_n in self.care.whole:
                self._set_aside(changes, ConstraintViolation("another part of its transaction can't be applied"))
                return
        narrow(pieces, self._try, self._refuse)

    def _try(self, changes: list[Proposal]) -> None:
        """Decide and write in a savepoint, then log."""
        context, group = self.context, self.group
        assert context is not None  # noqa: S101 - set with the group
        assert group is not None  # noqa: S101 - set by _begin
        for change in changes:
            if not self.repeated and (why := self.unfit.get((group.origin_n, change.order))):
                raise ConstraintViolation(why)
        known = context.remember()
        try:
            with self.unit.database.attempt(self.unit.connection):
                outcome = self._decide_and_write(changes, context)
        except ConstraintViolation:
            context.back_to(known)
            raise
        finally:
            working.forget(self.working)
        self._write(outcome)
        self.recipients.flush()
        self.standing = group.origin_n

    def _decide_and_write(self, changes: list[Proposal], context: GroupContext) -> Outcome:
        self.load([(0, change) for change in changes], [])
        outcome = self.decide(changes, context, ahead=len(changes) > 1)
        working.flush(self.unit, self.working, self.silence)
        return outcome

    # --- setting aside -----------------------------------------------------------------------------------------------

    def _refuse(self, changes: list[Proposal], refused: ConstraintViolation) -> None:
        group = self.group
        if self.gives_back:
            self._keep_on_record(changes)
            return
        if group is not None and not group.merged and self.standing == group.origin_n:
            # A part of it stands already, from an earlier segment.
            self.care.whole.add(group.origin_n)
            raise GoesWhole(str(refused)) from refused
        self._set_aside(changes, refused)

    def _keep_on_record(self, changes: Sequence[Proposal]) -> None:
        """What a station gives back of a lost timeline is no change to be judged anew."""
        outcome = Outcome()
        for change in changes:
            present = self.present(change.table, change.key)
            kind = ConflictKind.GIVEN_BACK
            outcome.conflicts.append(Conflict(change.table, change.key, kind, present, change.image, present))
        self._write(outcome)

    def present(self, table: int, key: Key) -> Image | None:
        """The row as it stands here."""
        try:
            with self.unit.database.attempt(self.unit.connection):
                found = self.unit.database.read_images(self.unit.connection, self.unit.tables[table], [key])
        except ConstraintViolation:
            return None  # no row here can have such a key
        return found.get(key)

    def _set_aside(self, changes: Sequence[Proposal], refused: ConstraintViolation) -> None:
        unit, group, context = self.unit, self.group, self.context
        assert group is not None  # noqa: S101 - set by _begin
        assert context is not None  # noqa: S101 - set with the group
        self.gone = 0 if group.merged else group.origin_n
        self.causes.any = True
        quarantine.add(
            unit.connection,
            [
                SetAside(
                    id=0,
                    since=unit.now,
                    peer=self.peer.id,
                    group_epoch=group.host_epoch,
                    group_n=group.n,
                    place=change.order,
                    whole=int(not group.merged),
                    table_id=change.table,
                    key=change.key,
                    change=change.change,
                    image=None if change.image is None else pack_row(change.image),
                    proposal=SetAsideProposal.of(change, context, group.uid).packed(),
                    cause=cause_of(refused),
                    error=str(refused),
                    tries=0,
                    next_at=next_try(unit.now, 0),
                    asked=0,
                )
                for change in changes
            ],
        )
