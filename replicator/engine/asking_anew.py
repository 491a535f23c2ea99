"""A station asks again for what it has set aside, once it can be applied (protocol.md 5.14).

It is tried with the row that was set aside, in a transaction that is rolled back; so the host is asked only when it is
of use. What was set aside is never applied itself: own changes that were accepted since do not raise a row's version,
so nothing would tell that it is the older one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from replicator.engine import working
from replicator.engine.careful_replaying import CarefulReplaying
from replicator.engine.collect import collect, open_group, request
from replicator.engine.node import Node, Unit
from replicator.engine.progress import Silent
from replicator.engine.setting_aside import Care, cause_of, narrow, next_try, tell
from replicator.engine.soundness import unwritable
from replicator.engine.unrolling import Step
from replicator.errors import ConstraintViolation
from replicator.protocol.codec_plain import pack, unpack_rows
from replicator.protocol.questions import Where
from replicator.protocol.replaying import Record
from replicator.store import quarantine
from replicator.store.quarantine import SetAside
from replicator.types import HOST_PEER

MOST_ROWS = 1_000
"""Of one request. What is more comes back in several groups."""

Together = list[SetAside]


class _Undone(Exception):
    """Ends a transaction that was for looking only."""


def ask_anew(node: Node, pieces: Sequence[Together]) -> int:
    """Ask for those that can be applied by now. Returns for how many rows."""
    refused: dict[Where, ConstraintViolation] = {}
    try:
        with node.unit() as unit:
            _try(unit, pieces, refused)
            raise _Undone
    except _Undone:
        pass
    with node.unit() as unit:
        return _ask(unit, pieces, refused)


def _try(unit: Unit, pieces: Sequence[Together], refused: dict[Where, ConstraintViolation]) -> None:
    collect(unit)
    with working.Silence(unit) as silence:
        known = [[_record(entry) for entry in piece if entry.table_id in unit.tables] for piece in pieces]
        tables = {step.table for piece in known for step in piece}
        care = Care(unwritable=unwritable(unit, tables))
        trying = _Trying(unit, silence, None, Silent(), 0, refused=refused, care=care)
        for table in tables - care.unwritable.keys():
            silence.on(unit.tables[table])
        steps: list[list[Step]] = [list(piece) for piece in known if piece]
        trying.try_all(steps)


@dataclass
class _Trying(CarefulReplaying):
    refused: dict[Where, ConstraintViolation] = field(default_factory=dict)

    def try_all(self, pieces: list[list[Step]]) -> None:
        narrow(pieces, self._try, self._refuse)

    def _refuse(self, steps: list[Step], refused: ConstraintViolation) -> None:
        self.refused.update(((step.table, step.key), refused) for step in steps if isinstance(step, Record))


def _record(entry: SetAside) -> Record:
    image = None if entry.image is None else unpack_rows([entry.image])[0]
    return Record(entry.group, entry.table_id, entry.change, entry.key, image, True)


def _ask(unit: Unit, pieces: Sequence[Together], refused: dict[Where, ConstraintViolation]) -> int:
    now, asked = unit.now, 0
    alone: list[SetAside] = []
    for piece in pieces:
        why = next((refused[where] for entry in piece if (where := (entry.table_id, entry.key)) in refused), None)
        if why is not None:
            quarantine.postpone(
                unit.connection,
                [
                    (entry.id, entry.tries + 1, next_try(now, entry.tries + 1), cause_of(why), str(why))
                    for entry in piece
                ],
            )
            continue
        wanted = [
            entry for entry in piece if entry.table_id in unit.tables and unit.current_rule(HOST_PEER, entry.table_id)
        ]
        # Of a table that the rules give it nothing of any more it is not told anything either.
        quarantine.drop(unit.connection, [entry.id for entry in piece if entry not in wanted])
        if piece[0].whole:
            for some in _in_requests(wanted):
                request(unit, "refresh", _body(some))
        else:
            alone += wanted
        quarantine.mark_asked(
            unit.connection, [(entry.id, entry.tries + 1, next_try(now, entry.tries + 1)) for entry in wanted]
        )
        asked += len(wanted)
    _ask_together(unit, alone)
    tell(unit)
    return asked


def _ask_together(unit: Unit, entries: list[SetAside]) -> None:
    """Rows that were set aside each by itself come back at once all the same: nothing tells which of those that came
    with a load were written by one transaction. Should one be refused again, the others are none the worse."""
    if entries:
        collect(unit)
    for some in _in_requests(entries):
        open_group(unit, merged=True, control="refresh", body=_body(some))


def _in_requests(entries: list[SetAside]) -> Iterator[list[SetAside]]:
    return (entries[start : start + MOST_ROWS] for start in range(0, len(entries), MOST_ROWS))


def _body(entries: list[SetAside]) -> bytes:
    return pack([part for entry in entries for part in (entry.table_id, entry.key)])
