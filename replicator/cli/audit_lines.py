"""An audit of numbers as lines for people: one a number, or used ones of a node that follow one another as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from replicator.cli.formats import key_text
from replicator.operations.numbers_audit import Audit, RangeAudit
from replicator.protocol.number_fates import Entry, Fate, Run, singly

MEANINGS = {
    Fate.USED: "It stands in a row of the table.",
    Fate.VOIDED: "It was drawn, and its row was deleted, got another number, or was not taken by the host.",
    Fate.HELD: "It belongs to a block of this node, which may draw it or has drawn it and not told yet.",
    Fate.RETURNED: "It was given back unused, and is granted next.",
    Fate.RETIRED: "It was certainly not used, and is never granted again.",
    Fate.LOST: "A restore has made it unknown whether it was used; it is never granted again.",
}


class Line(NamedTuple):
    """Numbers with one thing to say of them. Times are microseconds since 1970 UTC, 0: nobody knows."""

    lowest: int
    highest: int
    fate: str
    node: str
    at: int
    last_at: int
    row: str
    ended_at: int
    ended_by: str
    remark: str


@dataclass(slots=True)
class NodeSums:
    used: int = 0
    voided: int = 0
    held: int = 0
    lost: int = 0
    heard_at: int | None = None
    is_station: bool = False


@dataclass(slots=True)
class Tally:
    """Sums by node, of the entries that pass."""

    audit: Audit
    nodes: dict[str, NodeSums] = field(default_factory=dict)

    def passing(self, audited: RangeAudit) -> Iterator[Entry | Run]:
        for heard in audited.heard:
            self.nodes[heard.name] = NodeSums(heard_at=heard.at, is_station=True)
        by_peer: dict[tuple[int | None, Fate], int] = {}
        for piece in audited.pieces:
            which = piece.node, Fate.USED if isinstance(piece, Run) else piece.fate
            by_peer[which] = by_peer.get(which, 0) + piece.highest - piece.lowest + 1
            yield piece
        for (peer, fate), count in by_peer.items():
            if peer is not None and fate in (Fate.USED, Fate.VOIDED, Fate.HELD, Fate.LOST):
                sums = self.nodes.setdefault(self.audit.name_of(peer), NodeSums())
                setattr(sums, fate.value, getattr(sums, fate.value) + count)


def single(audit: Audit, pieces: Iterable[Entry | Run]) -> Iterator[Line]:
    for entry in singly(pieces):
        yield line_of(audit, entry)


def grouped(audit: Audit, pieces: Iterable[Entry | Run]) -> Iterator[Line]:
    """Used, or voided, numbers in a row as one line, where nothing but row and time tells them apart."""
    first: Entry | None = None
    last, earliest, latest = 0, 0, 0
    for piece in pieces:
        entry = next(piece.each()) if isinstance(piece, Run) else piece
        times = piece.times if isinstance(piece, Run) else (piece.at,)
        if first is not None and piece.lowest == last + 1 and _alike(first, entry):
            last = piece.highest
            earliest, latest = min(earliest, *times), max(latest, *times)
            continue
        if first is not None:
            yield _group(audit, first, last, earliest, latest)
        first, last, earliest, latest = entry, piece.highest, min(times), max(times)
    if first is not None:
        yield _group(audit, first, last, earliest, latest)


def _alike(first: Entry, entry: Entry) -> bool:
    return entry.key is not None and first[2:4] == entry[2:4] and first[7:] == entry[7:]


def _group(audit: Audit, first: Entry, last: int, earliest: int, latest: int) -> Line:
    line = line_of(audit, first)._replace(highest=last, at=earliest, last_at=latest)
    return line._replace(row="") if last > first.highest else line


def line_of(audit: Audit, entry: Entry) -> Line:
    lowest, highest, fate, node, at, key, ended_at, ended_by, reason = entry
    row = "" if key is None else key_text(key)
    name = "" if node is None else audit.name_of(node)
    by = "" if ended_by is None else audit.name_of(ended_by)
    return Line(lowest, highest, fate.value, name, at, at, row, ended_at, by, reason)


def title(audited: RangeAudit) -> str:
    known = audited.range
    return f"{audited.table}.{known.column}" + (f", {known.form}" if known.form else "")


def written(audited: RangeAudit, number: int) -> str:
    """The number as it stands in the column."""
    form = audited.range.form
    return form.text(number) if form else str(number)


def balance(audited: RangeAudit) -> str:
    """The sums, told as a sentence."""
    accounts = audited.accounting
    if not accounts.total:
        return "No number has been granted yet."
    sums = " + ".join(f"{count:,}" for count in accounts.sums.values() if count) or "0"
    reach = f"{accounts.first:,} to {accounts.following - 1:,}"
    if accounts.adds_up:
        return f"Each number from {reach} is accounted for: {sums} = {accounts.total:,}."
    return f"The sums do not add up: {sums} is not {accounts.total:,}, the numbers from {reach}."


def findings(audited: RangeAudit) -> list[str]:
    """What must not be, a sentence each."""
    found = []
    for fault, numbers in audited.accounting.faults.items():
        count = audited.accounting.fault_counts[fault]
        named = ", ".join(written(audited, number) for number in numbers)
        more = f" and {count - len(numbers):,} more" if count > len(numbers) else ""
        found.append(f"{count:,} {'number is' if count == 1 else 'numbers are'} {fault}: {named}{more}")
    return found


def remarks(audited: RangeAudit) -> list[str]:
    """What is to be known besides, a sentence each."""
    found, before = [], audited.accounting.before
    if before:
        what = "1 row has a number" if before == 1 else f"{before:,} rows have numbers"
        found.append(f"{what} below {audited.accounting.first:,}, from before the range: not counted here.")
    if not audited.has_table:
        found.append("The table is not replicated any more: what is used, the record tells.")
    return found
