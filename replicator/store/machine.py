"""Which computer this is: a home folder that was moved or copied to another one is noticed (protocol.md 5.13)."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def fingerprint(node: str) -> str | None:
    """Stands for this computer in the side file of the node of this name. None: the system doesn't tell.

    The system's own number is not to be given away: what stands in files of other programs is a hash of it.
    """
    number = _machine_id()
    if number is None:
        return None
    return hashlib.blake2b(f"{node}\0{number}".encode(), digest_size=16, person=b"replicator").hexdigest()


@lru_cache(maxsize=1)
def _machine_id() -> str | None:
    try:
        found = {"win32": _of_windows, "darwin": _of_macos}.get(sys.platform, _of_linux)()
    except (OSError, subprocess.SubprocessError):
        return None
    return found.strip() or None


def _of_linux() -> str:
    return next((path.read_text("ascii", "replace") for path in _FILES if path.exists()), "")


def _of_windows() -> str:
    import winreg

    key = r"SOFTWARE\Microsoft\Cryptography"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:  # type: ignore[attr-defined, unused-ignore]
        return str(winreg.QueryValueEx(opened, "MachineGuid")[0])  # type: ignore[attr-defined, unused-ignore]


def _of_macos() -> str:
    command = ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    return next((line.split('"')[-2] for line in told.splitlines() if "IOPlatformUUID" in line), "")
