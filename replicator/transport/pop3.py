"""Fetching by POP3: a mailbox that is locked while we look through it, and whose mails go when we say goodbye."""

from __future__ import annotations

import contextlib
import ssl
from collections import deque
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from threading import Event

from replicator.errors import ConfigurationError, MailboxTrouble
from replicator.runtime import Runtime
from replicator.transport.base import LARGEST_MAIL, Absence, Fetched
from replicator.transport.fetch_refusals import command_refusal
from replicator.transport.login import Login, with_fresh_token
from replicator.transport.pop3_connection import Broken, Pop3Connection, Refused
from replicator.transport.refusals import Server
from replicator.transport.urls import ServerUrl

REOPENED = 3
"""Times a session is taken up again after its connection broke: a mail at which it breaks must not hide the others."""


@dataclass(slots=True)
class _Entry:
    number: int
    """On this connection."""
    size: int
    unique_id: str | None
    """By UIDL: as a rule the same at a later connection; a hint."""
    read_on: int = 0
    """Which connection was asked for it."""
    doomed: bool = False
    """Marked as deleted."""


class Pop3Fetcher:
    """Fetches from one mailbox. See `Mailbox` for the methods."""

    has_folders = False

    def __init__(self, url: ServerUrl, login: Login, context: ssl.SSLContext, runtime: Runtime) -> None:
        self.user = url.user or login.user
        self._url = url
        self._login = login
        self._context = context
        self._runtime = runtime
        self._server = Server(url)
        self._connection: Pop3Connection | None = None
        self._entries: dict[str, _Entry] = {}
        self._sessions = count(1)
        self._connections = 0
        self._reopened = 0

    def fetch(self, *, largest: int = LARGEST_MAIL, skip: Container[str] = frozenset()) -> Iterator[Fetched]:
        """See `Mailbox.fetch`. A mail at which the connection breaks is unreadable, and the others follow."""
        self.close()
        session = next(self._sessions)
        self._reopened = 0
        with self._errors_sorted():
            entries = self._open()
        self._entries = {f"{session}.{entry.number}": entry for entry in entries}
        for number, (name, entry) in enumerate(list(self._entries.items()), start=1):
            if name not in self._entries:
                # Not found again after the connection broke.
                continue
            fetched = self._read(name, entry, largest, skip)
            if fetched is not None:
                yield replace(fetched, behind=len(entries) - number)

    def delete(self, fetched_ids: Iterable[str]) -> None:
        """See `Mailbox.delete`. Marks; QUIT, in `close`, deletes."""
        failure: MailboxTrouble | None = None
        for name in fetched_ids:
            try:
                self._mark(name)
            except MailboxTrouble as trouble:
                failure = failure or trouble
        if failure is not None:
            raise failure

    def move(self, fetched_ids: Iterable[str], folder: str) -> dict[str, MailboxTrouble]:
        """See `Mailbox.move`."""
        raise ConfigurationError(
            f"POP3 can't move {len(list(fetched_ids))} mails to {folder}, as it knows no folders: fetch by IMAP."
        )

    def close(self) -> None:
        """See `Mailbox.close`."""
        connection, self._connection = self._connection, None
        deletes = any(entry.doomed for entry in self._entries.values())
        self._entries = {}
        if connection is None:
            return
        if deletes:
            self._runtime.reached("delete:before")
        # Where QUIT fails, the mails come again, as duplicates.
        with contextlib.suppress(Refused, Broken):
            connection.quit()
        connection.drop()
        if deletes:
            self._runtime.reached("delete:after")

    def wait(self, seconds: float, stop: Event) -> bool:
        """See `Mailbox.wait`. A POP3 server tells nothing."""
        stop.wait(seconds)
        return False

    # --- one mail ---------------------------------------------------------------------------------------------------

    def _read(self, name: str, entry: _Entry, largest: int, skip: Container[str]) -> Fetched | None:
        """The mail; None when it is skipped or has gone."""
        hint = None if entry.unique_id is None else f"{entry.unique_id}/{entry.size}"
        if hint is not None and hint in skip:
            return None
        entry.read_on = self._connections
        absent = Fetched(name, hint or f"size {entry.size}", entry.size, None, Absence.UNREADABLE)
        if entry.size > largest:
            return _too_large(absent, entry.size, skip)
        try:
            raw, size = self._current().retrieve(entry.number, largest)
        except Refused:
            return absent
        except Broken as broken:
            self._reopen(broken)
            # A server may hang up on one who asks for a mail that has gone.
            return absent if name in self._entries else None
        if raw is None:
            return _too_large(absent, size, skip)
        if hint is None:
            hint = f"content {blake2b(raw, digest_size=16).hexdigest()}"
        return None if hint in skip else Fetched(name, hint, size, raw)

    def _mark(self, name: str) -> None:
        entry = self._entries.get(name)
        if entry is None or entry.doomed:
            return
        with self._errors_sorted():
            try:
                self._dele(entry)
            except Broken as broken:
                # Servers hang up on one who is silent for some minutes, which a long apply is.
                self._reopen(broken)
                if name in self._entries:
                    self._dele(entry)

    def _dele(self, entry: _Entry) -> None:
        connection = self._current()
        # Without UIDL nothing tells that the number is still the same mail's on a later connection.
        if entry.unique_id is not None or entry.read_on == self._connections:
            connection.delete(entry.number)
            entry.doomed = True

    # --- connections --------------------------------------------------------------------------------------------------

    def _current(self) -> Pop3Connection:
        if self._connection is None:
            raise Broken(None)
        return self._connection

    def _open(self) -> list[_Entry]:
        """A new connection, and what lies there."""
        connection = with_fresh_token(
            self._login, lambda: Pop3Connection(self._url, self.user, self._login, self._context, self._server)
        )
        self._connection = connection
        self._connections += 1
        sizes = connection.sizes()
        unique_ids = connection.unique_ids() if sizes else None
        return [
            _Entry(number, size, unique_ids.get(number) if unique_ids else None)
            for number, size in sorted(sizes.items())
        ]

    def _reopen(self, broken: Broken) -> None:
        """Take the session up again on a new connection: find our mails there, and mark again what was marked.

        Raises MailboxTrouble when it has broken too often, or can't be opened.
        """
        self._drop()
        self._reopened += 1
        if self._reopened > REOPENED:
            raise self._server.trouble(broken.cause) from None
        with self._errors_sorted():
            numbers: dict[tuple[str | None, int], deque[int]] = {}
            for there in self._open():
                numbers.setdefault((there.unique_id, there.size), deque()).append(there.number)
            for name, entry in list(self._entries.items()):
                same = numbers.get((entry.unique_id, entry.size))
                if not same:
                    del self._entries[name]
                    continue
                entry.number = same.popleft()
                if entry.doomed:
                    entry.doomed = False
                    # Where it is refused, the mail comes again.
                    with contextlib.suppress(Refused):
                        self._dele(entry)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    @contextlib.contextmanager
    def _errors_sorted(self) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            raise command_refusal(self._server, refused.reply) from None
        except Broken as broken:
            self._drop()
            raise self._server.trouble(broken.cause) from None


def _too_large(absent: Fetched, size: int, skip: Container[str]) -> Fetched | None:
    if absent.hint in skip:
        return None
    return Fetched(absent.id, absent.hint, size, None, Absence.TOO_LARGE)
