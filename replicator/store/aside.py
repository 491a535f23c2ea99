"""Mail that can't be taken is set aside in the home folder, whole, so that nothing is ever lost."""

from __future__ import annotations

from pathlib import Path

from replicator.runtime import Runtime
from replicator.store.files import Files


def keep(folder: Path, raw: bytes, runtime: Runtime) -> Path:
    """Store the mail durably; returns where. `replicator mail show` reads it."""
    files = Files(runtime)
    files.make_folder(folder)
    path = folder / f"{runtime.now():016d}-{runtime.random(4).hex()}.eml"
    files.write(path, raw)
    return path
