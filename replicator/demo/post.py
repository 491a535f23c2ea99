"""Looking over the post's shoulder: all mails that were ever on their way, as a provider sees them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from email.policy import default
from pathlib import Path

from replicator.demo.places import Company, Place
from replicator.protocol.envelope import MAGIC
from replicator.transport.mime import extract

SHOWN = ("From", "To", "Subject")
SHORTEST_WORD = 8
"""Bytes of a text that chance will not put into a sealed mail."""


@dataclass
class Post:
    """Notes each mail once, as it lies in a mailbox after a run."""

    company: Company
    mails: dict[Path, bytes] = field(default_factory=dict)

    def look(self) -> None:
        for place in self.company.places:
            for path in place.mails():
                if path not in self.mails:
                    self.mails[path] = path.read_bytes()

    @property
    def bytes(self) -> int:
        return sum(map(len, self.mails.values()))

    def example(self, place: Place) -> list[tuple[str, str]]:
        """The newest mail in a mailbox: the headers that tell something, and how what is sealed begins."""
        raw = self.mails[place.mails()[-1]]
        head = BytesHeaderParser(policy=default).parsebytes(raw)
        payload = extract(raw, MAGIC).payloads[0]
        return [(name, str(head[name])) for name in SHOWN] + [("Attached", f"{payload[:26].hex(' ')} …")]

    def leaks(self) -> tuple[int, int]:
        """(texts of the database looked for, those found in any mail, whether as it is or unpacked)."""
        texts = set(_texts(self.company.places))
        seen = b"\n".join(raw + b"".join(extract(raw, MAGIC).payloads) for raw in self.mails.values())
        return len(texts), sum(text in seen for text in texts)


def _texts(places: Iterable[Place]) -> Iterable[bytes]:
    """Names, streets and phone numbers of all customers at all places."""
    for place in places:
        with closing(sqlite3.connect(place.database)) as connection:
            for row in connection.execute("SELECT name, street, phone FROM customers"):
                yield from (text.encode() for text in row if text is not None and len(text.encode()) >= SHORTEST_WORD)
