"""How a run tells what it is doing; the command line and the pages show it as bars."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def sent(self, peer: str, done: int, total: int, rows: int) -> None:
        """Bytes `done` of `total` of a batch with `rows` rows are mailed."""

    def received(self, peer: str, done: int, total: int) -> None:
        """Bytes of a batch that have come."""

    def prepared(self, peer: str, done: int, total: int) -> None:
        """Rows of a snapshot that are packed."""

    def applied(self, peer: str, done: int, total: int) -> None:
        """Rows of a batch that are applied."""


class Silent:
    def sent(self, peer: str, done: int, total: int, rows: int) -> None:
        """Tell nobody."""

    def received(self, peer: str, done: int, total: int) -> None:
        """Tell nobody."""

    def prepared(self, peer: str, done: int, total: int) -> None:
        """Tell nobody."""

    def applied(self, peer: str, done: int, total: int) -> None:
        """Tell nobody."""
