"""A look at a mail server: does its name resolve, does it answer, what does its certificate say, does it let us in.

For `account test` and `doctor`: a run needs none of it. Raises what a run would raise, sentence for sentence.
"""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from replicator.errors import MailboxTrouble
from replicator.runtime import Runtime
from replicator.transport import imap_errors, pop3_connection
from replicator.transport.fetch_refusals import command_refusal
from replicator.transport.imap_connection import ImapConnection
from replicator.transport.imap_folders import junk_folder
from replicator.transport.login import Login, with_fresh_token
from replicator.transport.pop3_connection import Pop3Connection
from replicator.transport.refusals import TIMEOUT, Server
from replicator.transport.smtp import SmtpSender
from replicator.transport.urls import Encryption, ServerUrl


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's verified certificate says."""

    owner: str
    """Its first host name, else its common name."""
    issuer: str
    expires: datetime
    """UTC."""


def resolve(url: ServerUrl) -> list[str]:
    """The addresses behind the host's name. Raises Unreachable."""
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Server(url).trouble(error) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def handshake(url: ServerUrl, context: ssl.SSLContext) -> tuple[str, Certificate] | None:
    """Connect, encrypt and hang up: TLS's version and the certificate, or None where it is plain text as asked for.

    Raises Unreachable, NotTrusted, MailboxTrouble.
    """
    server = Server(url)
    try:
        with _connected(url, context, server) as connection:
            if not isinstance(connection, ssl.SSLSocket):
                return None
            return connection.version() or "TLS", _certificate(connection.getpeercert() or {})
    # More general ones come last: smtplib's errors are OSErrors, too, and imaplib's abort is its error.
    except (smtplib.SMTPServerDisconnected, imaplib.IMAP4.abort):
        raise server.lost() from None
    except (smtplib.SMTPException, poplib.error_proto, imaplib.IMAP4.error):
        raise MailboxTrouble(f"{url} answers, but not as a mail server of this kind: check scheme and port.") from None
    except (OSError, EOFError) as error:
        raise server.trouble(error) from None


@contextlib.contextmanager
def _connected(url: ServerUrl, context: ssl.SSLContext, server: Server) -> Iterator[socket.socket]:
    with contextlib.ExitStack() as stack:
        if url.encryption is Encryption.TLS:
            plain = stack.enter_context(socket.create_connection((url.host, url.port), TIMEOUT))
            yield stack.enter_context(context.wrap_socket(plain, server_hostname=url.host))
        elif url.scheme == "smtp":
            smtp = smtplib.SMTP(url.host, url.port, "[127.0.0.1]", TIMEOUT)
            stack.callback(_hang_up, smtp.close)
            smtp.ehlo()
            if url.encryption is Encryption.STARTTLS:
                if not smtp.has_extn("starttls"):
                    raise server.no_encryption()
                smtp.starttls(context=context)
            yield _socket(smtp.sock)
        elif url.scheme == "pop3":
            pop = poplib.POP3(url.host, url.port, TIMEOUT)
            stack.callback(_hang_up, pop.close)
            if url.encryption is Encryption.STARTTLS:
                if "STLS" not in pop.capa():
                    raise server.no_encryption()
                pop.stls(context)
            yield _socket(pop.sock)
        else:
            imap = imaplib.IMAP4(url.host, url.port, TIMEOUT)
            stack.callback(_hang_up, imap.shutdown)
            if url.encryption is Encryption.STARTTLS:
                if "STARTTLS" not in imap.capabilities:
                    raise server.no_encryption()
                imap.starttls(context)
            yield _socket(imap.sock)


def _hang_up(close: Callable[[], object]) -> None:
    """A handshake that failed has closed the socket already, and what it raised is what matters."""
    with contextlib.suppress(OSError):
        close()


def _socket(found: socket.socket | None) -> socket.socket:
    if found is None:
        raise ConnectionResetError
    return found


def _certificate(content: Any) -> Certificate:
    """Out of what ssl gives of a verified certificate; its times are GMT, in one form whatever the locale."""
    hosts = [value for kind, value in content.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    subject, issuer = _names(content.get("subject", ())), _names(content.get("issuer", ()))
    return Certificate(
        owner=hosts[0] if hosts else subject.get("commonName", "no name"),
        issuer=issuer.get("organizationName") or issuer.get("commonName") or "no name",
        expires=datetime.fromtimestamp(ssl.cert_time_to_seconds(str(content["notAfter"])), UTC),
    )


def _names(parts: Any) -> dict[str, str]:
    return {key: value for part in parts for key, value in part}


# --- logged in ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MailboxFacts:
    """What is seen of a mailbox by one who has logged in."""

    mails: int
    """In the inbox."""
    junk: str | None
    """Name of the folder for junk; None over POP3, or where there is none."""
    idle: bool
    """The server tells of new mail at once (IMAP IDLE)."""


def mailbox_facts(url: ServerUrl, login: Login, context: ssl.SSLContext) -> MailboxFacts:
    """Log in for fetching, look and leave; nothing is changed. Raises MailboxTrouble and its kinds."""
    server, user = Server(url), url.user or login.user
    if url.scheme.startswith("pop3"):
        return _pop3_facts(url, user, login, context, server)
    try:
        connection = with_fresh_token(login, lambda: ImapConnection(url, user, login, context, server))
        try:
            mails, folders = connection.select("INBOX"), connection.folders()
        finally:
            connection.quit()
    except (imap_errors.Refused, imap_errors.Broken) as error:
        raise imap_errors.sorted_trouble(server, error) from None
    return MailboxFacts(mails, junk_folder(folders), "IDLE" in connection.capabilities)


def _pop3_facts(url: ServerUrl, user: str, login: Login, context: ssl.SSLContext, server: Server) -> MailboxFacts:
    try:
        connection = with_fresh_token(login, lambda: Pop3Connection(url, user, login, context, server))
        try:
            mails = len(connection.sizes())
        finally:
            connection.drop()
    except pop3_connection.Refused as refused:
        raise command_refusal(server, refused.reply) from None
    except pop3_connection.Broken as broken:
        raise server.trouble(broken.cause) from None
    return MailboxFacts(mails, None, False)


def size_limit(url: ServerUrl, login: Login, context: ssl.SSLContext, runtime: Runtime) -> int | None:
    """Log in for sending and leave: bytes of the largest mail that is taken there, None where it isn't told.

    Never more than what this program fetches. Raises MailboxTrouble and its kinds.
    """
    sender = SmtpSender(url, login, context, runtime)
    try:
        sender.connect()
        return sender.size_limit
    finally:
        sender.close()
