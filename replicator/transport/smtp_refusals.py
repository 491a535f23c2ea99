"""An SMTP server's replies, sorted by reply code and enhanced status code (RFC 5321, 3463, 5248, 4954)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from replicator.errors import (
    LoginRefused,
    MailboxTrouble,
    MailRefused,
    MailTooLarge,
    NotTrusted,
    RecipientLater,
    RecipientRefused,
    TryLater,
    Unreachable,
)
from replicator.transport.refusals import Server, cut


class Stage(Enum):
    """What was asked when the reply came."""

    GREETING = auto()
    STARTTLS = auto()
    LOGIN = auto()
    SENDER = auto()
    """MAIL FROM"""
    RECIPIENT = auto()
    """RCPT TO"""
    CONTENT = auto()
    """DATA, or the dot that ends it"""


_ENHANCED = re.compile(rb"\s*([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")

_SENDER_CODES = frozenset([(1, 7), (1, 8), (7, 60), (2, 252)])
"""X.7.60 and X.2.252 are Microsoft's for 'not allowed to send as this sender'."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One refusal of an SMTP server."""

    stage: Stage
    code: int
    text: bytes
    sender: str = ""
    recipient: str = ""

    @property
    def status(self) -> tuple[int, int] | None:
        """Subject and detail of the enhanced status code, such as (2, 2) for 5.2.2 and 4.2.2."""
        found = _ENHANCED.match(self.text)
        return (int(found[2]), int(found[3])) if found else None

    @property
    def later(self) -> bool:
        # X.4.5 is congestion, also where it comes as 550: Gmail's daily limit does.
        return self.code // 100 == 4 or self.status == (4, 5)

    @property
    def about_mail(self) -> bool:
        return self.stage in (Stage.SENDER, Stage.RECIPIENT, Stage.CONTENT)

    @property
    def recipient_later(self) -> bool:
        """For now, and said when the recipient was named: greylisting, a mailbox that is locked."""
        return self.later and self.stage is Stage.RECIPIENT and self.code in (450, 451, 452)

    @property
    def mailbox_full(self) -> bool:
        # RFC 5321: 552 is "exceeded storage allocation"; after RCPT that can only be the recipient's.
        bare = self.code == 552 and self.stage is Stage.RECIPIENT and self.status is None
        return self.about_mail and (self.status == (2, 2) or bare)

    @property
    def too_large(self) -> bool:
        if not self.about_mail or self.code // 100 != 5:
            return False
        # With another status 552 means something else: Gmail's 552 5.7.0 refuses a content.
        bare = self.code == 552 and (self.status is None or (self.status[0] in (0, 3) and self.status != (3, 1)))
        return bare or self.status in ((3, 4), (2, 3))

    @property
    def about_login(self) -> bool:
        return (
            self.stage is Stage.LOGIN or self.code in (530, 534, 535, 538) or self.status in ((7, 8), (7, 9), (7, 11))
        )

    @property
    def unknown_recipient(self) -> bool:
        if self.stage is Stage.RECIPIENT:
            return self.code in (550, 551, 553) if self.status is None else self.status[0] == 1
        return self.stage is Stage.CONTENT and self.status in ((1, 1), (1, 2), (1, 3), (1, 6), (1, 10))


def smtp_refusal(server: Server, reply: Reply, user: str, *, by_token: bool = False) -> MailboxTrouble:
    """The error for a reply that is not the one hoped for; `user` is who has logged in, or tried to."""
    recipient, said = cut(reply.recipient), server.quote(reply.text)
    if reply.mailbox_full:
        return RecipientRefused(
            f"The mailbox of {recipient} is full: somebody there has to make room, mail goes on then.{said}",
            reply.recipient,
            full=True,
        )
    if reply.too_large:
        return MailTooLarge(f"{server.url} refuses the mail as too large: it is sent again in smaller parts.{said}")
    if reply.code == 432:
        return server.refused_login(user, reply.text, by_token=by_token)
    if reply.recipient_later:
        return RecipientLater(
            f"{server.url} takes no mail to {recipient} at the moment: nothing is lost, the next run tries again.{said}"
        )
    if reply.later:
        return TryLater(f"{server.url} {_why_later(reply)}: nothing is lost, the next run tries again.{said}")
    if reply.about_login:
        return _login(server, reply, user, by_token=by_token)
    if reply.stage is Stage.STARTTLS:
        return NotTrusted(
            f"{server.url} does not begin the encryption that it offers: use {server.url.scheme}s://, or ask the "
            f"provider.{said}"
        )
    if reply.stage is Stage.GREETING:
        return Unreachable(
            f"{server.url} does not serve this computer: use the server that your provider names for sending, or ask "
            f"whether this network is barred.{said}"
        )
    return _mail(server, reply, user)


def _why_later(reply: Reply) -> str:
    match reply.code:
        case 421:
            return "closes the connection, as it is busy or has had enough for now"
        case 452:
            return "has no room at the moment, or has had enough for now"
        case 454 if reply.stage is Stage.LOGIN:
            return "can't check logins at the moment"
        case 454:
            return "can't encrypt at the moment"
    if reply.later and reply.code // 100 == 5:
        return "has reached its limit for your account"
    return "takes no mail from us at the moment"


def _login(server: Server, reply: Reply, user: str, *, by_token: bool) -> LoginRefused:
    said = server.quote(reply.text)
    if reply.code == 534 or reply.status == (7, 9):
        return LoginRefused(
            f"{server.url} does not let {cut(user)} in with this kind of password: make an app password in the "
            f"provider's settings, or sign in by OAuth2, with 'replicator account set'.{said}"
        )
    if reply.code == 538 or reply.status == (7, 11):
        return LoginRefused(
            f"{server.url} takes passwords over an encrypted connection only: take '?encryption=none' out of the URL."
            f"{said}"
        )
    if reply.code == 530:
        return LoginRefused(
            f"{server.url} wants a login over an encrypted connection: set user and URL with 'replicator account set'."
            f"{said}"
        )
    return server.refused_login(user, reply.text, by_token=by_token)


def _mail(server: Server, reply: Reply, user: str) -> MailboxTrouble:
    recipient, said = cut(reply.recipient), server.quote(reply.text)
    if reply.unknown_recipient:
        return RecipientRefused(
            f"The address {recipient} is unknown: check its spelling, or whether the mailbox still exists.{said}",
            reply.recipient,
        )
    if reply.status == (2, 1):
        return RecipientRefused(
            f"The mailbox of {recipient} is switched off: ask its provider to open it again.{said}", reply.recipient
        )
    if reply.stage is Stage.SENDER or reply.status in _SENDER_CODES:
        return MailboxTrouble(
            f"{server.url} does not let {cut(user)} send as {cut(reply.sender)}: use an address that belongs to this "
            f"login, with 'replicator account set'.{said}"
        )
    if reply.stage is Stage.RECIPIENT:
        return RecipientRefused(
            f"{server.url} takes no mail to {recipient}: check the address, and that {cut(reply.sender)} belongs to "
            f"the login {cut(user)}.{said}",
            reply.recipient,
        )
    return MailRefused(
        f"{server.url} refuses the mail to {recipient}: a rule or a spam filter there may be the cause; ask the "
        f"provider to let it pass.{said}"
    )
