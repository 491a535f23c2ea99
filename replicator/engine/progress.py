"""How a run tells what it is doing; the command line and the pages show it as bars."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def sent(self, peer: str, done: int, total: int, rows: int) -> None:
        """Bytes `done` of the `total` that this run has for the peer are mailed, with `rows` rows so far."""

    def fetched(self, mailbox: str, done: int, total: int, size: int) -> None:
        """Mails `done` of the `total` that lie in the mailbox (its name; empty: the account's) are taken in, of `size`
        bytes."""

    def received(self, peer: str, n: int, done: int, total: int) -> None:
        """Bytes of batch `n` that have come, those of earlier runs included."""

    def prepared(self, peer: str, done: int, total: int) -> None:
        """Rows of a snapshot that are packed."""

    def applied(self, peer: str, done: int, total: int) -> None:
        """Rows of a batch that are applied."""

    def kept(self, done: int, total: int) -> None:
        """Rows of tables of which a base is kept, for the journal's replay."""


class Silent:
    def sent(self, peer: str, done: int, total: int, rows: int) -> None:
        """Tell nobody."""

    def fetched(self, mailbox: str, done: int, total: int, size: int) -> None:
        """Tell nobody."""

    def received(self, peer: str, n: int, done: int, total: int) -> None:
        """Tell nobody."""

    def prepared(self, peer: str, done: int, total: int) -> None:
        """Tell nobody."""

    def applied(self, peer: str, done: int, total: int) -> None:
        """Tell nobody."""

    def kept(self, done: int, total: int) -> None:
        """Tell nobody."""
