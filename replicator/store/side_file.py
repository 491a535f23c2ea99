"""The side file: what a restore of the database must not take back (protocol.md 3.4).

It stands in the home folder, outside the database's backup set. Order of writes: for `run` the database's commit comes
first, then the side file, then mail; for `epoch` and `number_high_water` the side file comes first.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from replicator.errors import StorageTrouble
from replicator.store.files import Files

FORMAT = 1
_LIMIT = 1_000_000
"""Bytes; 20,000 numbered columns fit."""


@dataclass(frozen=True, slots=True)
class SideState:
    """Change it with `dataclasses.replace`, then write it."""

    node: str
    run: int
    """Higher than the database's run at a start: the database was restored."""
    epoch: int
    """Highest incarnation ever used: of the station's stream, or the host epoch."""
    number_high_water: dict[str, int] = field(default_factory=dict)
    """Host: highest number ever granted, by range."""
    halted: str | None = None
    """Why the node halted; survives restarts until a person has decided."""
    machine: str | None = None
    """The computer that the node belongs to (`machine.fingerprint`); None: it has not run anywhere yet."""


class SideFile:
    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files

    def read(self) -> SideState | None:
        """None when there is no such file, which is to be taken for a restore (protocol.md 1.3).

        Raises StorageTrouble when it is damaged, unreadable or of a newer format.
        """
        data = self._files.read(self.path, _LIMIT)
        if data is None:
            return None
        try:
            content = json.loads(data)
            check = content.pop("check")
            whole = len(data) <= _LIMIT and check == _check(content)
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise StorageTrouble(
                f"{self.path} is damaged; if the disk was set back or failed, move the file away and run "
                f"'replicator restored', so that nothing is used twice"
            )
        if content["format"] != FORMAT:
            raise StorageTrouble(f"{self.path} was written by a newer version of the program; update this one")
        return SideState(
            node=content["node"],
            run=content["run"],
            epoch=content["epoch"],
            number_high_water=content["number_high_water"],
            halted=content["halted"],
            machine=content.get("machine"),
        )

    def write(self, state: SideState) -> None:
        """Durable when it returns. Crash points 'side:before' and 'side:after'."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "node": state.node,
            "run": state.run,
            "epoch": state.epoch,
            "number_high_water": state.number_high_water,
            "halted": state.halted,
            "machine": state.machine,
        }
        content["check"] = _check(content)
        self._files.write(self.path, json.dumps(content, indent=1).encode() + b"\n", moment="side")


def _check(content: dict[str, Any]) -> str:
    """Check sum over the content in canonical form, so that only its meaning counts."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()
