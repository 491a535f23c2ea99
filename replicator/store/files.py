"""Files that survive a power cut: written to a temporary name in the same folder, fsynced, renamed, the folder fsynced.

A reader sees the old content or the new, never a mixture. What a crash leaves behind is a temporary file, which the
spool's orphan list names; it is never read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from replicator.errors import StorageTrouble, os_reason
from replicator.runtime import Runtime

TEMPORARY_SUFFIX = ".tmp"
FOLDER_MODE = 0o700
FILE_MODE = 0o600

_BINARY = getattr(os, "O_BINARY", 0)
"""Windows would else translate line ends."""


def trouble(error: OSError, doing: str, path: Path) -> StorageTrouble:
    """The one sentence for a failed file access: `doing` is 'read', 'write' or 'delete'."""
    return StorageTrouble(f"cannot {doing} {path}: {os_reason(error)}")


class Files:
    """Access to the home folder's files. `durable=False` leaves the fsyncs out: the simulation has its own power cuts.

    Every method raises StorageTrouble with a sentence that names the path and what to do.
    """

    def __init__(self, runtime: Runtime, *, durable: bool = True) -> None:
        self.runtime = runtime
        self.durable = durable

    def write(
        self, path: Path, data: bytes | Iterable[bytes], *, mode: int = FILE_MODE, moment: str | None = None
    ) -> int:
        """Put `data` (at once or in pieces, flat in memory) in place of whatever stands at `path`. Gives its size.

        With a `moment` ('side', 'spool') the crash points 'MOMENT:before' and 'MOMENT:after' stand around the rename,
        so that a crash before leaves the temporary file, as a real one would.
        """
        temporary = path.with_name(f".{path.name}.{self.runtime.random(6).hex()}{TEMPORARY_SUFFIX}")
        try:
            size = self._write_new(temporary, (data,) if isinstance(data, bytes) else data, mode)
            if moment:
                self.runtime.reached(f"{moment}:before")
            os.replace(temporary, path)
            self._sync_folder(path.parent)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise trouble(error, "write", path) from error
        if moment:
            self.runtime.reached(f"{moment}:after")
        return size

    def read(self, path: Path, limit: int) -> bytes | None:
        """The content, at most `limit` + 1 bytes of it (so that the caller sees when it is too long); None: no file."""
        try:
            with open(path, "rb") as file:
                return file.read(limit + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise trouble(error, "read", path) from error

    def rename(self, path: Path, new: Path) -> None:
        """Give a file another name in its folder, durably."""
        try:
            os.replace(path, new)
            self._sync_folder(new.parent)
        except OSError as error:
            raise trouble(error, "write", new) from error

    def delete(self, path: Path) -> bool:
        """Whether there was such a file. Not fsynced: a file that comes back after a power cut is an orphan."""
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise trouble(error, "delete", path) from error
        return True

    def make_folder(self, path: Path) -> None:
        """Make the folder and its parents, closed to others, durably. A folder that is there keeps its mode."""
        try:
            missing = []
            while not path.is_dir():
                missing.append(path)
                path = path.parent
            for folder in reversed(missing):
                folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
                self._sync_folder(folder.parent)
        except OSError as error:
            raise trouble(error, "write", missing[0] if missing else path) from error

    def _write_new(self, path: Path, pieces: Iterable[bytes], mode: int) -> int:
        size = 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode)
        with open(descriptor, "wb") as file:
            for piece in pieces:
                size += file.write(piece)
            file.flush()
            if self.durable:
                os.fsync(descriptor)
        return size

    def _sync_folder(self, folder: Path) -> None:
        """Make a rename or a new name in the folder durable. Windows has no such call and does it by itself."""
        if not self.durable or os.name == "nt":
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
