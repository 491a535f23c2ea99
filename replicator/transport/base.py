"""The interface that every mailbox fills: a place to send mail from, and to fetch mail out of.

The shape comes from the poorest of them, POP3 (log in, list, retrieve, mark as deleted, quit), and from what mail does:
it comes twice, late, in any order, or not at all, and a mail server may number its mails anew whenever it likes. So:

* **Nothing is retried in here.** A method either does its work or raises `MailboxTrouble` with one sentence; the run
  ends, its batches are still in the spool, and the next run tries again.
* **Everything may be repeated.** Sending the same mail twice, fetching what was fetched before and deleting what is
  gone are harmless, since the receiver tells duplicates by what is sealed inside.
* **Doubt is failure.** When a mailbox doesn't know whether a mail was taken (a connection lost after the last byte), it
  raises; the mail is sent again and may arrive twice.
* **Storing comes before deleting.** `delete` is called only for mails whose content is committed (protocol.md 5.4).
* **Moving loses nothing.** A mail that is moved may lie in both folders after a failure, never in none.
* **A bad mail spoils nothing.** One that is too large or can't be read is yielded without content; the rest follows.

What fails for good, as long as nobody changes something: `MailTooLarge` (cut smaller parts) and `ConfigurationError`
(an address or URL that can't be used).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from threading import Event
from types import TracebackType
from typing import Self

from replicator.errors import MailboxTrouble

LARGEST_MAIL = 16 * 1024 * 1024
"""Bytes of one mail that we fetch, and therefore send, at most: a mail is read into memory as a whole."""

MOST_PAYLOADS = 32
"""Sealed envelopes that travel in one mail, at most: half the parts that the other side looks through, so that there is
room for what gateways add."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to send: `payloads`, sealed envelopes, with what people see of it.

    Raises ValueError where there is none, or more than MOST_PAYLOADS.
    """

    sender: str
    """Address it comes from; an SMTP server wants it to be the login."""
    recipient: str
    subject: str
    sentence: str
    """What a person who opens the mail reads; see `mime.sentence_for_people`."""
    payloads: tuple[bytes, ...]
    """At least one; each is an attachment of its own, and the receiver gets them in this order as a rule."""
    message_id: str
    """See `mime.new_message_id`. For people and bounces only: servers rewrite it, so nothing is told by it."""
    date: int
    """Microseconds since 1970 UTC."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.payloads) <= MOST_PAYLOADS:
            raise ValueError(f"a mail carries 1 to {MOST_PAYLOADS} envelopes, not {len(self.payloads)}")


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail whose bytes stand already: CRLF line ends, no line over 998 bytes, ASCII only (RFC 5321, 4.5.3.1.6)."""

    sender: str
    recipient: str
    content: bytes


class Absence(StrEnum):
    """Why a fetched mail comes without its content."""

    TOO_LARGE = "too large"
    """Larger than the caller's bound: report it, leave it."""
    UNREADABLE = "unreadable"
    """Right now: locked, no permission, a line the mail library chokes on. The next run tries again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as it lies in the mailbox."""

    id: str
    """Names the mail for `delete`, and only until the session ends (the next `fetch`, or `close`)."""
    hint: str
    """The same again at a later fetch of the same mail, as a rule: fit to tell a person about a foreign mail only once
    and to skip it. Mail servers may number their mails anew, so nothing that matters may hang on it."""
    size: int
    """Bytes; as the mailbox tells it where the content is absent."""
    raw: bytes | None
    absence: Absence | None = None
    """Set exactly when `raw` is None."""
    junk: bool = False
    """It lies in the provider's folder for junk: what isn't ours there is not for us to move or forward."""
    behind: int = 0
    """Mails that follow in this session, as far as is known: for those who watch."""


class Mailbox(ABC):
    """One address at one mailbox. Connects when needed; used by one thread.

    A *session* starts with `fetch` and ends with the next `fetch` or with `close`. After `close` the mailbox may be
    used again, which connects anew: a run closes it at its end, a lasting run (`--every`) too.
    """

    address: str
    size_limit: int | None
    """Bytes of one whole mail that `send` takes; None while unknown. A server may tell it only once connected."""
    has_folders: bool
    """Whether `move` works: not over POP3."""

    @abstractmethod
    def send(self, mail: Mail | Composed) -> None:
        """Hand the mail over; when this returns it is durable at the mailbox, and the batch counts as sent.

        Not retried in here. May be repeated after any failure. Passes 'mail:before' and 'mail:after'. Raises
        MailTooLarge (for good) and MailboxTrouble (any other reason; the mail may or may not have gone).
        """

    @abstractmethod
    def fetch(self, *, largest: int = LARGEST_MAIL, skip: Container[str] = frozenset()) -> Iterator[Fetched]:
        """Start a session and yield what lies in the mailbox, oldest first as far as that is known, deleting nothing.

        One mail at a time is in memory. A mail of more than `largest` bytes is yielded without its content, and without
        transferring it where the mailbox tells sizes first. Mails whose hint is in `skip` are left out. One that goes
        away meanwhile is left out; one that comes meanwhile may be. May be ended early. Raises MailboxTrouble when the
        mailbox as a whole can't be read; what was yielded before that is good.
        """

    @abstractmethod
    def delete(self, fetched_ids: Iterable[str]) -> None:
        """Delete mails of this session, during `fetch` or after it. Call only once their content is committed.

        Takes effect at the latest when the session ends (POP3 deletes at QUIT), or, when the connection is lost before
        that, not at all: then they come again, as duplicates. Ids that are gone are passed over. All ids are tried
        before it raises MailboxTrouble. Passes 'delete:before' and 'delete:after' around each effect.
        """

    @abstractmethod
    def move(self, fetched_ids: Iterable[str], folder: str) -> dict[str, MailboxTrouble]:
        """Move mails of this session, with or without their content, into another folder of the mailbox; at once.

        `folder` is a name as `config_values.checked_folder` lets pass; it is made where it is missing. Ids that are
        gone, and those of mails in the folder for junk, are passed over. Gives the mails that the mailbox refuses to
        move, with the reason: they stay. May be repeated after any failure. Passes 'move:before' and 'move:after'
        around each effect. Raises MailboxTrouble when the connection is lost, ConfigurationError without folders.
        """

    @abstractmethod
    def close(self) -> None:
        """End the session and disconnect. Never raises, may be repeated; the mailbox may be used again afterwards."""

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait until new mail is known to have come (True), or `seconds` are over or `stop` is set (False).

        This one can't tell and just waits, as POP3 must; a folder looks, IMAP is told (IDLE). Raises MailboxTrouble.
        """
        stop.wait(seconds)
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
