"""What goes wrong on an IMAP connection, in two kinds: the server refuses, or the connection is of no use any more."""

from __future__ import annotations

import contextlib
import imaplib
from collections.abc import Iterator
from typing import Any

from imap_tools.errors import ImapToolsError, UnexpectedCommandStatusError

from replicator.errors import MailboxTrouble
from replicator.transport.fetch_refusals import command_refusal
from replicator.transport.refusals import Server


class Refused(Exception):
    """The server has answered NO or BAD; the connection is in order."""

    def __init__(self, text: bytes) -> None:
        super().__init__("NO")
        self.text = text


class Broken(Exception):
    """The connection can't be used any more; `cause` is the socket's error, None when the server has hung up."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__("connection broken")
        self.cause = cause


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """What imap-tools, imaplib and the socket raise, as Refused and Broken."""
    try:
        yield
    except (Refused, Broken, MailboxTrouble):
        raise
    except imaplib.IMAP4.abort as error:
        # Its own text apart, it stands in place of the socket's error.
        raise Broken(error.__context__ if isinstance(error.__context__, OSError) else None) from None
    except UnexpectedCommandStatusError as error:
        raise Refused(text_of(error.command_result[1]).encode()) from None
    except imaplib.IMAP4.error as error:
        raise Refused(str(error).encode("utf-8", "replace")) from None
    except (OSError, ValueError, ImapToolsError, LookupError, AttributeError, TypeError) as error:
        raise Broken(error) from None


def sorted_trouble(server: Server, error: Refused | Broken) -> MailboxTrouble:
    """The sentence for a person."""
    return command_refusal(server, error.text) if isinstance(error, Refused) else server.trouble(error.cause)


def text_of(data: Any) -> str:
    """The lines of an answer of imaplib as one text."""
    items = data if isinstance(data, list | tuple) else [data]
    lines = (item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in items if item)
    return " ".join(lines)
