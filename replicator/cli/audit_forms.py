"""An audit of numbers as CSV, JSON and HTML: pieces of text, so that a range of any size goes out flat in memory."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import IO, Any

from replicator.cli.audit_lines import (
    MEANINGS,
    Line,
    Tally,
    balance,
    findings,
    grouped,
    remarks,
    single,
    title,
    written,
)
from replicator.cli.console import moment
from replicator.operations.numbers_audit import Audit, RangeAudit
from replicator.protocol.number_audit import Entry

PIECE = 64_000
"""Characters."""
LONGEST_PAGE = 50_000
"""Numbers of a range that the page names one by one; of more it tells used ones in a row together."""

_COLUMNS = (
    *("table", "column", "text", "from", "to", "first", "last", "state", "row", "node", "at"),
    *("ended_at", "ended_at_node", "remark"),
)


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    found = moment(seconds * 1_000_000)
    return "" if found is None else found.strftime("%Y-%m-%dT%H:%M:%S")


def utc(microseconds: int) -> str:
    """'2026-11-27T01:02:03.004Z'; '' where nobody knows."""
    if not microseconds:
        return ""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest // 1000:03d}Z"


@lru_cache(maxsize=4096)
def _local(seconds: int) -> str:
    found = moment(seconds * 1_000_000)
    return "" if found is None else found.astimezone().isoformat(" ", "seconds")


def local(microseconds: int) -> str:
    """'2026-11-27 02:02:03+01:00', by this computer's zone."""
    return _local(microseconds // 1_000_000)


# --- CSV --------------------------------------------------------------------------------------------------------------


def csv_pieces(audit: Audit) -> Iterator[str]:
    """A line a number where it is used or voided; others in a row are one."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    for audited in audit.ranges:
        known, form = audited.range, audited.range.form
        text = form.text if form else str
        head = (audited.table, known.column, str(form))
        for line in single(audit, audited.entries):
            lowest, highest, fate, node, at, _, row, ended_at, by, remark = line
            last = text(highest) if highest > lowest else text(lowest)
            writer.writerow(
                (*head, lowest, highest, text(lowest), last, fate, row, node, utc(at), utc(ended_at), by, remark)
            )
            if buffer.tell() >= PIECE:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue()


# --- JSON -------------------------------------------------------------------------------------------------------------


def json_pieces(audit: Audit) -> Iterator[str]:
    """One object; of each range its numbers first, then the sums, which are known by then."""
    yield f'{{"host": {_json(audit.host)}, "at": {_json(utc(audit.at))}, "ranges": ['
    for place, audited in enumerate(audit.ranges):
        yield ",\n" if place else "\n"
        yield from _json_range(audit, audited)
    yield "\n]}\n"


def _json_range(audit: Audit, audited: RangeAudit) -> Iterator[str]:
    known, tally = audited.range, Tally(audit)
    head = {"table": audited.table, "column": known.column, "text": str(known.form), "drawn": str(known.way)}
    yield f'{_json(head)[:-1]}, "numbers": ['
    pieces: list[str] = []
    between, size = "\n", 0
    for entry in tally.passing(audited):
        piece = between + _json(_plain(audit, audited, entry))
        between = ",\n"
        pieces.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield "".join(pieces)
            pieces, size = [], 0
    yield "".join(pieces)
    accounts = audited.accounting
    tail = {
        "first": accounts.first,
        "last": accounts.following - 1,
        "total": accounts.total,
        "sums": {fate.value: count for fate, count in accounts.sums.items()},
        "adds_up": accounts.adds_up,
        "rows_before_the_range": accounts.before,
        "table_is_replicated": audited.has_table,
        "faults": [
            {"fault": str(fault), "count": accounts.fault_counts[fault], "numbers": numbers}
            for fault, numbers in accounts.faults.items()
        ],
        "stations": [
            {"name": heard.name, "heard_at": None if heard.at is None else utc(heard.at)} for heard in audited.heard
        ],
    }
    yield f"\n], {_json(tail)[1:]}"


def _plain(audit: Audit, audited: RangeAudit, entry: Entry) -> dict[str, Any]:
    lowest, highest, fate, node, at, key, ended_at, ended_by, reason = entry
    found: dict[str, Any] = {"from": lowest, "to": highest, "first": written(audited, lowest), "state": fate.value}
    if node is not None:
        found["node"] = audit.name_of(node)
    if at:
        found["at"] = utc(at)
    if key is not None:
        found["key"] = ["0x" + value.hex() if isinstance(value, bytes) else value for value in key]
    if ended_by is not None:
        found["ended_at"], found["ended_at_node"] = utc(ended_at) or None, audit.name_of(ended_by)
    if reason:
        found["remark"] = reason
    return found


def _json(value: Any) -> str:
    """In ASCII: text that is not valid UTF-8 in the database goes out as an escape."""
    return json.dumps(value)


# --- HTML -------------------------------------------------------------------------------------------------------------


def html_pieces(audit: Audit) -> Iterator[str]:
    """One page that needs nothing else: for a browser, for paper, for an auditor.

    The sums stand above the lines; so these wait in a temporary file until all have been read.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("replicator.cli", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        sections = [_section(audit, audited, spool) for audited in audit.ranges]
        template = environment.get_template("numbers_audit.html")
        stream = template.stream(audit=audit, at=local(audit.at), sections=sections, meanings=MEANINGS)
        stream.enable_buffering(200)
        yield from stream


def _section(audit: Audit, audited: RangeAudit, spool: IO[str]) -> dict[str, Any]:
    tally, accounts = Tally(audit), audited.accounting
    whole = accounts.total <= LONGEST_PAGE
    began = spool.tell()
    count = 0
    for line in (single if whole else grouped)(audit, tally.passing(audited)):
        spool.write(_json(_cells(audited, line)) + "\n")
        count += 1
    return {
        "title": title(audited),
        "first": written(audited, accounts.first),
        "last": written(audited, accounts.following - 1),
        "way": str(audited.range.way),
        "accounts": accounts,
        "balance": balance(audited),
        "findings": findings(audited),
        "remarks": remarks(audited),
        "nodes": [(name, sums, local(sums.heard_at or 0)) for name, sums in sorted(tally.nodes.items())],
        "whole": whole,
        "lines": _spooled(spool, began, count),
    }


def _cells(audited: RangeAudit, line: Line) -> list[str]:
    numbers = written(audited, line.lowest)
    if line.highest > line.lowest:
        numbers += f" to {written(audited, line.highest)}"
    when = local(line.at)
    if line.last_at > line.at:
        when += f" to {local(line.last_at)}"
    ended = " ".join(filter(None, [local(line.ended_at), f"at {line.ended_by}" if line.ended_by else ""]))
    count = f"{line.highest - line.lowest + 1:,}"
    return [numbers, count, line.fate, line.row, line.node, when, ended, line.remark]


def _spooled(spool: IO[str], began: int, count: int) -> Iterator[list[str]]:
    spool.seek(began)
    for _ in range(count):
        yield json.loads(spool.readline())


FORMS: dict[str, Callable[[Audit], Iterator[str]]] = {"csv": csv_pieces, "json": json_pieces, "html": html_pieces}
