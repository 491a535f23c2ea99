"""A mailbox that is opened when it is first used, so that what needs no mail works while the mailbox is away."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from threading import Event

from replicator.errors import MailboxTrouble
from replicator.transport.base import LARGEST_MAIL, Composed, Fetched, Mail, Mailbox


class DeferredMailbox(Mailbox):
    """Stands for the mailbox that `open_it` gives; its errors come at the first use. See `Mailbox` for the methods."""

    def __init__(self, address: str, open_it: Callable[[], Mailbox]) -> None:
        self.address = address
        self.size_limit = None
        self._open = open_it
        self._opened: Mailbox | None = None

    def send(self, mail: Mail | Composed) -> None:
        mailbox = self._mailbox()
        try:
            mailbox.send(mail)
        finally:
            # A server tells its limit once it is connected.
            self.size_limit = mailbox.size_limit

    def fetch(self, *, largest: int = LARGEST_MAIL, skip: Container[str] = frozenset()) -> Iterator[Fetched]:
        return self._mailbox().fetch(largest=largest, skip=skip)

    def delete(self, fetched_ids: Iterable[str]) -> None:
        self._mailbox().delete(fetched_ids)

    def move(self, fetched_ids: Iterable[str], folder: str) -> dict[str, MailboxTrouble]:
        return self._mailbox().move(fetched_ids, folder)

    @property
    def has_folders(self) -> bool:  # type: ignore[override]
        return self._mailbox().has_folders

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def wait(self, seconds: float, stop: Event) -> bool:
        return self._mailbox().wait(seconds, stop)

    def _mailbox(self) -> Mailbox:
        if self._opened is None:
            self._opened = self._open()
            self.size_limit = self._opened.size_limit
        return self._opened
