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
from replicator.types import Kinds, Position, Value

BYTES_SHOWN = 32
LONGEST = 300
"""Signs of one value in a table; JSON has them all."""


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


def position_text(position: Position) -> str:
    """'2.417': entry 417 in the log of host epoch 2. In a station's own journal the epoch is 0 and left out."""
    epoch, n = position
    return f"{epoch}.{n}" if epoch else str(n)


def value_text(value: Value) -> str:
    """A database value on one line; NULL and empty text can be told apart."""
    if value is None:
        return "NULL"
    if value == "":
        return "''"
    if isinstance(value, bytes):
        return "0x" + value[:BYTES_SHOWN].hex() + ("…" if len(value) > BYTES_SHOWN else "")
    text = cell(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def key_text(key: Sequence[Value] | None) -> str:
    return "" if key is None else ", ".join(map(value_text, key))


def print_side_by_side(sides: Mapping[str, Mapping[str, Value] | None], highlighted: Sequence[str] = ()) -> None:
    """Rows beside one another, a line a column. A side of None is no row; a column that isn't known stays empty."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("column", no_wrap=True)
    for title in sides:
        table.add_column(title, overflow="fold")
    names = dict.fromkeys(name for side in sides.values() for name in side or ())
    for name in names:
        style = "bold" if name in highlighted else ""
        table.add_row(Text(one_line(name), style=style), *(_side_cell(side, name, style) for side in sides.values()))
    console().print(table)


def _side_cell(side: Mapping[str, Value] | None, name: str, style: str) -> Text:
    if side is None:
        return Text("(no row)", style="dim")
    if name not in side:
        return Text("")
    value = side[name]
    return Text(value_text(value), style="dim" if value is None else style)


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
