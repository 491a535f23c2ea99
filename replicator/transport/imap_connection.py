"""One connection to an IMAP server (RFC 3501), by imap-tools."""

from __future__ import annotations

import contextlib
import imaplib
import re
import ssl
from collections.abc import Iterator
from typing import Any

from imap_tools.errors import ImapToolsError
from imap_tools.mailbox import BaseMailBox
from imap_tools.utils import encode_folder

from replicator.transport.fetch_refusals import login_refusal, response_code
from replicator.transport.imap_errors import Refused, errors, text_of
from replicator.transport.imap_folders import Folder, full_names, own_namespace
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
            self.capabilities = frozenset(text_of(data).upper().split())
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
            validity = text_of(self.client.untagged_responses.get("UIDVALIDITY", [b"0"]))
            self.validity = number(validity) or 0
        self.selected = folder
        return number(text_of(data)) or 0

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
        words = text_of(self._uid("SEARCH", *criteria)).split()
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
        for chosen in _sets(uids):
            self._uid("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)")
            if "UIDPLUS" in self.capabilities:
                self._uid("EXPUNGE", chosen)
            else:
                with errors():
                    self.mailbox.expunge()

    def move(self, uids: list[int], folder: str) -> None:
        """Move mails of the selected folder to another one (RFC 6851), or copy and delete them, which may break off
        between the two; those that have gone are passed over."""
        if "MOVE" not in self.capabilities:
            for chosen in _sets(uids):
                self._uid("COPY", chosen, encode_folder(folder))
            self.delete(uids)
            return
        for chosen in _sets(uids):
            self._uid("MOVE", chosen, encode_folder(folder))

    def made_folder(self, name: str) -> str:
        """The full name of the folder, which is made where it is missing; `name` has '/' between its levels."""
        there, candidates = full_names(name, self.folders(), self._namespace())
        if there is not None:
            return there
        refusal: Refused | None = None
        for full_name in candidates:
            try:
                with errors():
                    self.mailbox.folder.create(full_name)
            except Refused as refused:
                if response_code(refused.text) != "ALREADYEXISTS":
                    refusal = refusal or refused
                    continue
            # Many mail programs show only what one has subscribed to.
            with contextlib.suppress(Refused), errors():
                self.mailbox.folder.subscribe(full_name, True)
            return full_name
        raise refusal or Refused(b"")

    def _namespace(self) -> tuple[str, str] | None:
        if "NAMESPACE" not in self.capabilities:
            return None
        try:
            with errors():
                _, data = self.client.namespace()
        except Refused:
            return None
        return own_namespace(text_of(data).encode())

    def folders(self) -> list[Folder]:
        """All of them, the flags in lower case and with the special use where told."""
        with errors():
            found = {each.name: each for each in self.mailbox.folder.list()}
        return [(each.name, _delimiter(each.delim), tuple(map(str.lower, each.flags))) for each in found.values()]

    def quit(self) -> None:
        """Log out. Never raises."""
        with contextlib.suppress(OSError, imaplib.IMAP4.error, ImapToolsError):
            self.mailbox.logout()
        self.drop()

    def drop(self) -> None:
        """Hang up. Never raises."""
        _hang_up(self.client)

    def _uid(self, command: str, *arguments: str | bytes) -> list[Any]:
        with errors():
            kind, data = self.client.uid(command, *arguments)  # type: ignore[arg-type]
        if kind != "OK":
            raise Refused(text_of(data).encode())
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


def _delimiter(told: str) -> str:
    """As imap-tools gives it: without quotes, but with what they hid."""
    return "" if told.upper() == "NIL" else told[-1:]


def _sets(uids: list[int]) -> Iterator[str]:
    for start in range(0, len(uids), _UIDS_AT_ONCE):
        yield ",".join(str(uid) for uid in uids[start : start + _UIDS_AT_ONCE])


def _hang_up(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(OSError):
        client.shutdown()
