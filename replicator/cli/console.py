"""How results are printed: tables that fit a screen and can be piped, or JSON; sizes and times for people."""

from __future__ import annotations

import enum
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from replicator.operations.writing import moment

__all__ = [
    "AsJson",
    "Column",
    "cell",
    "console",
    "human_size",
    "human_span",
    "moment",
    "one_line",
    "print_json",
    "print_listing",
    "print_record",
]

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
"""Type of the parameter `as_json` of every listing command."""

PIPED_WIDTH = 10_000
"""Columns: where no screen limits it, a row stays on one line and nothing is cut."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a listing. In JSON the whole row appears under its own keys, whatever the columns."""

    key: str
    title: str
    justify: Literal["left", "right"] = "left"
    whole: bool = False
    """Never cut or folded on a narrow screen: names that people type in again."""
    styles: Mapping[str, str] | None = None
    """Colours by what stands in the cell; the words say it all without them."""


def console(*, to_stderr: bool = False) -> Console:
    """A rich console: as wide as the screen, or as wide as need be when piped; no colours then."""
    stream = sys.stderr if to_stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH, highlight=False)


def print_listing(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], as_json: bool, *, empty: str = "nothing"
) -> None:
    """Rows as a table, or as a JSON array of objects. `empty` is said instead of a table without rows."""
    rows = list(rows)
    if as_json:
        print_json(rows)
        return
    if not rows:
        print(one_line(empty))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(Text(column.title), justify=column.justify, no_wrap=column.whole, overflow="fold")
    for row in rows:
        table.add_row(*(_styled(cell(row.get(column.key)), column) for column in columns))
    console().print(table)


def _styled(text: str, column: Column) -> Text:
    return Text(text, style=(column.styles or {}).get(text, ""))


def print_record(record: Mapping[str, Any], as_json: bool, *, titles: Mapping[str, str] | None = None) -> None:
    """One thing, a line a value, or a JSON object. `titles` names the values and their order for people."""
    if as_json:
        print_json(record)
        return
    titles = titles or {key: key.replace("_", " ") for key in record}
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, title in titles.items():
        table.add_row(Text(title), Text(cell(record.get(key))))
    console().print(table)


def print_json(value: Any, *, compact: bool = False) -> None:
    """JSON as all programs read it: bytes as '0x…', doubles that JSON lacks as text, moments in ISO 8601.

    `compact`: on one line, where one follows another.
    """
    plain, indent = _plain(value), None if compact else 2
    text = json.dumps(plain, indent=indent, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # text that is not valid UTF-8 in the database: it goes out as an escape
        text = json.dumps(plain, indent=indent)
    print(text)


def cell(value: Any) -> str:
    """A value in a table: one line, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(cell(each) for each in (sorted(value) if isinstance(value, set | frozenset) else value))
    return one_line(str(value))


def one_line(text: str) -> str:
    """Text on one line, whatever came in by mail: no line ends, no escape sequences for the terminal."""
    joined = " ".join(text.splitlines())
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in joined
    )


def human_size(size: int) -> str:
    """Bytes for people: '812 B', '1.4 kB', '20 MB'."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 9.95 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def human_span(seconds: float) -> str:
    """A span of time for people: '8 s', '3 min', '5 h', '12 days'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    match value:
        case enum.Enum():
            return str(value)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else repr(value)
        case bytes():
            return "0x" + value.hex()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case set() | frozenset():
            return [_plain(each) for each in sorted(value)]
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return str(value)
