"""The mail: folders whose files are lost, doubled, held back, brought again and thrown back to their sender."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from replicator.errors import MailboxTrouble, MailTooLarge, RecipientRefused
from replicator.protocol.envelope import KEY_ID_SIZE, MAGIC
from replicator.transport import mime
from replicator.transport.base import Mail
from replicator.transport.folder import FolderMailbox
from tests.simulation.clockwork import Clockwork
from tests.simulation.mauling import bounce_of, maul

LOST, DOUBLED, HELD, MAULED = 0.2, 0.15, 0.15, 0.15
TROUBLE, REFUSED = 0.08, 0.05


@dataclass(frozen=True)
class Letter:
    """A mail that was sent. `name` is its file's."""

    number: int
    sender: str
    recipient: str
    name: str
    raw: bytes


class SimulatedMailbox(FolderMailbox):
    """The real folder, with a listing in any order, of some of the mails only, and a share that is sometimes away."""

    def __init__(self, path: Path, address: str, clockwork: Clockwork, faults: set[str], **options: object) -> None:
        super().__init__(path, address, durable=False, **options)  # type: ignore[arg-type]
        self._dice, self._faults = clockwork, faults
        self.most: int | None = None
        """So many mails at most in one listing."""
        self.only: str | None = None
        self._takes = clockwork.dice.randint(2_200, 4_000) if "small-mail" in faults else None
        if self._takes is not None and "promotion" in faults:
            # A backup station's whole state by parts of some hundred bytes would be ten thousand mails (seed 249).
            self._takes = 4_000
        """Bytes of a mail at most, which it may tell or not."""

    def _list(self) -> list[str]:
        names = super()._list()
        if self.only is not None:
            return [name for name in names if name == self.only]
        if "reorder" in self._faults:
            self._dice.dice.shuffle(names)
        return names if self.most is None else names[: self.most]

    def send(self, mail: Mail) -> None:
        if "mailbox" in self._faults and self._dice.chance(TROUBLE):
            if self._dice.chance(0.5):
                super().send(mail)  # taken, and yet nobody said so
            raise MailboxTrouble("the simulated share is away")
        if "refused" in self._faults and self._dice.chance(REFUSED):
            raise RecipientRefused(f"the mailbox of {mail.recipient} is full", mail.recipient, full=True)
        if self._takes is not None and len(mime.content_of(mail)) > self._takes:
            raise MailTooLarge("too large", self._takes if self._dice.chance(0.5) else None)
        super().send(mail)


class SimulatedStick(SimulatedMailbox):
    """A folder on a stick that is at one place at a time, or nowhere."""

    def __init__(self, *arguments: Any, there: Callable[[], bool], **options: Any) -> None:
        self._there = there
        super().__init__(*arguments, **options)

    def _require_there(self) -> None:
        if not self._there():
            raise MailboxTrouble("the stick is not here")

    def _list(self) -> list[str]:
        self._require_there()
        return super()._list()


class Post:
    """Looks at the folders after every step, and decides what becomes of each new mail."""

    def __init__(
        self,
        folder: Path,
        nodes: list[str],
        clockwork: Clockwork,
        faults: set[str],
        tell: Callable[[Letter, str], None],
    ) -> None:
        self._folder = folder
        self._boxes: dict[str, Path] = {}
        self._clockwork, self._faults, self._tell = clockwork, faults, tell
        self._known: dict[str, set[str]] = {}
        self._held: list[Letter] = []
        self._mauled: list[Path] = []
        self._bounced: list[tuple[str, Path]] = []
        self._copies = 0
        self.sent: list[Letter] = []
        for node in nodes:
            self.add(node)

    def add(self, node: str) -> None:
        """A mailbox for one more."""
        box = self._boxes[node] = self._folder / address(node) / "new"
        box.mkdir(parents=True, exist_ok=True)
        (box.parent / "tmp").mkdir(exist_ok=True)
        self._known[node] = set(os.listdir(box))

    def look(self, sender: str) -> None:
        """Mails that `sender` has sent since the last look meet their fate."""
        for recipient, box in self._boxes.items():
            present = set(os.listdir(box))
            new = sorted(present - self._known[recipient])
            if not new:
                self._known[recipient] = present
                continue
            for name in new:
                letter = Letter(len(self.sent) + 1, sender, recipient, name, (box / name).read_bytes())
                self.sent.append(letter)
                self._fate(letter)
            self._known[recipient] = set(os.listdir(box))

    def _fate(self, letter: Letter) -> None:
        chance, faults = self._clockwork.chance, self._faults
        path = self._boxes[letter.recipient] / letter.name
        if "loss" in faults and chance(LOST):
            path.unlink()
            self._tell(letter, "lost")
        elif "reorder" in faults and chance(HELD):
            path.unlink()
            self._held.append(letter)
            self._tell(letter, "held back")
        elif "bounced" in faults and chance(LOST / 2):
            path.unlink()
            name = self.put(letter.sender, bounce_of(letter.raw, self._clockwork.dice), f"bounce{letter.number}-")
            if name:
                self._bounced.append((letter.sender, self._boxes[letter.sender] / name))
            self._tell(letter, "bounced")
        elif "mauled" in faults and chance(MAULED):
            what, arrived = maul(letter.raw, self._clockwork.dice)
            path.write_bytes(arrived)
            self._mauled.append(path)
            self._tell(letter, what)
        elif "dup" in faults and chance(DOUBLED):
            self.deliver(letter)
            self._tell(letter, "doubled")
        else:
            self._tell(letter, "")

    def deliver(self, letter: Letter) -> str:
        """Put a copy of an old mail into its recipient's folder. Gives the file's name."""
        return self.put(letter.recipient, letter.raw, f"{letter.name[:-4]}-copy")

    def close(self, node: str) -> None:
        """Its mailbox is gone, and what was on its way there."""
        self.clear(node)
        del self._boxes[node], self._known[node]
        self._held = [letter for letter in self._held if letter.recipient != node]

    def put(self, recipient: str, raw: bytes, stem: str) -> str:
        if recipient not in self._boxes:
            return ""
        self._copies += 1
        name = f"{stem}{self._copies}.eml"
        (self._boxes[recipient] / name).write_bytes(raw)
        self._known[recipient].add(name)
        return name

    def stranger(self, recipient: str, raw: bytes, stem: str) -> Path:
        """Mail that is not ours arrives, and lies there until a person deletes it."""
        path = self._boxes[recipient] / self.put(recipient, raw, stem)
        self._mauled.append(path)
        return path

    def release(self, share: float = 1.0) -> None:
        """What was held back goes on its way."""
        still = []
        for letter in self._held:
            if share >= 1.0 or self._clockwork.chance(share):
                self.deliver(letter)
                self._tell(letter, "comes after all")
            else:
                still.append(letter)
        self._held = still

    def tidy_up(self) -> None:
        """What nobody can recognise any more lies there until a person deletes it."""
        for path in self._mauled:
            path.unlink(missing_ok=True)

    def disown_bounces(self, node: str) -> None:
        """What this node has sent it no longer knows: a mail that comes back is a stranger's."""
        self._mauled += [path for owner, path in self._bounced if owner == node]

    def clear(self, node: str) -> None:
        for name in os.listdir(self._boxes[node]):
            (self._boxes[node] / name).unlink()
        self._known[node] = set()

    def empty(self) -> bool:
        return not self._held and not any(os.listdir(box) for box in self._boxes.values())

    def lose_all(self) -> None:
        """The whole drive is gone, with all that lies on it."""
        for node in self._boxes:
            self.clear(node)
        self._held = []

    def reflect(self, letter: Letter) -> str:
        """The sender finds its own mail in its mailbox, with the outside forged so that it seems to be the peer's."""
        forged = tuple(_turned_round(payload) for payload in mime.extract(letter.raw, MAGIC).payloads)
        mail = Mail(address(letter.recipient), address(letter.sender), "", "", forged, f"<{letter.number}@forged>", 0)
        return self.put(letter.sender, mime.compose(replace(mail)), f"forged{letter.number}-")


def _turned_round(payload: bytes) -> bytes:
    """An envelope with the key ids of sender and receiver changed over."""
    start = len(MAGIC) + 1
    first, second = payload[start : start + KEY_ID_SIZE], payload[start + KEY_ID_SIZE : start + 2 * KEY_ID_SIZE]
    return payload[:start] + second + first + payload[start + 2 * KEY_ID_SIZE :]


def address(node: str) -> str:
    return f"{node.lower()}@example.com"
