"""A mailbox made of folders: mail for address A is a file in PATH/A/new/ (design.md 3).

PATH may be on this machine, a share, a stick or a folder that some other program synchronises, so nothing is asked of
the file system but a rename within one folder: no hard links, no locks, no case. As in a maildir, a mail is
written to PATH/A/tmp/ first, so that what lies in new/ is whole. Sending is durable when `send` returns; a deletion is
not (after a power cut the mail comes again, as a duplicate).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

from replicator.errors import MailboxTrouble, MailTooLarge, os_reason
from replicator.runtime import Runtime
from replicator.transport import mime
from replicator.transport.base import LARGEST_MAIL, Absence, Composed, Fetched, Mail, Mailbox
from replicator.transport.folder_files import directory_name, move_file

DAY = 24 * 60 * 60 * 1_000_000
"""In microseconds."""

LOOK_SECONDS = 1.0
"""How often `wait` looks for new files."""

_OUR_NAME = re.compile(r"(?P<time>\d{16})-[0-9a-f]{16}\.eml")
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

_CANNOT_SYNC_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS)
"""From a file system that can't sync a folder, such as some shares: there is nothing to wait for."""


class FolderMailbox(Mailbox):
    """`folder:PATH` for one address. Opening it makes PATH (not its parents) and our own folder in it where missing.

    PATH's parents are not made, and PATH itself only at opening: when a drive isn't connected, mail must not be written
    to the empty place where it usually appears. That place itself may be there, always and empty; who knows of a drive
    says `create=False`: then nothing is made, and nothing is sent, where our own folder is missing. `durable=False`
    leaves fsync out, which only the simulation may do.
    """

    has_folders = True

    def __init__(
        self,
        path: Path,
        address: str,
        runtime: Runtime,
        *,
        durable: bool = True,
        size_limit: int | None = LARGEST_MAIL,
        create: bool = True,
    ) -> None:
        self.address = address
        self.size_limit = size_limit
        self._create = create
        self._path = path
        self._runtime = runtime
        self._durable = durable
        self._own = path / directory_name(address)
        self._listed: frozenset[str] = frozenset()
        if not create:
            self._require_there()
            return
        try:
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                with contextlib.suppress(OSError):
                    self._sync_folder(path.parent)
            self._make_folders(self._own)
        except OSError as error:
            raise _trouble(error, path, "used") from error

    # --- sending ------------------------------------------------------------------------------------------------

    def send(self, mail: Mail | Composed) -> None:
        """See `Mailbox.send`. The file's name is the time and a random number, so that names sort by age."""
        folder = self._path / directory_name(mail.recipient)
        content = mime.content_of(mail)
        if self.size_limit is not None and len(content) > self.size_limit:
            raise MailTooLarge(
                f"A mail of {len(content)} bytes is larger than the {self.size_limit} bytes that {self._path} takes.",
                self.size_limit,
            )
        name = self._new_name()
        half_written, whole = folder / "tmp" / name, folder / "new" / name
        self._require_there()
        try:
            self._make_folders(folder)
            try:
                self._write(half_written, content)
                self._runtime.reached("mail:before")
                half_written.rename(whole)
            except OSError:
                with contextlib.suppress(OSError):
                    half_written.unlink()
                raise
            self._sync_folder(whole.parent)
        except OSError as error:
            raise _trouble(error, folder, "written") from error
        self._runtime.reached("mail:after")

    def _new_name(self) -> str:
        return f"{self._runtime.now():016d}-{self._runtime.random(8).hex()}.eml"

    def _require_there(self) -> None:
        """The folder that was made when the mailbox was set up shows that this is the drive, and not its place."""
        if self._create or (self._own / "new").is_dir():
            return
        raise MailboxTrouble(
            f"The mail folder {self._own} is not there: connect its drive, or set the mailbox up on this one with "
            f"'replicator account set'."
        )

    def _make_folders(self, folder: Path) -> None:
        """Make an address's folder; PATH is there already, or the drive is not connected."""
        if (folder / "new").is_dir() and (folder / "tmp").is_dir():
            return
        for missing in (folder, folder / "tmp", folder / "new"):
            with contextlib.suppress(FileExistsError):
                missing.mkdir()
        self._sync_folder(folder)
        self._sync_folder(self._path)

    def _write(self, path: Path, content: bytes) -> None:
        with open(os.open(path, _WRITE_FLAGS, 0o666), "wb", buffering=0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            if self._durable:
                os.fsync(file.fileno())

    def _sync_folder(self, folder: Path) -> None:
        """Make a rename durable. Windows has no such call and needs none: NTFS journals its folders."""
        if not self._durable or sys.platform == "win32":
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in _CANNOT_SYNC_FOLDERS:
                raise
        finally:
            os.close(handle)

    # --- fetching -----------------------------------------------------------------------------------------------

    def fetch(self, *, largest: int = LARGEST_MAIL, skip: Container[str] = frozenset()) -> Iterator[Fetched]:
        """See `Mailbox.fetch`. Any file counts, whatever its name, since a copy of a mail is a mail; hidden ones don't
        (what synchronising programs and file managers leave)."""
        self._remove_abandoned()
        names = self._list()
        self._listed = frozenset(names)
        for number, name in enumerate(names, start=1):
            fetched = self._read(name, largest, skip)
            if fetched is not None:
                yield replace(fetched, behind=len(names) - number)

    def _list(self) -> list[str]:
        try:
            with os.scandir(self._own / "new") as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
                )
        except OSError as error:
            raise _trouble(error, self._own, "read") from error

    def _read(self, name: str, largest: int, skip: Container[str]) -> Fetched | None:
        """The mail, or None when it has gone, is no plain file or is skipped."""
        try:
            with open(os.open(self._own / "new" / name, _READ_FLAGS), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                hint = f"{name}/{status.st_size}/{status.st_mtime_ns}"
                if not stat.S_ISREG(status.st_mode) or hint in skip:
                    return None
                if status.st_size > largest:
                    return Fetched(name, hint, status.st_size, None, Absence.TOO_LARGE)
                # It may be growing while some other program copies it here: the bound is kept all the same.
                raw = _read_at_most(file.fileno(), status.st_size)
                return Fetched(name, hint, len(raw), raw)
        except FileNotFoundError:
            return None
        except OSError:
            return Fetched(name, f"{name}//", 0, None, Absence.UNREADABLE)

    def _remove_abandoned(self) -> None:
        """Remove what a sender began to write over a day ago and never finished; only files that bear our names."""
        oldest = self._runtime.now() - DAY
        with contextlib.suppress(OSError), os.scandir(self._own / "tmp") as entries:
            for name in sorted(entry.name for entry in entries):
                ours = _OUR_NAME.fullmatch(name)
                if ours and int(ours["time"]) < oldest:
                    with contextlib.suppress(OSError):
                        (self._own / "tmp" / name).unlink()

    def delete(self, fetched_ids: Iterable[str]) -> None:
        """See `Mailbox.delete`. Takes effect at once, though only durably when the file system gets round to it."""
        failure: OSError | None = None
        for name in map(_checked_id, fetched_ids):
            self._runtime.reached("delete:before")
            try:
                (self._own / "new" / name).unlink(missing_ok=True)
            except OSError as error:
                failure = failure or error
            self._runtime.reached("delete:after")
        if failure is not None:
            raise _trouble(failure, self._own, "emptied") from failure

    def move(self, fetched_ids: Iterable[str], folder: str) -> dict[str, MailboxTrouble]:
        """See `Mailbox.move`. The folder stands beside new/; the file keeps its name, unless it is taken there."""
        target = self._own.joinpath(*folder.split("/"))
        refused: dict[str, MailboxTrouble] = {}
        moved = False
        for name in map(_checked_id, fetched_ids):
            self._runtime.reached("move:before")
            try:
                moved = move_file(self._own / "new" / name, target, self._new_name()) or moved
            except OSError as error:
                refused[name] = _trouble(error, target, "written")
            self._runtime.reached("move:after")
        if moved:
            try:
                self._sync_folder(target)
            except OSError as error:
                raise _trouble(error, target, "written") from error
        return refused

    def close(self) -> None:
        """Nothing is held open."""

    def wait(self, seconds: float, stop: Event) -> bool:
        """See `Mailbox.wait`: looks every second for a file that the last `fetch` didn't list."""
        left = seconds
        while not stop.is_set():
            if not self._listed.issuperset(self._list()):
                return True
            if left <= 0:
                break
            stop.wait(min(left, LOOK_SECONDS))
            left -= LOOK_SECONDS
        return False


def _checked_id(name: str) -> str:
    if os.path.basename(name) != name or name in ("", ".", ".."):
        raise ValueError(f"not an id of this mailbox: {name!r}")
    return name


def _read_at_most(handle: int, size: int) -> bytes:
    pieces = []
    while size and (piece := os.read(handle, size)):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


_REASONS = {
    errno.ENOENT: "it is not there; create it, or connect its drive",
    errno.ESTALE: "the share has gone; connect it again",
    errno.ENAMETOOLONG: "the path is too long; choose a shorter one",
    errno.ELOOP: "its links go round in a circle; choose another path",
    errno.EFBIG: "its file system takes no file of this size; choose another one",
}
"""What an errno means for a mail folder in particular; `os_reason` knows the rest."""


def _trouble(error: OSError, folder: Path, deed: str) -> MailboxTrouble:
    """Sort an operating system's error by its number."""
    reason = _REASONS.get(error.errno or 0) or os_reason(error)
    return MailboxTrouble(f"The mail folder {folder} can't be {deed}: {reason}.")
