"""Mailboxes: sending, fetching and deleting mail, and MIME in and out."""

from __future__ import annotations

from replicator.errors import ConfigurationError
from replicator.runtime import Runtime
from replicator.transport.base import LARGEST_MAIL, Absence, Fetched, Mail, Mailbox
from replicator.transport.folder import FolderMailbox, folder_path

__all__ = ["LARGEST_MAIL", "Absence", "Fetched", "Mail", "Mailbox", "open_mailbox"]


def open_mailbox(url: str, address: str, runtime: Runtime) -> Mailbox:
    """The mailbox at `url` for our `address`: 'folder:PATH' (relative to the current folder, ~ for the home folder).

    Raises ConfigurationError for a URL or address that can't be used, MailboxTrouble when the mailbox isn't there. The
    URL itself is never repeated in an error beyond its scheme, since a mail server's may hold a password.
    """
    scheme, colon, _ = url.strip().partition(":")
    if colon and scheme.lower() == "folder":
        return FolderMailbox(folder_path(url), address, runtime)
    named = f"A mailbox of the kind {scheme!r} is" if colon and scheme.isalnum() else "This mailbox is"
    raise ConfigurationError(f"{named} not known: give it as folder:PATH, such as folder:/media/stick/mail.")
