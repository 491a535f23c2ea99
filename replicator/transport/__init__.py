"""Mailboxes: sending, fetching and deleting mail, and MIME in and out.

`base.Mailbox` is the interface, and `open_mailbox` makes one of a URL: `folder` for a folder of files, `server` for a
mail account, which sends by `smtp` and fetches by `pop3` or `imap`. What goes wrong with servers is put into words in
`refusals` and its neighbours; where the secrets come from is the caller's affair (`login`).
"""

from __future__ import annotations

import ssl

from replicator.errors import ConfigurationError
from replicator.runtime import Runtime
from replicator.transport import tls
from replicator.transport.base import LARGEST_MAIL, Absence, Composed, Fetched, Mail, Mailbox
from replicator.transport.folder import FolderMailbox
from replicator.transport.folder_files import folder_path
from replicator.transport.imap import ImapFetcher
from replicator.transport.login import Login
from replicator.transport.pop3 import Pop3Fetcher
from replicator.transport.server import Fetcher, NoSender, Sender, ServerMailbox
from replicator.transport.smtp import SmtpSender
from replicator.transport.urls import FETCH_SCHEMES, SEND_SCHEMES, ServerUrl

__all__ = ["LARGEST_MAIL", "Absence", "Composed", "Fetched", "Mail", "Mailbox", "ServerUrl", "open_mailbox"]


def open_mailbox(
    url: str,
    address: str,
    runtime: Runtime,
    *,
    send: str | None = None,
    login: Login | None = None,
    send_login: Login | None = None,
    ca: str | None = None,
    further: bool = False,
) -> Mailbox:
    """The mailbox at `url` for our `address`.

    `url` is 'folder:PATH' (relative to the current folder, ~ for the home folder), or pop3s:, pop3:, imaps: or imap: as
    `ServerUrl.parse` takes them; mail is then sent by `send`, smtps: or smtp:. `login` says who we are at the servers,
    `send_login` at the one that sends where it is another. `ca` is the path of a PEM file with authorities to trust
    besides the system's. Servers are connected to when they are first needed. A `further` mailbox, beside another,
    may do without `send`: then it is only fetched from; and a folder of such a one has to be there already.

    Raises ConfigurationError for a URL, address or file that can't be used, MailboxTrouble when a folder isn't there.
    The URL itself is never repeated in an error beyond its scheme, since a mail server's may hold a password.
    """
    if _scheme(url) == "folder" and send is None:
        return FolderMailbox(folder_path(url), address, runtime, create=not further)
    if send is None:
        # A URL of no known kind is the greater fault.
        _checked(url, FETCH_SCHEMES)
    if send is None and not further:
        raise ConfigurationError(
            "A mailbox at a server needs to be told where mail is sent, such as smtps://USER@HOST."
        )
    context = tls.context(ca)
    fetcher = _fetcher(url, address, runtime, login, context)
    sender = NoSender() if send is None else _sender(send, address, runtime, send_login or login, context)
    return ServerMailbox(address, fetcher, sender)


def _fetcher(url: str, address: str, runtime: Runtime, login: Login | None, context: ssl.SSLContext) -> Fetcher:
    if _scheme(url) == "folder":
        return FolderMailbox(folder_path(url), address, runtime)
    parsed = _checked(url, FETCH_SCHEMES)
    if parsed.scheme.startswith("imap"):
        return ImapFetcher(parsed, _given(login), context, runtime)
    return Pop3Fetcher(parsed, _given(login), context, runtime)


def _sender(url: str, address: str, runtime: Runtime, login: Login | None, context: ssl.SSLContext) -> Sender:
    if _scheme(url) == "folder":
        return FolderMailbox(folder_path(url), address, runtime)
    return SmtpSender(_checked(url, SEND_SCHEMES), _given(login), context, runtime)


def _scheme(url: str) -> str:
    scheme, colon, _ = url.strip().partition(":")
    return scheme.lower() if colon and scheme.isalnum() else ""


def _checked(url: str, schemes: tuple[str, ...]) -> ServerUrl:
    scheme = _scheme(url)
    if scheme not in schemes:
        named = f"A mailbox of the kind {scheme!r} is" if scheme else "This mailbox is"
        forms = ", ".join(f"{known}://USER@HOST" for known in schemes)
        raise ConfigurationError(
            f"{named} not known here: give it as {forms}, or as folder:PATH, such as folder:/media/stick/mail."
        )
    return ServerUrl.parse(url)


def _given(login: Login | None) -> Login:
    if login is None:
        raise ConfigurationError("A mail server wants a user and a password: set them with 'replicator account set'.")
    return login
