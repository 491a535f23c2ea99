"""How the replicator's own things are written for people and for programs: positions, keys, rows, kinds, results."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from replicator.cli.console import cell, console, moment, one_line
from replicator.errors import WrongUse
from replicator.operations.writing import position_text
from replicator.types import Kinds, Value

__all__ = [
    "KIND_STYLES",
    "VERDICT_STYLES",
    "counted",
    "key_text",
    "kinds",
    "position_text",
    "print_side_by_side",
    "record",
    "say",
    "ticks",
    "value_text",
    "words",
]

KIND_STYLES = {"new": "green", "changed": "yellow", "deleted": "red"}
VERDICT_STYLES = {"accepted": "green", "altered": "yellow", "returned": "red", "pending": "yellow", "judged": "green"}
"""Colours of words that say it all without them."""

BYTES_SHOWN = 32
LONGEST = 300
"""Signs of one value in a table; JSON has them all."""
SHOWN, AROUND = 100, 30
"""The same where rows stand side by side, and how many of them before the first difference."""


def say(sentence: str) -> None:
    """A sentence on stdout."""
    print(one_line(sentence))


def counted(count: int, thing: str) -> str:
    """'1 mail', '2 mails'."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def kinds(text: str | None) -> Kinds | None:
    """The option's kinds; None where it is not given. Raises WrongUse."""
    if text is None:
        return None
    try:
        return Kinds.parse(text)
    except ValueError as error:
        raise WrongUse(f"'{error}' is no kind of change: give new,changed,deleted or all or none") from None


def words(chosen: Kinds) -> list[str]:
    """The kinds as a list, for JSON."""
    return [kind.name.lower() for kind in (Kinds.NEW, Kinds.CHANGED, Kinds.DELETED) if kind in chosen and kind.name]


def ticks(chosen: Kinds, prefix: str) -> Iterator[tuple[str, str]]:
    """Cells of a listing, one a kind: (key of the column, tick or nothing)."""
    tick = "✓" if (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" else "x"
    for kind in (Kinds.NEW, Kinds.CHANGED, Kinds.DELETED):
        yield f"{prefix}_{(kind.name or '').lower()}", tick if kind in chosen else ""


def value_text(value: Value, longest: int | None = LONGEST) -> str:
    """A database value on one line; NULL and empty text can be told apart. `longest`: characters; None: all of it."""
    if value is None:
        return "NULL"
    if value == "":
        return "''"
    if isinstance(value, bytes):
        shown = BYTES_SHOWN if longest is not None else len(value)
        return "0x" + value[:shown].hex() + ("…" if len(value) > shown else "")
    text = cell(value) if isinstance(value, str) else repr(value)
    return text if longest is None or len(text) <= longest else f"{text[:longest]}…"


def key_text(key: Sequence[Value] | None) -> str:
    return "" if key is None else ", ".join(map(value_text, key))


def print_side_by_side(
    sides: Mapping[str, Mapping[str, Value] | None], highlighted: Sequence[str] = (), *, full: bool = False
) -> None:
    """Rows beside one another, a line a column. A side of None is no row; a column that isn't known stays empty.

    What is highlighted is marked by a star as well as by its type. Of long values that part is shown in which the sides
    begin to differ; `full`: all of them.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("column", overflow="fold")
    for title in sides:
        table.add_column(title, overflow="fold")
    names = dict.fromkeys(name for side in sides.values() for name in side or ())
    for name in names:
        marked = name in highlighted
        style = "bold" if marked else ""
        table.add_row(
            Text(one_line(name) + (" *" if marked else ""), style=style),
            *_side_cells(list(sides.values()), name, style, full),
        )
    console().print(table)


def _side_cells(sides: list[Mapping[str, Value] | None], name: str, style: str, full: bool) -> list[Text]:
    texts = [value_text(side[name], None) for side in sides if side is not None and name in side]
    start = 0 if full else _first_shown(texts)
    return [_side_cell(side, name, style, start, full) for side in sides]


def _first_shown(texts: list[str]) -> int:
    """Where long texts begin to differ, and a little before."""
    if max(map(len, texts), default=0) <= SHOWN:
        return 0
    differs = _common(texts) if len(set(texts)) > 1 else 0
    return 0 if differs < SHOWN - AROUND else differs - AROUND


def _common(texts: list[str]) -> int:
    """How many characters they begin with alike."""
    return next(
        (place for place, signs in enumerate(zip(*texts, strict=False)) if len(set(signs)) > 1), min(map(len, texts))
    )


def _side_cell(side: Mapping[str, Value] | None, name: str, style: str, start: int, full: bool) -> Text:
    if side is None:
        return Text("(no row)", style="dim")
    if name not in side:
        return Text("")
    value = side[name]
    text = value_text(value, None)
    if isinstance(value, bytes):
        start -= start % 2  # whole bytes
    if not full and len(text) > SHOWN:
        begin = "…" if start else ""
        if isinstance(value, bytes) and start:
            begin = "0x…"
        shown = text[start : start + SHOWN]
        end = f"… ({_extent(value)})" if start + SHOWN < len(text) else ""
        text = f"{begin}{shown}{end}"
    return Text(text, style="dim" if value is None else style)


def _extent(value: Value) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else f"{len(str(value))} characters"


def record(value: Any) -> Any:
    """A result of an operation as data for `print_json`: field names as keys, moments as datetimes, kinds as lists.

    What is not a dataclass's field (a row's columns) is left as it is, whatever its name.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _field(field.name, getattr(value, field.name))
            for field in fields(value)
            if not field.name.startswith("_")
        }
    if isinstance(value, Kinds):
        return words(value)
    if isinstance(value, (list, tuple)):
        return [record(each) for each in value]
    if isinstance(value, dict):
        return {key: record(each) for key, each in value.items()}
    return value


def _field(name: str, value: Any) -> Any:
    if (name == "at" or name.endswith(("_at", "_since"))) and isinstance(value, int):
        return moment(value)
    return record(value)
