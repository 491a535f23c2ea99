"""URLs of mail servers: smtps://USER@HOST, imaps://USER@HOST:PORT and so on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

from replicator.errors import ConfigurationError

_PORTS = {"smtps": 465, "smtp": 587, "pop3s": 995, "pop3": 110, "imaps": 993, "imap": 143}

FETCH_SCHEMES = ("pop3", "pop3s", "imap", "imaps")
SEND_SCHEMES = ("smtp", "smtps")

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]{2,45}")


class Encryption(StrEnum):
    """How the connection is encrypted."""

    TLS = "TLS"
    """From the first byte."""
    STARTTLS = "STARTTLS"
    """After a command in plain text; a server that doesn't offer it is refused."""
    NONE = "none"
    """Not at all, which has to be asked for."""


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """One server, and who we are there. Printed, it shows scheme, host and port."""

    scheme: str
    user: str | None
    host: str
    """ASCII: a name from the address bar with umlauts is in its IDNA form. IPv6 without brackets."""
    port: int
    encryption: Encryption

    @classmethod
    def parse(cls, text: str) -> ServerUrl:
        """Understand SCHEME://[USER@]HOST[:PORT][?encryption=none].

        Percent escapes in USER are decoded, and an '@' in it needs none. Raises ConfigurationError, which never repeats
        the URL, since it may hold a password.
        """
        scheme, colon, rest = text.strip().partition(":")
        scheme = scheme.lower()
        if not colon or scheme not in _PORTS:
            raise _unfit("it does not begin with " + ", ".join(f"{known}://" for known in sorted(_PORTS)))
        if not rest.startswith("//") or any(sign.isspace() or not sign.isprintable() for sign in rest):
            raise _unfit("it is not of this form", scheme)
        try:
            parts = urlsplit(f"{scheme}:{rest}")
            port, hostname = parts.port, parts.hostname
            options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise _unfit("it is not of this form", scheme) from None
        user = _user(parts.netloc, scheme)
        if parts.path.strip("/") or parts.fragment or port == 0:
            raise _unfit("nothing may follow the host but a port", scheme)
        return cls(scheme, user, _host(hostname, scheme), port or _PORTS[scheme], _encryption(scheme, options))

    @property
    def warning(self) -> str | None:
        """A sentence for the user where the connection is not encrypted."""
        if self.encryption is not Encryption.NONE:
            return None
        return (
            f"The connection to {self} is not encrypted: whoever listens on the way can read the password. "
            "Take '?encryption=none' out of the URL unless the server stands in your own network."
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def _user(authority: str, scheme: str) -> str | None:
    name, at, _ = authority.rpartition("@")
    if not at:
        return None
    if ":" in name:
        raise _unfit("a URL must not hold a password, which the program asks for", scheme)
    user = unquote(name)
    if not user or any(not sign.isprintable() for sign in user):
        raise _unfit("its user is empty or has unfit signs", scheme)
    return user


def _host(hostname: str | None, scheme: str) -> str:
    try:
        host = (hostname or "").encode("idna").decode("ascii") if ":" not in (hostname or "") else hostname or ""
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise _unfit("its host is missing or no valid name", scheme)
    return host


def _encryption(scheme: str, options: list[tuple[str, str]]) -> Encryption:
    implicit = scheme.endswith("s")
    encryption = Encryption.TLS if implicit else Encryption.STARTTLS
    for key, value in options:
        if (key, value) != ("encryption", "none"):
            raise _unfit("the only option it may have is ?encryption=none", scheme)
        if implicit:
            raise _unfit(f"{scheme} is always encrypted; ?encryption=none goes with {scheme[:-1]}://", scheme)
        encryption = Encryption.NONE
    return encryption


def _unfit(reason: str, scheme: str | None = None) -> ConfigurationError:
    kind = f"{scheme}: URL" if scheme else "URL"
    return ConfigurationError(
        f"This {kind} of a mail server can't be used: {reason}. Give it as {scheme or 'imaps'}://USER@HOST."
    )
