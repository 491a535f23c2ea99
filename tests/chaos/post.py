"""What happens to mail in a folder: it is lost, and it comes again, and late."""

from __future__ import annotations

import random
import shutil
from itertools import count
from pathlib import Path

LOST, DOUBLED, LATE = 0.1, 0.1, 0.15


class Post:
    """`folder` holds the mail of all nodes."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self._folder, self._dice = folder, dice
        self._aside = folder.parent / "on the way"
        self._aside.mkdir()
        self._numbers = count()

    def disturb(self) -> None:
        for file in sorted(self._folder.glob("*/new/*.eml")):
            what = self._dice.random()
            if what < LOST:
                file.unlink()
            elif what < LOST + DOUBLED:
                shutil.copy(file, self._waiting(file))
            elif what < LOST + DOUBLED + LATE:
                file.rename(self._waiting(file))
        for file in sorted(self._aside.iterdir()):
            if self._dice.random() < 0.5:
                self._arrive(file)

    def settle(self) -> None:
        """All that is under way arrives."""
        for file in sorted(self._aside.iterdir()):
            self._arrive(file)

    def _waiting(self, file: Path) -> Path:
        return self._aside / f"{next(self._numbers):06} {file.parent.parent.name} {file.name}"

    def _arrive(self, file: Path) -> None:
        _, address, name = file.name.split(" ", 2)
        place = self._folder / address / "new" / name
        if place.exists():
            # The same mail once more, under a name of its own.
            place = place.with_name(f"{name[:17]}{next(self._numbers):016x}.eml")
        file.rename(place)
