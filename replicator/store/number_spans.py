"""The host's ledgers of number ranges, and what happened to numbers (protocol.md 5.6)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from replicator.protocol.number_ledger import Event, Ledger, Span, State
from replicator.store import sql, tables

_COLUMNS = ("range_id", "lowest", "highest", "state", "holder", "serial", "reason")
_SELECT = f"SELECT {', '.join(_COLUMNS[1:])} FROM replicator_number_span WHERE range_id = ?"
_SETTLED = (str(State.LOST), str(State.RETIRED))


class EventRow(NamedTuple):
    """A row of replicator_number_event; `at` is microseconds since 1970 UTC."""

    id: int
    at: int
    range_id: int
    kind: str
    lowest: int
    highest: int
    holder: int
    reason: str


def load_ledger(connection: Connection, number: int, *, whole: bool = False) -> Ledger:
    """With the spans that may still change, or all of them. Raises KeyError where there is no such range."""
    row = sql.one(
        connection, "SELECT high_water, floor, serial, highest FROM replicator_number_range WHERE id = ?", (number,)
    )
    if row is None:
        raise KeyError(number)
    left_out = ("", "") if whole else _SETTLED
    found = sql.rows(connection, f"{_SELECT} AND state NOT IN (?, ?)", (number, *left_out))
    high_water, floor, serial, highest = row
    return Ledger(high_water, floor, serial, highest, {span.lowest: span for span in map(span_of, found)})


def span_of(row: sql.Row) -> Span:
    lowest, highest, state, holder, serial, reason = row
    return Span(lowest, highest, State(state), holder, serial, reason)


def save_ledger(connection: Connection, number: int, ledger: Ledger, now: int) -> None:
    """What was changed, and the events. The side file must have the high-water mark before (protocol.md 3.4)."""
    sql.run(
        connection,
        "UPDATE replicator_number_range SET high_water = ?, floor = ?, serial = ? WHERE id = ?",
        (ledger.high_water, ledger.floor, ledger.serial, number),
    )
    changed = ledger.changed
    sql.many(
        connection,
        "DELETE FROM replicator_number_span WHERE range_id = ? AND lowest = ?",
        [(number, lowest) for lowest in changed],
    )
    spans = [span for span in changed.values() if span is not None]
    values = [(number, s.lowest, s.highest, str(s.state), s.holder, s.serial, s.reason) for s in spans]
    sql.insert(connection, tables.number_span, _COLUMNS, values)
    note(connection, number, ledger.events, now)
    ledger.changed, ledger.events = {}, []


def note(connection: Connection, number: int, events: list[Event], now: int) -> None:
    sql.insert(
        connection,
        tables.number_event,
        EventRow._fields[1:],
        [(now, number, event.kind, event.lowest, event.highest, event.holder, event.reason) for event in events],
    )


def spans(connection: Connection, number: int) -> list[Span]:
    """All of a range, by number."""
    return list(map(span_of, sql.rows(connection, f"{_SELECT} ORDER BY lowest", (number,))))


def held(connection: Connection, number: int, holder: int) -> list[Span]:
    """Spans of the ledger that a node holds, by number."""
    found = sql.rows(
        connection, f"{_SELECT} AND state = ? AND holder = ? ORDER BY lowest", (number, str(State.HELD), holder)
    )
    return list(map(span_of, found))


def top(connection: Connection, number: int, holder: int) -> int:
    """The highest number that a node holds by the ledger; 0: none."""
    row = sql.one(
        connection,
        "SELECT max(highest) FROM replicator_number_span WHERE range_id = ? AND state = ? AND holder = ?",
        (number, str(State.HELD), holder),
    )
    return int(row[0] or 0) if row else 0


def events(connection: Connection, number: int) -> list[EventRow]:
    """All that ever happened in a range, oldest first."""
    fields = ", ".join(EventRow._fields)
    found = sql.rows(
        connection, f"SELECT {fields} FROM replicator_number_event WHERE range_id = ? ORDER BY id", (number,)
    )
    return list(map(EventRow._make, found))


def granted_of_late(connection: Connection, number: int, now: int) -> int:
    """How many numbers were granted in as long a time, before the last grant that is known here, as has passed since.
    `now`: microseconds since 1970 UTC."""
    granted = "FROM replicator_number_event WHERE range_id = ? AND kind = 'granted'"
    last = sql.one(connection, f"SELECT max(at) {granted}", (number,))
    if last is None or last[0] is None:
        return 0
    since = int(last[0]) - max(0, now - int(last[0]))
    row = sql.one(connection, f"SELECT coalesce(sum(highest - lowest + 1), 0) {granted} AND at >= ?", (number, since))
    return int(row[0]) if row else 0
