"""`replicator numbers audit`: what became of every number, on the screen or as a file that can be handed over."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from replicator.cli.audit_forms import FORMS
from replicator.cli.audit_lines import Line, NodeSums, Tally, balance, findings, grouped, remarks, title, written
from replicator.cli.console import Column, moment, print_listing
from replicator.cli.formats import counted, say
from replicator.cli.session import session_of
from replicator.cli.status import WAITS_FOR_A_PERSON
from replicator.errors import WrongUse
from replicator.operations import numbers_audit
from replicator.operations.numbers_audit import Audit, RangeAudit
from replicator.operations.opening import open_node
from replicator.protocol.numbers import Form
from replicator.store.files import Files

MOST_LINES = 100
"""Of a range, on the screen."""


def audit(
    context: typer.Context,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="A table with a number range.")],
    column: Annotated[str | None, typer.Option("--column", metavar="NAME", help="Of this column only.")] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="Of the range with this text.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every number, for spreadsheets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Every number, for programs.")] = False,
    as_html: Annotated[bool, typer.Option("--html", help="One page with everything, to be handed over.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write there; the form goes by its ending.")
    ] = None,
) -> None:
    """Account for every number of a table, from the first to the last that was granted. Ends with 3 where one can't be
    accounted for."""
    form = _form(out, {"csv": as_csv, "json": as_json, "html": as_html})
    wanted = None if text is None else _text(text)
    session = session_of(context)
    with (
        open_node(session.node_home(), session.runtime) as node,
        numbers_audit.audit(node, table, column, wanted) as found,
    ):
        if form is None:
            _print(found)
        elif out is None:
            _to_stdout(FORMS[form](found))
        else:
            pieces = (piece.encode(errors="backslashreplace") for piece in FORMS[form](found))
            Files(session.runtime).write(out, pieces)
            _summarise(found, out)
        faulty = found.has_faults
    if faulty and form is not None and out is None:
        for each in found.ranges:
            _tell_faults(each, to_stderr=True)
    if faulty:
        raise typer.Exit(WAITS_FOR_A_PERSON)


def _form(out: Path | None, given: dict[str, bool]) -> str | None:
    """None: for the screen. Raises WrongUse."""
    chosen = [name for name, wanted in given.items() if wanted]
    if len(chosen) > 1:
        raise WrongUse(f"choose one of --{' and --'.join(chosen)}")
    if chosen or out is None:
        return chosen[0] if chosen else None
    ending = out.suffix.removeprefix(".").lower()
    if ending not in FORMS:
        raise WrongUse(f"say in which form {out} is to be written: --html, --csv or --json")
    return ending


def _text(text: str) -> Form:
    try:
        return Form.parse(text)
    except ValueError:
        raise WrongUse(f"--text {text} is the text of no range: it has one {{n}} or {{n:05}}") from None


def _to_stdout(pieces: Iterable[str]) -> None:
    for piece in pieces:
        sys.stdout.write(piece.encode(errors="backslashreplace").decode())


# --- for the screen ---------------------------------------------------------------------------------------------------


def _summarise(found: Audit, out: Path) -> None:
    for audited in found.ranges:
        say(f"{title(audited)}: {balance(audited)}")
        _tell_faults(audited)
    say(f"Written to {out}.")


def _tell_faults(audited: RangeAudit, *, to_stderr: bool = False) -> None:
    sentences = [f"{title(audited)}: {text}" for text in findings(audited)]
    if not audited.accounting.adds_up:
        sentences.insert(0, f"{title(audited)}: {balance(audited)}")
    for sentence in sentences:
        if to_stderr:
            typer.echo(sentence, err=True)
        else:
            say(sentence)


def _print(found: Audit) -> None:
    for place, audited in enumerate(found.ranges):
        if place:
            print()
        _print_range(found, audited)


def _print_range(found: Audit, audited: RangeAudit) -> None:
    tally = Tally(found)
    lines = grouped(found, tally.passing(audited))
    shown = list(islice(lines, MOST_LINES))
    more = sum(1 for _ in lines)
    say(f"{title(audited)}, audited at {found.host}, {_now(found.at)}")
    print()
    say(balance(audited))
    for sentence in [*findings(audited), *remarks(audited)]:
        say(sentence)
    _print_sums(audited)
    _print_nodes(tally.nodes)
    _print_lines(audited, shown)
    if more:
        say(f"… and {counted(more, 'line')} more: replicator numbers audit {audited.table} --html --out audit.html")


def _print_sums(audited: RangeAudit) -> None:
    accounts = audited.accounting
    rows = [{"state": fate.value, "count": f"{count:,}"} for fate, count in accounts.sums.items()]
    rows.append({"state": "total", "count": f"{accounts.total:,}"})
    print()
    print_listing(rows, (Column("state", "state"), Column("count", "numbers", justify="right")), as_json=False)


def _print_nodes(nodes: dict[str, NodeSums]) -> None:
    if not nodes:
        return
    rows = [
        {
            "node": name,
            **{which: f"{getattr(sums, which):,}" for which in ("used", "voided", "held", "lost")},
            "heard": moment(sums.heard_at) or ("never" if sums.is_station else ""),
        }
        for name, sums in sorted(nodes.items())
    ]
    numbers = [Column(which, which, justify="right") for which in ("used", "voided", "held", "lost")]
    print()
    print_listing(rows, (Column("node", "node", whole=True), *numbers, Column("heard", "heard until")), as_json=False)
    say("What a station has drawn since it was last heard counts as held.")


def _print_lines(audited: RangeAudit, lines: list[Line]) -> None:
    columns = (
        Column("numbers", "numbers"),
        Column("count", "count", justify="right"),
        Column("state", "state", whole=True),
        Column("node", "node"),
        Column("when", "when"),
        Column("remark", "remark"),
    )
    print()
    print_listing([_row(audited, line) for line in lines], columns, as_json=False, empty="no numbers yet")


def _row(audited: RangeAudit, line: Line) -> dict[str, Any]:
    numbers = written(audited, line.lowest)
    if line.highest > line.lowest:
        numbers += f" to {written(audited, line.highest)}"
    return {
        "numbers": numbers,
        "count": f"{line.highest - line.lowest + 1:,}",
        "state": line.fate,
        "node": line.node,
        "when": " to ".join(_moments(line.at, line.last_at)),
        "remark": "; ".join(_remarks(line)),
    }


def _moments(first: int, last: int) -> Iterator[str]:
    """To the minute; one where both are the same."""
    known = [when for at in (first, last) if (when := moment(at)) is not None]
    yield from dict.fromkeys(f"{when.astimezone():%Y-%m-%d %H:%M}" for when in known)


def _remarks(line: Line) -> Iterator[str]:
    if line.row:
        yield f"row {line.row}"
    if line.remark:
        yield line.remark
    if line.ended_by:
        yield " ".join(["at", line.ended_by, *_moments(line.ended_at, line.ended_at)])


def _now(at: int) -> str:
    return next(_moments(at, at), "")
