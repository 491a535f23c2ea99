"""Sending by SMTP (RFC 5321), with STARTTLS (3207), AUTH (4954) and SIZE (1870).

One connection serves a run. A mail counts as sent only when the server has answered its final dot: whenever that answer
doesn't come, the mail may have gone or not, so sending fails and the mail is sent again.
"""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import ssl
from collections.abc import Iterator

from replicator.errors import ConfigurationError, MailboxTrouble, MailTooLarge
from replicator.runtime import Runtime
from replicator.transport import mime
from replicator.transport.addresses import on_the_wire
from replicator.transport.base import LARGEST_MAIL, Composed, Mail
from replicator.transport.login import Login, plain, sendable, with_fresh_token, xoauth2
from replicator.transport.numbers import number
from replicator.transport.refusals import TIMEOUT, Server
from replicator.transport.smtp_refusals import Reply, Stage, smtp_refusal
from replicator.transport.urls import Encryption, ServerUrl

CONTENT_SECONDS = 600.0
"""For the answer to a content (RFC 5321, 4.5.3.2.6): whoever gives up earlier has sent the mail, and sends it again."""
SLOWEST = 10_000
"""Bytes a second at which a content goes out at least; else the connection counts as dead."""

_CLOSING = 421
_ASKS_ON = 334
_SEND_CONTENT = 354
_EARLY_SECONDS = 5.0


class SmtpSender:
    """Sends by one server; connects when needed and keeps the connection until `close`."""

    def __init__(self, url: ServerUrl, login: Login, context: ssl.SSLContext, runtime: Runtime) -> None:
        self.size_limit: int | None = LARGEST_MAIL
        """Bytes of a mail: what we fetch at most, or less where the server has told so at the last connection."""
        self.user = url.user or login.user
        self._url = url
        self._login = login
        self._context = context
        self._runtime = runtime
        self._server = Server(url)
        self._client: smtplib.SMTP | None = None

    # --- one mail -------------------------------------------------------------------------------------------------

    def send(self, mail: Mail | Composed) -> None:
        """See `Mailbox.send`. Raises MailTooLarge, MailRefused, RecipientRefused, TryLater, LoginRefused, NotTrusted,
        Unreachable, MailboxTrouble, and ConfigurationError for an address that can't be used."""
        sender, recipient = self._envelope_sender(mail), on_the_wire(mail.recipient)
        content = mime.content_of(mail)
        self._check_size(content)
        with self._errors_sorted():
            client = self._ready_for(sender, len(content))
            # Known since the connection at the latest.
            self._check_size(content)
            self._expect(client.rcpt(recipient), (250, 251), Stage.RECIPIENT, sender, recipient)
            self._runtime.reached("mail:before")
            self._expect(_hand_over(client, content), (250,), Stage.CONTENT, sender, recipient)
            self._runtime.reached("mail:after")

    def connect(self) -> None:
        """Log in, if that is not done yet: `size_limit` is known then. Raises as `send`."""
        with self._errors_sorted():
            if self._client is None:
                self._client = with_fresh_token(self._login, self._connected)

    def close(self) -> None:
        """Take leave of the server. Never raises."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                client.quit()
            client.close()

    def _envelope_sender(self, mail: Mail | Composed) -> str:
        """Where bounces go: the login's own address, which every server takes; the account's where it has none."""
        with contextlib.suppress(ConfigurationError):
            return on_the_wire(self.user)
        return on_the_wire(mail.sender)

    def _check_size(self, content: bytes) -> None:
        limit = self.size_limit
        if limit is not None and len(content) > limit:
            # The connection may stand in the midst of a mail.
            self._reset()
            raise MailTooLarge(
                f"A mail of {len(content)} bytes is larger than the {limit} bytes that {self._url} takes: it is sent "
                "in smaller parts.",
                limit,
            )

    def _ready_for(self, sender: str, size: int) -> smtplib.SMTP:
        """A connection that has taken MAIL FROM. One that has died since the last mail is replaced, once."""
        if self._client is not None:
            try:
                reply = self._mail_from(self._client, sender, size)
            except smtplib.SMTPServerDisconnected:
                reply = (_CLOSING, b"")
            if reply[0] != _CLOSING:
                self._expect(reply, (250,), Stage.SENDER, sender)
                return self._client
            self._drop()
        self._client = client = with_fresh_token(self._login, self._connected)
        if self.size_limit is None or size <= self.size_limit:
            self._expect(self._mail_from(client, sender, size), (250,), Stage.SENDER, sender)
        return client

    def _mail_from(self, client: smtplib.SMTP, sender: str, size: int) -> tuple[int, bytes]:
        return client.mail(sender, [f"SIZE={size}"] if client.has_extn("size") else [])

    def _expect(
        self, reply: tuple[int, bytes], good: tuple[int, ...], stage: Stage, sender: str = "", recipient: str = ""
    ) -> None:
        code, text = reply
        if code in good:
            return
        if code == _CLOSING or code < 200:
            self._drop()
        elif stage in (Stage.SENDER, Stage.RECIPIENT, Stage.CONTENT):
            # So that the next mail can go on.
            self._reset()
        refusal = Reply(stage, code, text, sender, recipient)
        raise smtp_refusal(self._server, refusal, self.user) if code >= 200 else self._server.trouble(ValueError())

    def _reset(self) -> None:
        if self._client is not None:
            try:
                code, _ = self._client.rset()
            except (OSError, smtplib.SMTPException):
                code = 0
            if code != 250:
                self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    @contextlib.contextmanager
    def _errors_sorted(self) -> Iterator[None]:
        """What smtplib and the socket raise, as ours. The connection is gone then: in doubt, nothing was sent."""
        try:
            yield
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self._drop()
            raise self._server.trouble(_root(error)) from None
        except MailboxTrouble:
            raise
        except BaseException:
            # Ctrl-C, say: nobody knows what the server would answer next.
            self._drop()
            raise

    # --- one connection -------------------------------------------------------------------------------------------

    def _connected(self) -> smtplib.SMTP:
        try:
            client = self._greeted()
        except smtplib.SMTPConnectError as error:
            self._expect((error.smtp_code, _bytes(error.smtp_error)), (), Stage.GREETING)
            raise
        try:
            self._say_hello(client)
            if self._url.encryption is Encryption.STARTTLS:
                self._start_tls(client)
            self._log_in(client)
            self._note_size(client)
        except BaseException:
            client.close()
            raise
        return client

    def _greeted(self) -> smtplib.SMTP:
        host, port = self._url.host, self._url.port
        # A placeholder, as smtplib would look up this computer's name, which can take long and is nobody's business.
        name = "[127.0.0.1]"
        if self._url.encryption is Encryption.TLS:
            return smtplib.SMTP_SSL(host, port, name, timeout=TIMEOUT, context=self._context)
        return smtplib.SMTP(host, port, name, timeout=TIMEOUT)

    def _say_hello(self, client: smtplib.SMTP) -> None:
        own = client.sock.getsockname()[0] if client.sock else "127.0.0.1"
        client.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        code, text = client.ehlo()
        if code != 250:
            self._expect((code, text), (), Stage.GREETING)

    def _start_tls(self, client: smtplib.SMTP) -> None:
        if not client.has_extn("starttls"):
            raise self._server.no_encryption()
        try:
            client.starttls(context=self._context)
        except smtplib.SMTPResponseException as error:
            self._expect((error.smtp_code, _bytes(error.smtp_error)), (), Stage.STARTTLS)
        # What was said before the encryption counts for nothing.
        self._say_hello(client)

    def _note_size(self, client: smtplib.SMTP) -> None:
        # 0: no limit that is fixed (RFC 1870).
        limit = number(client.esmtp_features.get("size", "").strip()) or 0
        self.size_limit = min(limit, LARGEST_MAIL) if limit else LARGEST_MAIL

    def _log_in(self, client: smtplib.SMTP) -> None:
        offered = client.esmtp_features.get("auth", "").upper().split()
        token = self._login.token()
        if token is not None:
            code, text = self._by_token(client, offered, token)
        else:
            code, text = self._by_password(client, offered)
        # 503: it has let us in already, by our certificate or address.
        if code not in (235, 503):
            raise smtp_refusal(self._server, Reply(Stage.LOGIN, code, text), self.user, by_token=token is not None)

    def _by_token(self, client: smtplib.SMTP, offered: list[str], token: str) -> tuple[int, bytes]:
        if "XOAUTH2" not in offered:
            raise self._server.no_way_to_log_in(offered, by_token=True)
        return self._authenticate(client, "XOAUTH2", [xoauth2(self.user, token)], token)

    def _by_password(self, client: smtplib.SMTP, offered: list[str]) -> tuple[int, bytes]:
        password = sendable(self._login.password())
        if "PLAIN" in offered:
            return self._authenticate(client, "PLAIN", [plain(self.user, password)], password)
        if "LOGIN" in offered:
            return self._authenticate(client, "LOGIN", [sendable(self.user), password], password)
        raise self._server.no_way_to_log_in(offered, by_token=False)

    def _authenticate(
        self, client: smtplib.SMTP, mechanism: str, messages: list[str], secret: str
    ) -> tuple[int, bytes]:
        """AUTH with the first message along, then the others, then empty ones, as asked (XOAUTH2 explains itself so).

        Not by smtplib's own `auth`, which takes ASCII only, and whose UnicodeEncodeError holds the password.
        """
        self._server.keep_secret(secret, *(message for message in messages if message != self.user))
        encoded = [base64.b64encode(message.encode("utf-8")).decode("ascii") for message in messages]
        code, text = client.docmd("AUTH", f"{mechanism} {encoded[0]}")
        for answer in [*encoded[1:], ""]:
            if code != _ASKS_ON:
                break
            code, text = client.docmd(answer)
        return code, text


def _hand_over(client: smtplib.SMTP, content: bytes) -> tuple[int, bytes]:
    """DATA. Gives the reply to it, or to the final dot, or the one that came before it.

    Not by smtplib's own `data`, which closes the connection when it can't send any more: a server that hangs up in the
    midst of a mail may have said why.
    """
    code, text = client.docmd("DATA")
    if code != _SEND_CONTENT or client.sock is None:
        return code, text
    client.sock.settimeout(CONTENT_SECONDS + len(content) / SLOWEST)
    try:
        client.sock.sendall(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
    except OSError as error:
        return _said_before_the_end(client, error)
    reply = client.getreply()
    client.sock.settimeout(TIMEOUT)
    return reply


def _said_before_the_end(client: smtplib.SMTP, error: OSError) -> tuple[int, bytes]:
    """The refusal that lies in the connection; else it is the error."""
    try:
        if client.sock is not None:
            client.sock.settimeout(_EARLY_SECONDS)
        code, text = client.getreply()
    except (OSError, smtplib.SMTPException):
        raise error from None
    finally:
        client.close()
    if code < 400:
        raise error
    return code, text


def _root(error: BaseException) -> BaseException | None:
    """The socket's error that smtplib has put its own in place of; None: the server has hung up."""
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return error.__context__ if isinstance(error.__context__, OSError) else None
    return error


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")
