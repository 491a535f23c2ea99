"""Paths and files of a folder mailbox, as every file system takes them."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import unicodedata
from pathlib import Path

from replicator.errors import ConfigurationError

_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]")
_UNFIT_IN_NAMES = frozenset('/\\:*?"<>|')
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{digit}" for digit in range(10)), *(f"lpt{digit}" for digit in range(10))]
)


def folder_path(url: str) -> Path:
    """The absolute path of 'folder:PATH', taken literally (no percent escapes); 'folder:///PATH' is understood, too.

    Raises ConfigurationError.
    """
    text = url.strip().partition(":")[2].strip()
    if text.startswith("///"):
        text = text[2:]
        if _WINDOWS_PATH.match(text, 1):
            text = text[1:]
    if not text or "\0" in text:
        raise ConfigurationError("The mailbox has no path: give it as folder:PATH, such as folder:/media/stick/mail.")
    if sys.platform != "win32" and _WINDOWS_PATH.match(text):
        raise ConfigurationError(f"{text} is a path of Windows: give the mailbox a folder of this machine.")
    expanded = os.path.expanduser(text)
    if text.startswith("~") and expanded == text:
        raise ConfigurationError(f"The home folder in {text} is not known: give the mailbox an absolute path.")
    return Path(os.path.abspath(expanded))


def directory_name(address: str) -> str:
    """The folder of an address: lower case and composed (NFC), so that it is one name on every file system.

    Raises ConfigurationError for an address that is empty or would be unsafe as a name.
    """
    name = unicodedata.normalize("NFC", address.strip()).lower()
    unfit = (
        not name
        or name.startswith(".")
        or name.endswith(".")
        or len(name.encode("utf-8", "surrogatepass")) > 255
        or any(sign in _UNFIT_IN_NAMES or not sign.isprintable() for sign in name)
        or name.partition(".")[0] in _WINDOWS_DEVICES
    )
    if unfit:
        raise ConfigurationError(f"{address!r} can't name a folder of mail: use an address such as name@example.com.")
    return name


def move_file(file: Path, folder: Path, other_name: str) -> bool:
    """Rename a file into a folder, which is made where it is missing; by another name where its own is taken there.

    False: it has gone. Raises OSError.
    """
    for missing in (*reversed(folder.parents), folder):
        if missing.is_relative_to(file.parent.parent):
            with contextlib.suppress(FileExistsError):
                missing.mkdir()
    # A rename would silently replace what stands there.
    name = other_name if os.path.lexists(folder / file.name) else file.name
    try:
        file.rename(folder / name)
    except FileNotFoundError:
        if os.path.lexists(file):
            raise
        return False
    return True
