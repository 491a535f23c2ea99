"""The general way into a mail: any MIME, within bounds, by the standard library's parser.

That parser has no bounds of its own: it makes an object for every part, keeps every header, and some of its work is
quadratic in the length of a header. So its hooks count, and end it by an exception when a bound is passed.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.errors import InvalidBase64LengthDefect
from email.feedparser import BytesFeedParser
from email.message import Message
from typing import Any

_HEADER_CHARACTERS = 4000
"""A header is cut here; no header that we look at is longer."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a mail is looked at before it is called foreign. The defaults are far above what mail programs do."""

    size: int
    """Bytes of the whole mail."""
    lines: int = 500_000
    headers: int = 2_000
    """In all parts together."""
    parts: int = 64
    """Leaves, containers and the mail itself."""
    containers: int = 16
    """Multiparts and mails within, one in another or side by side: therefore of the depth, too."""


HEAD = Bounds(512 * 1024, lines=20_000, headers=1_000, parts=2, containers=2)


class _BoundPassed(Exception):
    """Ends the parser; the text says which bound."""


class _Count:
    """Counts what the parser meets in one mail."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.headers = self.parts = self.containers = 0

    def header(self, name: str, value: str) -> None:
        self.headers += 1
        if self.headers > self.bounds.headers:
            raise _BoundPassed("it has too many headers")
        if name.lower() == "content-type" and value.strip().lower().startswith(("multipart/", "message/")):
            self.containers += 1
            if self.containers > self.bounds.containers:
                raise _BoundPassed("its parts are nested too deeply")

    def part(self) -> None:
        self.parts += 1
        if self.parts > self.bounds.parts:
            raise _BoundPassed("it has too many parts")


class _BoundedPolicy(policy.Compat32):
    """The lenient policy of old, with counting hooks."""

    count: _Count | None = None

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, _, rest = sourcelines[0].partition(":")
        value = rest.lstrip(" \t")
        for line in sourcelines[1:]:
            if len(value) > _HEADER_CHARACTERS:
                break
            value += line
        value = value[:_HEADER_CHARACTERS].rstrip()
        if self.count is not None:
            self.count.header(name, value)
        return name[:_HEADER_CHARACTERS], value


def candidates(raw: bytes, magic: bytes, bounds: Bounds) -> tuple[list[bytes], str | None]:
    """All decoded leaves of the mail that begin with `magic`, and a reason when the mail could not be looked through.

    Never raises.
    """
    if raw.count(b"\n") + raw.count(b"\r") > 2 * bounds.lines:
        return [], "it has too many lines"
    try:
        mail = _parse(raw, bounds)
        return [content for content in _contents(mail) if content.startswith(magic)], None
    except _BoundPassed as passed:
        return [], str(passed)
    except Exception:  # noqa: BLE001 - the parser promises to raise nothing, but has broken that promise time and again
        return [], "it can't be read as a mail"


def parsed(raw: bytes, bounds: Bounds) -> Message[Any, Any] | None:
    """The mail within these bounds, or None where it passes one of them or can't be read. Never raises."""
    if len(raw) > bounds.size or raw.count(b"\n") + raw.count(b"\r") > 2 * bounds.lines:
        return None
    try:
        return _parse(raw, bounds)
    except Exception:  # noqa: BLE001 - as above, and a passed bound
        return None


def head_of(raw: bytes) -> Message[Any, Any] | None:
    """The headers alone, of the first HEAD.size bytes; None where they can't be read. Never raises."""
    end = min((place for place in (raw.find(b"\n\n"), raw.find(b"\r\n\r\n")) if place >= 0), default=HEAD.size)
    return parsed(raw[: min(end, HEAD.size - 2)] + b"\n\n", HEAD)


def _parse(raw: bytes, bounds: Bounds) -> Message[Any, Any]:
    count = _Count(bounds)

    def new_part(**arguments: Any) -> Message[Any, Any]:
        count.part()
        return Message(**arguments)

    hooks: dict[str, Any] = {"count": count}
    parser = BytesFeedParser(new_part, policy=_BoundedPolicy(**hooks))
    view = memoryview(raw)
    for start in range(0, len(raw), _CHUNK):
        parser.feed(bytes(view[start : start + _CHUNK]))
    return parser.close()


def _contents(mail: Message[Any, Any]) -> Iterator[bytes]:
    """The decoded content of each leaf, one at a time. `walk` recurses, which the bound on parts keeps harmless."""
    for part in mail.walk():
        if not part.is_multipart():
            try:
                content = part.get_payload(decode=True)
            except Exception:  # noqa: BLE001 - as above; the other parts may be sound
                continue
            if isinstance(content, bytes):
                yield _of_cut_base64(content) if _cut_in_base64(part) else content


def _cut_in_base64(part: Message[Any, Any]) -> bool:
    return any(isinstance(defect, InvalidBase64LengthDefect) for defect in part.defects)


def _of_cut_base64(text: bytes) -> bytes:
    """What the parser gives up: base64 that was cut just behind the first of four characters."""
    characters = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
    return binascii.a2b_base64(characters[: len(characters) // 4 * 4])
