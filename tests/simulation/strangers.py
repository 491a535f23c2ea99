"""Mail that is not the replicator's in the nodes' mailboxes: whatever is done with it, none of it is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from replicator.engine.node import Settings, Unrecognised
from replicator.transport import mime

if TYPE_CHECKING:
    from tests.simulation.simnode import SimulatedNode
    from tests.simulation.world import World

READER = "reader@elsewhere.example"
FOLDER = "Strangers"

HEADS = {
    "letter": b"From: aunt@example.net\r\nSubject: Greetings\r\n\r\n",
    "bytes": b"\xff\x00no mail at all\n",
    "notice": b"From: carl@example.net\r\nAuto-Submitted: auto-replied\r\n\r\n",
    "returned": b"X-Replicator-Forwarded: by us\r\nFrom: aunt@example.net\r\n\r\n",
    "answer": b"From: " + READER.encode() + b"\r\n\r\n",
    "bounce": b"Return-Path: <>\r\nContent-Type: multipart/report; boundary=x\r\n\r\n",
}
FORWARDED = ("letter", "bytes")


class Strangers:
    """Each has a word of its own, by which it is found again wherever it went."""

    def __init__(self, mail: Path, dice: Random) -> None:
        self._mail, self._dice = mail, dice
        self._arrived: list[tuple[str, str, bytes, Path]] = []
        """Node, kind, word, and the file that it came as."""
        self._count = 0

    def settings(self, settings: Settings) -> Settings:
        """Of one node."""
        way = self._dice.choice(("leave", "move", "forward", "forward"))
        return replace(settings, unrecognised=Unrecognised(way, FOLDER, READER))

    def arrive(self, world: World, node: SimulatedNode) -> None:
        kind, word = self._dice.choice(sorted(HEADS)), b"stranger-%05d" % self._count
        self._count += 1
        path = world.post.stranger(node.box, HEADS[kind] + word + b"\r\n", "stranger")
        self._arrived.append((node.name, kind, word, path))
        world.tell("%s: a stranger's %s %s arrives", node.name, kind, word.decode())

    def forget(self) -> None:
        """Mailboxes are gone, or another node has them."""
        self._arrived = []

    def verify(self, world: World) -> None:
        """At rest: nothing is lost, and everything is where its node's settings want it."""
        read = self._contents(self._mail / READER / "new")
        for name, kind, word, path in self._arrived:
            stays, is_read = path.exists(), word in read
            is_moved = word in self._contents(path.parent.parent / FOLDER)
            fits = {
                "leave": stays and not is_moved and not is_read,
                "move": is_moved and not stays and not is_read,
                "forward": is_read or stays if kind in FORWARDED else is_moved and not is_read,
            }
            node = next(node for node in world.nodes if node.name == name)
            way = node.settings.unrecognised.way
            where = f"{name}: {kind} {word.decode()}, stays {stays}, moved {is_moved}, read {is_read}"
            world.expect(stays or is_moved or is_read, "a stranger's mail is lost", lambda where=where: where)
            world.expect(fits[way], f"a stranger's mail is not where it belongs: {way}", lambda where=where: where)

    def _contents(self, folder: Path) -> bytes:
        """All that lies there, and what is encoded in it."""
        mails = [file.read_bytes() for file in folder.iterdir()] if folder.is_dir() else []
        encoded = [payload for mail in mails for payload in mime.extract(mail, HEADS["bytes"]).payloads]
        return b"".join(mails + encoded)
