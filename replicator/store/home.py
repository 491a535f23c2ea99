"""A node's home folder (design.md 3).

replicator.toml   the configuration           spool/    what waits to be mailed or applied
identity.key      the key pair, 0600          log/      the rotating log
state             the side file, 0600         aside/    mails that could not be used, with the reason
revisions/         what this node is to replicate, step by step (replicator migrate)
lock, running     held while a process works on the node; the process's number
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from replicator import config, config_text
from replicator.config import Configuration
from replicator.errors import AlreadyRunning, ConfigurationError, StorageTrouble
from replicator.store.files import FILE_MODE, Files, trouble
from replicator.store.identity import IdentityFile
from replicator.store.side_file import SideFile
from replicator.store.spool import Spool


def default_home() -> Path:
    """The platform's folder for a user's application data."""
    return user_data_path("replicator", appauthor=False)


class Home:
    """Paths and files of one node. Raises StorageTrouble, with a sentence that names the path, where access fails."""

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path.absolute()
        self.configuration_file = self.path / "replicator.toml"
        self.log_folder = self.path / "log"
        self.aside_folder = self.path / "aside"
        self.revisions_folder = self.path / "revisions"
        self.identity = IdentityFile(self.path / "identity.key", files)
        self.side_file = SideFile(self.path / "state", files)
        self.files = files

    def spool(self, reserve: int) -> Spool:
        """`reserve`: bytes that stay free on the disk (limits.reserve_bytes)."""
        return Spool(self.path / "spool", self.files, reserve=reserve)

    # --- there or not -------------------------------------------------------------------------------------------

    def holds_node(self) -> bool:
        """Whether a node was set up here. Raises StorageTrouble where we may not even look."""
        try:
            self.configuration_file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise trouble(error, "read", self.configuration_file) from error
        return True

    def create(self) -> None:
        """Make the folders, closed to other users. A folder that is there already keeps its own mode.

        Raises ConfigurationError when a node lives here; nothing is changed then.
        """
        if self.holds_node():
            raise ConfigurationError(f"{self.path} holds a node already; choose another folder with --home")
        for folder in (self.path, self.path / "spool", self.log_folder, self.aside_folder):
            self.files.make_folder(folder)
        self.require_access()

    def require(self) -> None:
        """Raises ConfigurationError when no node lives here, StorageTrouble when we may not write here."""
        if not self.holds_node():
            raise ConfigurationError(
                f"there is no node in {self.path}; set one up with 'replicator host-init' or 'replicator remote-init', "
                f"or name its folder with --home"
            )
        self.require_access()

    def require_access(self) -> None:
        effective = os.access in os.supports_effective_ids
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK, effective_ids=effective):
            raise StorageTrouble(
                f"cannot write in {self.path}: no permission; run as its owner, or choose another folder with --home"
            )

    # --- configuration ------------------------------------------------------------------------------------------

    def load_configuration(self) -> Configuration:
        """Raises ConfigurationError, one sentence with the file and the key, and all that `require` raises."""
        self.require()
        data = self.files.read(self.configuration_file, config.FILE_LIMIT)
        if data is None or len(data) > config.FILE_LIMIT:
            raise ConfigurationError(f"{self.configuration_file} is too long for a configuration; mend it")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigurationError(f"{self.configuration_file} is not UTF-8 text; save it as such") from None
        return config.parse(text, str(self.configuration_file))

    def save_configuration(self, configuration: Configuration) -> None:
        """Write it anew, with our comments. On set-up this comes last: from then on there is a node here."""
        self.files.write(self.configuration_file, config_text.render(configuration).encode())

    # --- one process per node -----------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from this node; the operating system lets go when the process dies, however it does.

        Raises AlreadyRunning at once when another holds it.
        """
        lock = FileLock(self.path / "lock", timeout=0, mode=FILE_MODE)
        try:
            lock.acquire()
        except Timeout:
            raise AlreadyRunning(self._who_is_running()) from None
        except OSError as error:
            raise trouble(error, "write", self.path / "lock") from error
        running = self.path / "running"
        try:
            # For the sentence of whoever comes next; that it may be missing or stale hurts nobody.
            with suppress(OSError):
                running.write_text(str(os.getpid()), encoding="ascii")
            yield
        finally:
            with suppress(OSError):
                running.unlink(missing_ok=True)
            lock.release()

    def _who_is_running(self) -> str:
        try:
            number = f" ({int((self.path / 'running').read_text(encoding='ascii'))})"
        except (OSError, ValueError):
            number = ""
        return f"another process{number} works on the node in {self.path}; wait until it is done, or end it"
