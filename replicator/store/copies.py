"""Copies of forwarded mails, kept in the home folder for as long as a server on their way may still give them back.

A file's name is the time and the digest in the Message-ID that the mail goes by, so that a bounce leads to it, and
'-sent' once a server has taken the mail.
"""

from __future__ import annotations

import re
from pathlib import Path

from replicator.runtime import Runtime
from replicator.store.files import Files

DAY = 24 * 60 * 60 * 1_000_000
"""Microseconds."""
KEPT = 7 * DAY
"""Servers give up after five days, as a rule (RFC 5321, 4.5.4.1)."""
MOST_BYTES = 200_000_000
"""Of all copies together; the oldest go first."""

_SENT = "-sent"
_NAME = re.compile(r"(?P<time>\d{16})-(?P<digest>[0-9a-f]{32})(?P<sent>-sent)?\.eml")


def keep(folder: Path, digest: str, raw: bytes, runtime: Runtime) -> Path:
    """Store the mail durably, in place of an earlier copy of it; those that are too old go. Gives where.

    Raises StorageTrouble.
    """
    files = Files(runtime)
    files.make_folder(folder)
    path = folder / f"{runtime.now():016d}-{digest}.eml"
    files.write(path, raw)
    room = MOST_BYTES
    for other, time, its_digest in reversed(_all(folder)):
        room -= other.stat().st_size
        same = its_digest == digest and other != path
        if same or ((room < 0 or time < runtime.now() - KEPT) and other != path):
            files.delete(other)
    return path


def find_sent(folder: Path, digest: str) -> Path | None:
    """The copy of the mail that went with this digest."""
    return next((path for path, _, its_digest in _all(folder) if its_digest == digest and is_sent(path)), None)


def is_sent(path: Path) -> bool:
    return path.stem.endswith(_SENT)


def mark_sent(path: Path, runtime: Runtime) -> None:
    """A server has taken the mail. Raises StorageTrouble."""
    Files(runtime).rename(path, path.with_name(f"{path.stem}{_SENT}{path.suffix}"))


def drop(path: Path, runtime: Runtime) -> None:
    """The mail did not go."""
    Files(runtime).delete(path)


def move(path: Path, folder: Path, runtime: Runtime) -> Path:
    """Put the copy where nothing is ever deleted, durably; gives where. Raises StorageTrouble."""
    files = Files(runtime)
    raw = files.read(path, MOST_BYTES)
    target = folder / path.name
    if raw is not None:
        files.make_folder(folder)
        files.write(target, raw)
        files.delete(path)
    return target


def _all(folder: Path) -> list[tuple[Path, int, str]]:
    """(path, when in microseconds, digest), oldest first."""
    names = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()] if folder.is_dir() else []
    return sorted((path, int(name["time"]), name["digest"]) for path, name in names if name is not None)
