"""The maildirs of a farm, from behind: what lies there, somebody else's mail, and what a server's administrator does.

Dovecot notices what is put into a maildir or taken out of it by the time at which the folder changed, and a file system
may give two changes within some milliseconds the same time. So each change here is marked with a time of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers.dovecot import MAIL_USER

INBOX = ""
JUNK = "Junk"

_numbers = itertools.count(1)


class Mailboxes:
    """Below `root`, a folder for each user; a user's further folders have a dot before their names (Maildir++)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir()
        shutil.chown(root, MAIL_USER, MAIL_USER)

    def put(self, user: str, raw: bytes, folder: str = INBOX) -> None:
        """A mail arrives as these very bytes, whatever they are: no server looks at them."""
        box = self._box(user, folder)
        for part in ("", "cur", "new", "tmp"):
            self._make(box / part)
        now = time.time_ns()
        # As Dovecot names them, so that a name's place among the others tells its age.
        name = f"{now // 10**9}.M{now // 1000 % 10**6}P{os.getpid()}Q{next(_numbers)}.localhost"
        file = box / "tmp" / name
        file.write_bytes(raw)
        shutil.chown(file, MAIL_USER, MAIL_USER)
        file.rename(box / "new" / name)
        _mark(box)

    def contents(self, user: str, folder: str = INBOX) -> list[bytes]:
        """All mails of a folder, oldest first, with the line ends that Dovecot keeps them with (LF)."""
        return [file.read_bytes() for file in sorted(self._files(user, folder), key=_age)]

    def unseen(self, user: str) -> int:
        """Mails of the inbox that nobody has read: the flag is an S behind the name."""
        return sum("S" not in file.name.partition(":2,")[2] for file in self._files(user, INBOX))

    def remove_all(self, user: str) -> None:
        """Somebody else empties all folders."""
        for folder in self._folders(user):
            for file in self._files(user, folder):
                file.unlink(missing_ok=True)
            _mark(self._box(user, folder))

    def remove_oldest(self, user: str) -> None:
        """Somebody else takes the oldest mail away."""
        min(self._files(user, INBOX), key=_age).unlink()
        _mark(self._box(user, INBOX))

    def renumber(self, user: str) -> None:
        """The server forgets its numbers, as after a restored backup: UIDVALIDITY and all UIDs and UIDLs are new."""
        for folder in self._folders(user):
            for file in self._box(user, folder).glob("dovecot*"):
                # This one remembers the last UIDVALIDITY, so that the next is another one also within a second.
                if not file.name.startswith("dovecot-uidvalidity"):
                    file.unlink()

    def _box(self, user: str, folder: str) -> Path:
        return self._root / user / f".{folder}" if folder else self._root / user

    def _folders(self, user: str) -> list[str]:
        return [INBOX, *(path.name[1:] for path in (self._root / user).glob(".*") if path.is_dir())]

    def _files(self, user: str, folder: str) -> Iterator[Path]:
        for part in ("cur", "new"):
            path = self._box(user, folder) / part
            if path.is_dir():
                yield from path.iterdir()

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(mode=0o700, parents=True)
        for made in (folder, *folder.parents):
            if made == self._root:
                break
            shutil.chown(made, MAIL_USER, MAIL_USER)


def _mark(box: Path) -> None:
    for part in (box / "cur", box / "new"):
        if part.is_dir():
            now = time.time_ns()
            os.utime(part, ns=(now, now))


def _age(file: Path) -> tuple[int, int]:
    seconds, _, rest = file.name.partition(".")
    return int(seconds), int(rest[1:].partition("P")[0])
