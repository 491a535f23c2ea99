"""The rotating log in the node's home, and --verbose on stderr.

Everybody logs to `logging.getLogger(__name__)`; only the command line calls `start`. Secrets are never logged. What
came by mail is: control characters in a message are escaped, so that nobody writes lines of his own into our log.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler

from replicator.errors import StorageTrouble, os_reason

FILE_NAME = "replicator.log"
FILE_BYTES = 1_000_000
FILE_COUNT = 5
_ROOT = "replicator"
_FORMAT = "%(asctime)s %(process)d %(levelname)-7s %(name)s: %(message)s"


def start(folder: Path | None, *, verbose: bool) -> None:
    """Log into `folder` (made if need be; None: no file), and to stderr when `verbose`. Called again, it starts anew.

    Raises StorageTrouble when the log can't be opened.
    """
    stop()
    # What libraries log is for programmers: without a handler it would come on a person's screen, traceback and all.
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())
    logger = logging.getLogger(_ROOT)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False
    if folder is not None:
        logger.addHandler(_file_handler(folder))
    if verbose:
        handler = RichHandler(console=Console(stderr=True), show_path=False, markup=False, rich_tracebacks=False)
        handler.setFormatter(_Formatter("%(message)s"))
        logger.addHandler(handler)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def stop() -> None:
    """Close all that `start` opened."""
    logger = logging.getLogger(_ROOT)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        # The last lines may still be in memory, and the disk full: they are dropped, as in `_File`.
        with suppress(OSError):
            handler.close()


def log_path(folder: Path) -> Path:
    return folder / FILE_NAME


def _file_handler(folder: Path) -> logging.Handler:
    path = log_path(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = _File(path, maxBytes=FILE_BYTES, backupCount=FILE_COUNT - 1, encoding="utf-8")
    except OSError as error:
        raise StorageTrouble(f"cannot write {path}: {os_reason(error)}") from error
    handler.setFormatter(_Formatter(_FORMAT))
    return handler


class _File(RotatingFileHandler):
    """Closed to others. What can't be logged is dropped: a full disk must not stop a run for the log's sake."""

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_open_private)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        pass


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Formatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        record.message = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
            for character in record.message
        )
        return super().formatMessage(record)
