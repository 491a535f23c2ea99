"""A station replays a batch in which its database refuses something (protocol.md 5.14).

By halves, each in a savepoint, down to the record or the transaction that is refused. That one is set aside with all
that depends on it; a later record of the row takes its place once it can be applied. The host is asked for the row
again when it can be, and says what stands then: what was set aside is never applied itself.

Rows of a table that its application has changed before the host told of it are set aside likewise, without a try.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from itertools import groupby

from replicator.engine import replay, working
from replicator.engine.node import Unit
from replicator.engine.replay import Replaying
from replicator.engine.setting_aside import Care, cause_of, narrow, next_try
from replicator.engine.unrolling import Step, Window
from replicator.errors import ConstraintViolation, GoesWhole
from replicator.protocol.codec_plain import pack_row
from replicator.protocol.replaying import Record
from replicator.store import quarantine, rows
from replicator.store.quarantine import SetAside
from replicator.types import HOST_PEER, Key, Position


@dataclass
class CarefulReplaying(Replaying):
    """See above. `care` outlives the attempt, and is told what the next one has to know."""

    care: Care = field(default_factory=Care)
    whole: frozenset[int] = frozenset()
    """Groups of the window that are transactions."""
    standing: int = 0
    """Number of the last group of which something stands."""
    gone: int = 0
    """Number of the last transaction that was set aside."""

    @property
    def unwritable(self) -> Container[int]:
        return self.care.unwritable

    def window(self, window: Window) -> None:
        self.whole = window.whole
        chunk: list[Step] = []
        for _, group in groupby(window.steps, key=_number):
            chunk += group
            if len(chunk) >= replay.CHUNK:  # a transaction is not cut
                self.steps(chunk)
                chunk = []
        self.steps(chunk)

    def piece(self, steps: list[Step], *, late: bool = False) -> None:  # noqa: ARG002 - a parent may never come
        for table in {step.table for step in steps if isinstance(step, Record)} - self.care.unwritable.keys():
            # Before the first savepoint: going back to one would bring the triggers back.
            self.silence.on(self.unit.tables[table])
        narrow(self._pieces(steps), self._try, self._refuse)

    def _pieces(self, steps: list[Step]) -> list[list[Step]]:
        pieces: list[list[Step]] = []
        for n, group in groupby(steps, key=_number):
            if n in self.whole and n > 0:
                pieces.append(list(group))
                continue
            for known, found in groupby(group, key=self._is_unwritable):
                some = list(found)
                pieces += [some] if known else [[step] for step in some]
        return pieces

    def _is_unwritable(self, step: Step) -> bool:
        return isinstance(step, Record) and step.table in self.care.unwritable

    def _try(self, steps: list[Step]) -> None:
        numbers = {step.position[1] for step in steps if isinstance(step, Record)}
        for step in steps if self.care.unwritable else ():
            if isinstance(step, Record) and self._is_unwritable(step):
                raise ConstraintViolation(self.care.unwritable[step.table])
        if doomed := numbers & (self.care.whole | {self.gone}) & self.whole:
            raise ConstraintViolation(f"another part of its transaction (group {min(doomed)}) can't be applied")
        before = self.judged, dict(self.questions.new)
        try:
            with self.unit.database.attempt(self.unit.connection):
                self.decide_and_write(steps)
        except ConstraintViolation:
            self.judged, self.questions.new = before
            if self.working is not None:
                working.forget(self.working)
            raise
        self.standing = max(numbers, default=self.standing)

    def _refuse(self, steps: list[Step], refused: ConstraintViolation) -> None:
        records = [step for step in steps if isinstance(step, Record)]
        if not records:
            raise refused
        n = records[0].position[1]
        if n in self.whole:
            if self.standing == n and n not in self.care.whole:
                # A part of it stands already, from an earlier window.
                self.care.whole.add(n)
                raise GoesWhole(str(refused)) from refused
            self.gone = n
        self._acknowledge(steps)
        self._set_aside(records, refused)

    def _acknowledge(self, steps: list[Step]) -> None:
        others: list[Step] = [step for step in steps if not isinstance(step, Record)]
        if others:
            self.decide_and_write(others)

    def _set_aside(self, records: list[Record], refused: ConstraintViolation) -> None:
        unit, now = self.unit, self.unit.now
        tries = {}
        for record in records:
            known = quarantine.of_row(unit.connection, HOST_PEER, record.table, record.key) if self.aside else []
            tries[record.table, record.key] = max((entry.tries for entry in known), default=0)
        quarantine.drop_rows(unit.connection, HOST_PEER, tries)
        self.aside = True
        _claim_less(unit, records)
        quarantine.add(
            unit.connection,
            [
                SetAside(
                    id=0,
                    since=now,
                    peer=HOST_PEER,
                    group_epoch=record.position[0],
                    group_n=record.position[1],
                    place=place,
                    whole=int(record.position[1] in self.whole),
                    table_id=record.table,
                    key=record.key,
                    change=record.change,
                    image=None if record.image is None else pack_row(record.image),
                    proposal=None,
                    cause=cause_of(refused),
                    error=str(refused),
                    tries=tries[record.table, record.key],
                    next_at=next_try(now, tries[record.table, record.key]),
                    asked=0,
                )
                for place, record in enumerate(records)
            ],
        )


def _claim_less(unit: Unit, records: list[Record]) -> None:
    """Of these rows the earlier records of the same group may have come to stand: then they are not what the host has
    at that position, and no change may be taken for one that was based on it."""
    first: dict[int, dict[Key, Position]] = {}
    for record in records:
        if record.position[1]:  # content for a backup station may have rows without a version
            first.setdefault(record.table, {}).setdefault(record.key, record.position)
    for table, positions in first.items():
        stored = rows.load_versions(unit.database, unit.connection, table, positions)
        claimed = [version for key, version in stored.items() if version.position == positions[key]]
        lowered = [version._replace(n=version.n - 1) for version in claimed]
        rows.save_versions(unit.database, unit.connection, lowered)


def _number(step: Step) -> int:
    """Of the group."""
    return step.position[1] if isinstance(step, Record) else step.number
