"""One connection to an IMAP server (RFC 3501), by imap-tools."""

from __future__ import annotations

import contextlib
import imaplib
import re
import ssl
from collections.abc import Iterator
from typing import Any

from imap_tools.errors import ImapToolsError, UnexpectedCommandStatusError
from imap_tools.mailbox import BaseMailBox

from replicator.errors import MailboxTrouble
from replicator.transport.fetch_refusals import command_refusal, login_refusal
from replicator.transport.login import Login, plain, sendable, xoauth2
from replicator.transport.numbers import number
from replicator.transport.refusals import TIMEOUT, Server
from replicator.transport.urls import Encryption, ServerUrl

LONGEST_LITERAL = 64 * 1024 * 1024
"""Bytes that a server may send in one piece, whatever was asked for."""

_UID = re.compile(rb"\bUID (\d{1,10})\b", re.IGNORECASE)
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,19})\b", re.IGNORECASE)
_UIDS_AT_ONCE = 100
"""Keeps a command well below the 8,000 bytes that servers take."""


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


class _Bounded:
    """An imaplib client that takes no literal of any size a server likes."""

    bound = LONGEST_LITERAL

    def read(self, size: int) -> bytes:
        if size > self.bound:
            raise imaplib.IMAP4.abort("literal too large")
        return super().read(size)  # type: ignore[misc, no-any-return]


class _Plain(_Bounded, imaplib.IMAP4):
    pass


class _Tls(_Bounded, imaplib.IMAP4_SSL):
    pass


class _MailBox(BaseMailBox):
    """imap-tools' mailbox on a client of ours. Its own `MailBoxStartTls` doesn't say why there is no encryption."""

    def __init__(self, url: ServerUrl, context: ssl.SSLContext, server: Server) -> None:
        self._url, self._context, self._server = url, context, server
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        host, port = self._url.host, self._url.port
        if self._url.encryption is Encryption.TLS:
            return _Tls(host, port, ssl_context=self._context, timeout=TIMEOUT)
        client = _Plain(host, port, timeout=TIMEOUT)
        if self._url.encryption is Encryption.STARTTLS:
            try:
                if "STARTTLS" not in client.capabilities:
                    raise self._server.no_encryption()
                client.starttls(self._context)
            except BaseException:
                _hang_up(client)
                raise
        return client


class ImapConnection:
    """A connection that has logged in. Its methods raise Refused and Broken."""

    def __init__(self, url: ServerUrl, user: str, login: Login, context: ssl.SSLContext, server: Server) -> None:
        """Raises MailboxTrouble for what it can tell itself (STARTTLS not offered, login refused), Refused, Broken."""
        self._user = user
        self._server = server
        self.selected: str | None = None
        self.validity = 0
        """UIDVALIDITY of the selected folder: its UIDs mean something together with it only."""
        with errors():
            self.mailbox = _MailBox(url, context, server)
        self.client: imaplib.IMAP4 = self.mailbox.client
        try:
            self._log_in(login)
            with errors():
                # A server tells more once it knows us.
                _, data = self.client.capability()
            self.capabilities = frozenset(_text(data).upper().split())
        except BaseException:
            self.drop()
            raise

    def select(self, folder: str) -> int:
        """Select the folder if it is not; the number of its mails when it was."""
        with errors():
            # Otherwise imaplib mixes in what it was told of the folder before.
            self.client.untagged_responses.pop("UIDVALIDITY", None)
            self.selected = None
            _, data = self.mailbox.folder.set(folder)
            validity = _text(self.client.untagged_responses.get("UIDVALIDITY", [b"0"]))
            self.validity = number(validity) or 0
        self.selected = folder
        return number(_text(data)) or 0

    def look(self) -> None:
        """Have the server look for changes in the selected folder."""
        with errors():
            self.client.noop()

    def sizes(self, uids: str) -> dict[int, int]:
        """Bytes by UID of the mails in a set such as '1:*' or '4,7', in ascending order."""
        data = self._uid("FETCH", uids, "(UID RFC822.SIZE)")
        sizes: dict[int, int] = {}
        for line in data:
            if isinstance(line, bytes) and (size := _SIZE.search(line)) and (uid := _UID.search(line)):
                sizes[int(uid[1])] = int(size[1])
        return dict(sorted(sizes.items()))

    def search(self, *criteria: str) -> list[int]:
        """UIDs in ascending order."""
        words = _text(self._uid("SEARCH", *criteria)).split()
        return sorted(uid for word in words if (uid := number(word)) is not None)

    def content(self, uid: int) -> bytes | None:
        """The whole mail, without marking it as read; None when it has gone."""
        for item in self._uid("FETCH", str(uid), "(UID BODY.PEEK[])"):
            # Notices about other mails may stand between.
            if isinstance(item, tuple) and (found := _UID.search(item[0])) and int(found[1]) == uid:
                content: bytes = item[1]
                return content
        return None

    def delete(self, uids: list[int]) -> None:
        """Delete mails of the selected folder for good; those that have gone are passed over.

        A server without UIDPLUS also removes what other programs have marked as deleted in this folder: it knows no
        narrower command.
        """
        for start in range(0, len(uids), _UIDS_AT_ONCE):
            chosen = ",".join(str(uid) for uid in uids[start : start + _UIDS_AT_ONCE])
            self._uid("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)")
            if "UIDPLUS" in self.capabilities:
                self._uid("EXPUNGE", chosen)
            else:
                with errors():
                    self.mailbox.expunge()

    def folders(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Name, delimiter and flags of each folder, the flags in lower case and with the special use where told."""
        with errors():
            found = {each.name: each for each in self.mailbox.folder.list()}
        return [(each.name, each.delim, tuple(flag.lower() for flag in each.flags)) for each in found.values()]

    def quit(self) -> None:
        """Log out. Never raises."""
        with contextlib.suppress(OSError, imaplib.IMAP4.error, ImapToolsError):
            self.mailbox.logout()
        self.drop()

    def drop(self) -> None:
        """Hang up. Never raises."""
        _hang_up(self.client)

    def _uid(self, command: str, *arguments: str) -> list[Any]:
        with errors():
            kind, data = self.client.uid(command, *arguments)
        if kind != "OK":
            raise Refused(_text(data).encode())
        return data

    # --- logging in -------------------------------------------------------------------------------------------------

    def _log_in(self, login: Login) -> None:
        token = login.token()
        try:
            with errors():
                if token is None:
                    self._by_password(sendable(login.password()))
                else:
                    self._by_token(token)
        except Refused as refused:
            # Without its cause, as the reply may repeat what we sent.
            raise login_refusal(self._server, refused.text, self._user, by_token=token is not None) from None

    def _by_token(self, token: str) -> None:
        if "AUTH=XOAUTH2" not in self.client.capabilities:
            raise self._server.no_way_to_log_in(self._mechanisms(), by_token=True)
        self._authenticate("XOAUTH2", [xoauth2(self._user, token)], token)

    def _by_password(self, password: str) -> None:
        offered = self.client.capabilities
        if "AUTH=PLAIN" in offered:
            self._authenticate("PLAIN", [plain(self._user, password)], password)
        elif "LOGINDISABLED" not in offered and (self._user + password).isascii():
            self._server.keep_secret(password)
            self.mailbox.login(sendable(self._user), password, initial_folder=None)
        elif "AUTH=LOGIN" in offered:
            self._authenticate("LOGIN", [sendable(self._user), password], password)
        else:
            raise self._server.no_way_to_log_in(self._mechanisms(), by_token=False)

    def _mechanisms(self) -> list[str]:
        return [name.removeprefix("AUTH=") for name in self.client.capabilities if name.startswith("AUTH=")]

    def _authenticate(self, mechanism: str, messages: list[str], secret: str) -> None:
        """What is asked beyond the messages is answered by nothing: XOAUTH2 explains a refusal so, and imap-tools'
        `xoauth2` would send the token again."""
        self._server.keep_secret(secret, *(message for message in messages if message != self._user))
        answers = iter([message.encode("utf-8") for message in messages])
        self.client.authenticate(mechanism, lambda _challenge: next(answers, b""))


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
        raise Refused(_text(error.command_result[1]).encode()) from None
    except imaplib.IMAP4.error as error:
        raise Refused(str(error).encode("utf-8", "replace")) from None
    except (OSError, ValueError, ImapToolsError, LookupError, AttributeError, TypeError) as error:
        raise Broken(error) from None


def sorted_trouble(server: Server, error: Refused | Broken) -> MailboxTrouble:
    """The sentence for a person."""
    return command_refusal(server, error.text) if isinstance(error, Refused) else server.trouble(error.cause)


def _hang_up(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        client.shutdown()


def _text(data: Any) -> str:
    """The lines of an answer of imaplib as one text."""
    items = data if isinstance(data, list | tuple) else [data]
    lines = (item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in items if item)
    return " ".join(lines)
