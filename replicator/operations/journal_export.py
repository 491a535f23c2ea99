"""The whole journal, or what fits a filter, as JSON lines: one after the other, whatever its length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from replicator.operations.journal_filters import Filter, search_of
from replicator.operations.journal_pages import Looking
from replicator.operations.journal_records import json_line
from replicator.operations.opening import View
from replicator.store.files import Files


def lines(view: View, chosen: Filter) -> Iterator[str]:
    """JSON lines without their ends, the oldest first, all of one moment. Raises UnknownName and WrongUse."""
    search = search_of(view, chosen)
    looking = Looking(view, search, newest=False, bound=None)
    for found in looking.all():
        yield json_line(looking.describing, found)


def write(files: Files, path: Path, text: Iterator[str]) -> int:
    """Put the lines into a file, which stands there whole or not at all. Gives how many. Raises StorageTrouble."""
    count = 0

    def pieces() -> Iterator[bytes]:
        nonlocal count
        for line in text:
            count += 1
            yield line.encode() + b"\n"

    files.write(path, pieces())
    return count
