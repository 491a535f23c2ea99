"""What was found to stand as it should, so that not every run has to look at every trigger."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

from replicator.databases.sqlite.statements import scalar


class What(Enum):
    CAPTURE = auto()
    NUMBERS = auto()


class Verified:
    """It holds for as long as nobody has changed anything in the schema (PRAGMA schema_version)."""

    def __init__(self) -> None:
        self._found: dict[tuple[What, str], tuple[object, int]] = {}

    def stands(self, raw: sqlite3.Connection, what: What, table: str, facts: object) -> bool:
        """Was it found with the same facts (how it ought to be), and is the schema as it was then?"""
        return self._found.get((what, table)) == (facts, schema_version(raw))

    def note(self, raw: sqlite3.Connection, what: What, table: str, facts: object) -> None:
        self._found[what, table] = (facts, schema_version(raw))

    def carry_over(self, before: int, after: int) -> None:
        """The schema is as it was again; its version alone has moved."""
        for place, (facts, version) in self._found.items():
            if version == before:
                self._found[place] = (facts, after)

    def forget(self) -> None:
        """Something was undone: a version that is rolled back may be given again to another schema."""
        self._found.clear()


def schema_version(raw: sqlite3.Connection) -> int:
    return int(scalar(raw, "PRAGMA schema_version"))
