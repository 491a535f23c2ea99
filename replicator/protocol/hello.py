"""What a station tells of its database at the head of its mails (protocol.md, "What a station tells of itself").

It stands in the header's `notice`, so that it needs no stream, no answer and no order: every mail says it, and the last
one that came counts. A host that doesn't know the word passes over it, and a station that doesn't say it is as good.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WORD = re.compile(r"database ([a-z][a-z0-9]{0,19}) ([0-9][0-9.]{0,19})", re.ASCII)


class DatabaseTold(NamedTuple):
    kind: str
    """`mariadb`, `postgresql` or `sqlite`; or one that is not known here yet."""
    version: str


def database_notice(told: DatabaseTold) -> str:
    return f"database {told.kind} {told.version}"


def database_told(notice: str | None) -> DatabaseTold | None:
    """None where the notice is none, or about something else."""
    match = _WORD.fullmatch(notice or "")
    return None if match is None else DatabaseTold(match[1], match[2])
