"""An audit of numbers as CSV, JSON and HTML: pieces of text, so that a range of any size goes out flat in memory."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import IO, Any

from replicator.cli.audit_lines import (
    MEANINGS,
    Line,
    Tally,
    balance,
    findings,
    grouped,
    line_of,
    remarks,
    single,
    title,
    written,
)
from replicator.cli.console import moment
from replicator.cli.formats import key_text
from replicator.operations.numbers_audit import Audit, RangeAudit
from replicator.protocol.number_fates import Entry, Fate, Run
from replicator.types import Value

PIECE = 64_000
"""Characters."""
LONGEST_PAGE = 50_000
"""Numbers of a range that the page names one by one; of more it tells used ones in a row together."""

_COLUMNS = (
    *("table", "column", "text", "from", "to", "first", "last", "state", "row", "node", "at"),
    *("ended_at", "ended_at_node", "remark"),
)


_SPECIAL = re.compile(r'[",\r\n]')
"""What a cell of CSV is quoted for."""


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
        for piece in audited.pieces:
            if isinstance(piece, Run):
                buffer.write(_csv_run(audit, piece, "".join(f"{_csv_cell(each)}," for each in head), text))
            else:
                lowest, highest, fate, node, at, _, row, ended_at, by, remark = line_of(audit, piece)
                ends = (lowest, highest, text(lowest), text(highest))
                writer.writerow((*head, *ends, fate, row, node, utc(at), utc(ended_at), by, remark))
            if buffer.tell() >= PIECE:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue()


def _csv_run(audit: Audit, run: Run, head: str, text: Callable[[int], str]) -> str:
    """As the writer has them, in less than half its time: a million of these lines go out."""
    numbers, whole = range(run.lowest, run.highest + 1), _whole_keys(run)
    texts = numbers if text is str else [_csv_cell(text(number)) for number in numbers]
    keys = [_csv_cell(key_text(row[1:])) for row in run.rows] if whole is None else whole
    used, name = Fate.USED.value, _csv_cell(audit.name_of(run.node))
    lines = [
        f"{head}{number},{number},{shown},{shown},{used},{key},{name},{at},,,\r\n"
        for number, shown, key, at in zip(numbers, texts, keys, _utc_of(run), strict=False)
    ]
    return "".join(lines)


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def _whole_keys(run: Run) -> list[int] | None:
    """Where keys are a whole number each, as most are; else None."""
    keys = [row[1] for row in run.rows if len(row) == 2]
    return keys if len(keys) == len(run.rows) and set(map(type, keys)) == {int} else None


def _utc_of(run: Run) -> Iterable[str]:
    if len(run.times) == 1:
        return repeat(utc(run.times[0]))
    found, last, second = [], -1, ""
    for at in run.times:
        seconds = at // 1_000_000
        if seconds != last:
            last, second = seconds, _second(seconds)
        found.append(f"{second}.{at // 1000 % 1000:03d}Z" if at else "")
    return found


# --- JSON -------------------------------------------------------------------------------------------------------------


def json_pieces(audit: Audit) -> Iterator[str]:
    """One object; of each range its numbers first, then the sums, which are known by then."""
    yield f'{{"host": {_json(audit.host)}, "at": {_json(utc(audit.at))}, "ranges": ['
    for place, audited in enumerate(audit.ranges):
        yield ",\n" if place else "\n"
        yield from _json_range(audit, audited)
    yield "\n]}\n"


def _json_range(audit: Audit, audited: RangeAudit) -> Iterator[str]:
    known = audited.range
    head = {"table": audited.table, "column": known.column, "text": str(known.form), "drawn": str(known.way)}
    yield f'{_json(head)[:-1]}, "numbers": ['
    between = "\n"
    for piece in audited.pieces:
        if isinstance(piece, Run):
            yield between + ",\n".join(_json_run(audit, audited, piece))
        else:
            yield between + _json(_plain(audit, audited, piece))
        between = ",\n"
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


def _json_run(audit: Audit, audited: RangeAudit, run: Run) -> Iterator[str]:
    """As `_plain` has it, of each number."""
    numbers, name = range(run.lowest, run.highest + 1), _json(audit.name_of(run.node))
    texts = map(str, numbers) if not audited.range.form else (_json(written(audited, n))[1:-1] for n in numbers)
    whole = _whole_keys(run)
    keys = (_json(_key(row[1:]))[1:-1] for row in run.rows) if whole is None else whole
    middle = f'", "state": "used", "node": {name}'
    for number, text, key, at in zip(numbers, texts, keys, _utc_of(run), strict=False):
        when = f', "at": "{at}"' if at else ""
        yield f'{{"from": {number}, "to": {number}, "first": "{text}{middle}{when}, "key": [{key}]}}'


def _plain(audit: Audit, audited: RangeAudit, entry: Entry) -> dict[str, Any]:
    lowest, highest, fate, node, at, key, ended_at, ended_by, reason = entry
    found: dict[str, Any] = {"from": lowest, "to": highest, "first": written(audited, lowest), "state": fate.value}
    if node is not None:
        found["node"] = audit.name_of(node)
    if at:
        found["at"] = utc(at)
    if key is not None:
        found["key"] = _key(key)
    if ended_by is not None:
        found["ended_at"], found["ended_at_node"] = utc(ended_at) or None, audit.name_of(ended_by)
    if reason:
        found["remark"] = reason
    return found


def _key(values: Sequence[Value]) -> list[Any]:
    return [
        "0x" + value.hex() if isinstance(value, bytes) else repr(value) if value != value else value for value in values
    ]


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
