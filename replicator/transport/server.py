"""A mail account on servers: one that sends and one that fetches, as one `Mailbox`."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from threading import Event
from typing import Protocol

from replicator.errors import ConfigurationError, MailboxTrouble
from replicator.transport.base import LARGEST_MAIL, Composed, Fetched, Mail, Mailbox


class Sender(Protocol):
    """The half of a mailbox that sends; see `Mailbox`."""

    size_limit: int | None

    def send(self, mail: Mail | Composed) -> None: ...

    def close(self) -> None: ...


class NoSender:
    """Of a mailbox that is only fetched from."""

    size_limit: int | None = None

    def send(self, mail: Mail | Composed) -> None:
        raise ConfigurationError(f"The mailbox of {mail.sender} is only fetched from: it has no server to send by.")

    def close(self) -> None:
        """Nothing is open."""


class Fetcher(Protocol):
    """The half of a mailbox that fetches; see `Mailbox`."""

    has_folders: bool

    def fetch(self, *, largest: int = ..., skip: Container[str] = ...) -> Iterator[Fetched]: ...

    def delete(self, fetched_ids: Iterable[str]) -> None: ...

    def move(self, fetched_ids: Iterable[str], folder: str) -> dict[str, MailboxTrouble]: ...

    def close(self) -> None: ...

    def wait(self, seconds: float, stop: Event) -> bool: ...


class ServerMailbox(Mailbox):
    """Each half connects when it is first needed. See `Mailbox` for the methods."""

    def __init__(self, address: str, fetcher: Fetcher, sender: Sender) -> None:
        self.address = address
        self.fetcher = fetcher
        self.sender = sender
        self.size_limit = sender.size_limit
        self.has_folders = fetcher.has_folders

    def send(self, mail: Mail | Composed) -> None:
        try:
            self.sender.send(mail)
        finally:
            # A server tells its limit once it is connected.
            self.size_limit = self.sender.size_limit

    def fetch(self, *, largest: int = LARGEST_MAIL, skip: Container[str] = frozenset()) -> Iterator[Fetched]:
        return self.fetcher.fetch(largest=largest, skip=skip)

    def delete(self, fetched_ids: Iterable[str]) -> None:
        self.fetcher.delete(fetched_ids)

    def move(self, fetched_ids: Iterable[str], folder: str) -> dict[str, MailboxTrouble]:
        return self.fetcher.move(fetched_ids, folder)

    def close(self) -> None:
        self.sender.close()
        self.fetcher.close()

    def wait(self, seconds: float, stop: Event) -> bool:
        return self.fetcher.wait(seconds, stop)
