"""One connection to a POP3 server (RFC 1939), by `poplib` but for the reading of what has many lines.

`poplib` gives up at a line of more than 2,048 bytes and leaves the rest of the mail in the connection, where it is
taken for replies. The reader here takes lines of any length, and keeps no more than it was allowed to.
"""

from __future__ import annotations

import base64
import contextlib
import poplib
import ssl

from replicator.transport.fetch_refusals import login_refusal
from replicator.transport.login import Login, plain, sendable, xoauth2
from replicator.transport.numbers import number
from replicator.transport.refusals import TIMEOUT, Server
from replicator.transport.urls import Encryption, ServerUrl

LONGEST_LISTING = 16 * 1024 * 1024
"""Bytes of the answer to LIST or UIDL: some hundred thousand mails."""
_PIECE = 64 * 1024
_REPLY = 8 * 1024
_END = b".\r\n"
"""Only CRLF ends a line: a line feed within a mail that some server passes on as it is begins none."""


class Refused(Exception):
    """The server has answered -ERR; the connection is in order."""

    def __init__(self, reply: bytes) -> None:
        super().__init__("-ERR")
        self.reply = reply


class Broken(Exception):
    """The connection can't be used any more; `cause` is the socket's error, None when the server has hung up."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__("connection broken")
        self.cause = cause


class Pop3Connection:
    """A connection that has logged in. Its methods raise Refused and Broken."""

    def __init__(self, url: ServerUrl, user: str, login: Login, context: ssl.SSLContext, server: Server) -> None:
        """Raises MailboxTrouble for what it can tell itself (STLS not offered, login refused), Refused and Broken."""
        self._url = url
        self._user = user
        self._server = server
        with _errors():
            self._client = self._greeted(context)
        try:
            self._log_in(login)
        except BaseException:
            self.drop()
            raise

    def sizes(self) -> dict[int, int]:
        """Size in bytes, as the server tells it, by number."""
        words = self._pairs("LIST").items()
        return {which: size for which, word in words if (size := number(word)) is not None}

    def unique_ids(self) -> dict[int, str] | None:
        """UIDL by number; None where the server has no such thing."""
        try:
            return self._pairs("UIDL")
        except Refused:
            return None

    def retrieve(self, which: int, largest: int) -> tuple[bytes | None, int]:
        """The mail and its size; None in place of a mail that turns out to be larger than `largest` bytes."""
        return self._lines(f"RETR {which}", largest)

    def delete(self, which: int) -> None:
        """Mark for deletion at `quit`."""
        self._command(f"DELE {which}")

    def quit(self) -> None:
        """Carry out the deletions and hang up."""
        with _errors():
            self._client.quit()

    def drop(self) -> None:
        """Hang up; nothing is deleted. Never raises."""
        with contextlib.suppress(OSError):
            self._client.close()

    # --- connecting -------------------------------------------------------------------------------------------------

    def _greeted(self, context: ssl.SSLContext) -> poplib.POP3:
        host, port = self._url.host, self._url.port
        if self._url.encryption is Encryption.TLS:
            return poplib.POP3_SSL(host, port, timeout=TIMEOUT, context=context)
        client = poplib.POP3(host, port, timeout=TIMEOUT)
        if self._url.encryption is Encryption.STARTTLS:
            self._client = client
            try:
                if "STLS" not in self._capabilities():
                    raise self._server.no_encryption()
                client.stls(context=context)
            except BaseException:
                self.drop()
                raise
        return client

    def _capabilities(self) -> dict[str, list[str]]:
        """Empty where the server has no CAPA."""
        try:
            lines, _ = self._lines("CAPA", _PIECE)
        except Refused:
            return {}
        words = [line.upper().split() for line in (lines or b"").decode("ascii", "replace").splitlines()]
        return {line[0]: line[1:] for line in words if line}

    def _log_in(self, login: Login) -> None:
        mechanisms = self._capabilities().get("SASL", [])
        token = login.token()
        try:
            if token is None:
                self._by_password(mechanisms, sendable(login.password()))
            elif "XOAUTH2" not in mechanisms:
                raise self._server.no_way_to_log_in(mechanisms, by_token=True)
            else:
                self._authenticate("XOAUTH2", xoauth2(self._user, token), token)
        except Refused as refused:
            # Without its cause, as the reply may repeat what we sent.
            raise login_refusal(self._server, refused.reply, self._user, by_token=token is not None) from None

    def _by_password(self, mechanisms: list[str], password: str) -> None:
        if "PLAIN" in mechanisms:
            self._authenticate("PLAIN", plain(self._user, password), password)
            return
        self._server.keep_secret(password)
        self._command(f"USER {sendable(self._user)}")
        self._command(f"PASS {password}")

    def _authenticate(self, mechanism: str, message: str, secret: str) -> None:
        """AUTH (RFC 5034): the message follows once it is asked for, as some servers want it. What is asked further is
        answered by an empty line: XOAUTH2 explains a refusal so."""
        self._server.keep_secret(secret, message)
        reply = self._command(f"AUTH {mechanism}")
        answer = base64.b64encode(message.encode("utf-8")).decode("ascii")
        for line in (answer, ""):
            if reply.startswith(b"+OK"):
                return
            reply = self._command(line)
        if not reply.startswith(b"+OK"):
            raise Refused(reply)

    # --- commands and replies -----------------------------------------------------------------------------------------

    def _command(self, line: str) -> bytes:
        """Send the line; the first line of the answer."""
        with _errors():
            self._client.sock.sendall(line.encode("utf-8") + b"\r\n")
            reply = self._client.file.readline(_REPLY)
        if not reply.endswith(b"\n"):
            raise Broken(ValueError() if reply else None)
        if not reply.startswith(b"+"):
            raise Refused(reply)
        return reply

    def _lines(self, command: str, largest: int) -> tuple[bytes | None, int]:
        """The lines that follow the reply, their dots unstuffed, and their size; None where there is more than
        `largest`. A line comes in pieces where it is long."""
        self._command(command)
        readline = self._client.file.readline
        pieces: list[bytes] = []
        size, whole_line, half_end = 0, True, False
        with _errors():
            while True:
                piece = readline(_PIECE)
                if whole_line and piece[:1] == b".":
                    if piece == _END:
                        break
                    piece = piece[1:]
                if not piece:
                    raise Broken(None)
                whole_line = piece.endswith(b"\r\n") or (piece == b"\n" and half_end)
                half_end = piece.endswith(b"\r")
                size += len(piece)
                if size <= largest:
                    pieces.append(piece)
                elif size > 4 * largest + _PIECE:
                    # It doesn't end: hang up rather than read on.
                    raise Broken(ValueError())
                else:
                    pieces.clear()
        return (b"".join(pieces) if size <= largest else None), size

    def _pairs(self, command: str) -> dict[int, str]:
        content, _ = self._lines(command, LONGEST_LISTING)
        if content is None:
            raise Broken(ValueError())
        words = (line.split() for line in content.decode("utf-8", "replace").split("\n"))
        return {which: pair[1] for pair in words if len(pair) >= 2 and (which := number(pair[0])) is not None}


class _errors(contextlib.AbstractContextManager[None]):  # noqa: N801 - used as a statement
    """What poplib and the socket raise, as Refused and Broken. A class, since it stands around each command."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, poplib.error_proto):
            # poplib hands on a reply as bytes; in text it speaks itself, of a connection that has ended.
            reply = error.args[0] if error.args else ""
            raise (Refused(reply) if isinstance(reply, bytes) else Broken(None)) from None
        if isinstance(error, OSError | ValueError):
            raise Broken(error) from None
