"""What a mail server wants to know of us: a user, and a password or an OAuth2 access token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from replicator.errors import LoginRefused

Result = TypeVar("Result")


class TokenRefused(LoginRefused):
    """The server doesn't take the access token, which may only have grown old."""


class Login(Protocol):
    """Where the secrets come from. They are asked for when a connection logs in, and kept nowhere in `transport`."""

    @property
    def user(self) -> str:
        """The name to log in with, as a rule the e-mail address."""
        ...

    def password(self) -> str:
        """Raises LoginRefused or ConfigurationError where there is none."""
        ...

    def token(self) -> str | None:
        """An OAuth2 access token, which logs in by XOAUTH2. None: the password does."""
        ...

    def renew(self) -> None:
        """The server has refused the token: the next `token` is another one."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """A user and the function that gives the password; printed, it shows neither the function nor the password."""

    user: str
    secret: Callable[[], str] = field(repr=False)

    def password(self) -> str:
        return self.secret()

    def token(self) -> None:
        return None

    def renew(self) -> None:
        """There is no token."""


def with_fresh_token(login: Login, connect: Callable[[], Result]) -> Result:
    """Connect; where that fails because of the token, once more with another one. On a new connection, since many
    servers end one that has failed to log in."""
    try:
        return connect()
    except TokenRefused:
        login.renew()
    return connect()


def sendable(secret: str) -> str:
    """The secret, if a line of a mail protocol can carry it: a line end in it would begin a command of its own.

    Raises LoginRefused, which doesn't quote it.
    """
    if any(sign in secret for sign in "\r\n\0"):
        raise LoginRefused(
            "The user or password of the mail account has a line end or a NUL in it, which no mail server takes: "
            "set it again with 'replicator account set'."
        )
    return secret


def xoauth2(user: str, token: str) -> str:
    """The one message of XOAUTH2, not yet in base64."""
    return f"user={sendable(user)}\1auth=Bearer {sendable(token)}\1\1"


def plain(user: str, password: str) -> str:
    """The one message of AUTH PLAIN (RFC 4616), not yet in base64."""
    return f"\0{sendable(user)}\0{sendable(password)}"
