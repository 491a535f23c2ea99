"""What the host has set aside of its stations' changes is judged anew, in order, or given up (protocol.md 5.14).

Each is a group of the host's own in its log, behind everything that was judged meanwhile, under the rules and with the
base that it had. Its station gets a verdict on each row, whatever the outcome is: it has gone on with what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from replicator.engine import working
from replicator.engine.careful_judging import CarefulJudging
from replicator.engine.collect import collect, open_group
from replicator.engine.node import Unit
from replicator.engine.setting_aside import cause_of, next_try, tell
from replicator.errors import ConstraintViolation
from replicator.protocol.codec_plain import unpack_rows
from replicator.protocol.proposals import Conflict, ConflictKind, GroupContext, Outcome, Proposal
from replicator.protocol.set_aside import SetAsideProposal
from replicator.store import quarantine
from replicator.store.quarantine import SetAside

Together = list[SetAside]
"""One change, or all those of a transaction."""


def judge_anew(unit: Unit, pieces: Sequence[Together]) -> int:
    """Those that can be applied by now are. Returns how many changes."""
    collect(unit)
    done = 0
    with working.Silence(unit) as silence:
        judging: _JudgingAnew | None = None
        for piece in pieces:
            peer = unit.peers[piece[0].peer]
            if judging is None or judging.peer.id != peer.id:
                judging = _JudgingAnew(unit, peer, silence)
            done += judging.take(piece)
    tell(unit)
    return done


def give_up(unit: Unit, pieces: Iterable[Together], *, answer: bool) -> None:
    """Changes that are not to be applied any more: their rows go on record, and their station gets what stands here."""
    collect(unit)
    with working.Silence(unit) as silence:
        for piece in pieces:
            _JudgingAnew(unit, unit.peers[piece[0].peer], silence).give_up(piece, answer=answer)
    tell(unit)


@dataclass
class _JudgingAnew(CarefulJudging):
    def take(self, piece: Together) -> int:
        unit, first = self.unit, piece[0]
        if any(entry.table_id not in unit.tables for entry in piece):
            self.give_up(piece, answer=False)
            return 0
        told = [SetAsideProposal.unpacked(entry.proposal or b"") for entry in piece]
        changes = [_proposal(entry, more) for entry, more in zip(piece, told, strict=True)]
        context = self._context(told[0])
        self.causes.before = first.id
        try:
            with unit.database.attempt(unit.connection):
                outcome = self._decide_and_write(changes, context)
        except ConstraintViolation as refused:
            self._postpone(piece, refused)
            return 0
        finally:
            working.forget(self.working)
        self._log(outcome, merged=not first.whole)
        quarantine.drop(unit.connection, [entry.id for entry in piece])
        return len(piece)

    def _context(self, told: SetAsideProposal) -> GroupContext:
        """Of the group that comes into being if it can be applied."""
        state = self.unit.state
        position = (state.host_epoch, state.last_n + 1)
        rules, version = self.rules_at(told.rule_version, position)
        return GroupContext(
            position=position,
            origin=self.peer.id,
            origin_epoch=told.origin_epoch,
            rules=rules,
            rule_version=version,
            received_at=told.received_at,
            repeat_verdicts=True,
        )

    def _log(self, outcome: Outcome, *, merged: bool) -> None:
        self.group = open_group(self.unit, merged=merged)
        self._write(outcome)
        self._flush()
        self.unit.journal.close()

    def _postpone(self, piece: Together, refused: ConstraintViolation) -> None:
        now = self.unit.now
        quarantine.postpone(
            self.unit.connection,
            [
                (entry.id, entry.tries + 1, next_try(now, entry.tries + 1), cause_of(refused), str(refused))
                for entry in piece
            ],
        )

    def give_up(self, piece: Together, *, answer: bool) -> None:
        unit, outcome, lost = self.unit, Outcome(), []
        for entry in piece:
            if entry.table_id not in unit.tables:
                continue  # nobody could tell its columns any more
            present = self.present(entry.table_id, entry.key)
            image = None if entry.image is None else unpack_rows([entry.image])[0]
            lost.append(Conflict(entry.table_id, entry.key, ConflictKind.DROPPED, present, image, present))
            if answer:
                if present is not None:
                    self.working[entry.table_id].rows[entry.key] = present
                self._answer(entry.table_id, entry.key, outcome)
        if outcome.records:
            self._log(outcome, merged=not piece[0].whole)
        position = unit.state.position
        self.lost += [(position, None, conflict) for conflict in lost]
        self._flush()
        quarantine.drop(unit.connection, [entry.id for entry in piece])
        working.forget(self.working)


def _proposal(entry: SetAside, more: SetAsideProposal) -> Proposal:
    image = None if entry.image is None else unpack_rows([entry.image])[0]
    return more.proposal(entry.place, entry.table_id, entry.change, entry.key, image)
