"""What goes wrong between us and a mail server, as one sentence with the cause and what to do.

Sorted by the type and number of an error and by the codes of replies, never by their text. The text may be quoted, for
the person who reads it; a server is free to repeat in it what we sent, so our own secrets are taken out first.
"""

from __future__ import annotations

import base64
import errno
import re
import socket
import ssl
from collections.abc import Iterable

from replicator.errors import LoginRefused, MailboxTrouble, NotTrusted, Unreachable, os_reason
from replicator.transport.login import TokenRefused
from replicator.transport.urls import Encryption, ServerUrl

TIMEOUT = 60.0
"""Seconds to wait for a connection, and for each reply."""

QUOTED = 200
"""Characters of a server's own text that we repeat at most."""


class Server:
    """One server as it appears in sentences. It knows our secrets only to keep them out of them."""

    def __init__(self, url: ServerUrl) -> None:
        self.url = url
        self._secrets: set[str] = set()

    def keep_secret(self, *secrets: str) -> None:
        """None of these, nor their base64, is ever quoted."""
        for secret in secrets:
            if secret:
                encoded = base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode("ascii")
                self._secrets |= {secret, encoded, encoded.rstrip("=")}

    def quote(self, text: bytes | str | None) -> str:
        """The server's own text to end a sentence with: ' The server says: "…"', or nothing where there is none."""
        cleaned = cut(_decoded(text), self._secrets)
        return f' The server says: "{cleaned}"' if cleaned else ""

    def trouble(self, error: BaseException | None) -> MailboxTrouble:
        """Sort what the operating system or TLS reports of the connection; None: it was closed on us."""
        match error:
            case ssl.SSLCertVerificationError():
                return NotTrusted(f"The certificate of {self.url} is not trusted: {_certificate(error, self.url)}")
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ssl.SSLSyscallError():
                return self.lost()
            case ssl.SSLError():
                return self._no_tls(error)
            case socket.gaierror():
                return Unreachable(_unknown_host(error, self.url))
            case TimeoutError():
                return Unreachable(
                    f"{self.url} does not answer within {TIMEOUT:.0f} seconds: check host and port, the network, and "
                    f"whether a firewall lets this port through{self._perhaps_tls()}."
                )
            case ConnectionRefusedError():
                return Unreachable(
                    f"{self.url} refuses the connection: no mail server listens there; check host and port, or try "
                    "again later."
                )
            case ConnectionError() | EOFError() | None:
                return self.lost()
            case OSError():
                return Unreachable(
                    f"{self.url} can't be reached: {_REASONS.get(error.errno or 0) or os_reason(error)}."
                )
            case _:
                return MailboxTrouble(f"{self.url} sends what this program does not understand; try again later.")

    def lost(self) -> MailboxTrouble:
        return MailboxTrouble(
            f"The connection to {self.url} was lost: nothing is lost with it, the next run tries again."
        )

    def no_encryption(self) -> NotTrusted:
        """It doesn't offer STARTTLS (or STLS)."""
        scheme = self.url.scheme
        return NotTrusted(
            f"{self.url} offers no encryption, so no password is sent to it: use {scheme}s://, or for a server in your "
            f"own network {scheme}://{self.url.host}?encryption=none."
        )

    def refused_login(self, user: str, text: bytes | str | None, *, by_token: bool) -> LoginRefused:
        said = self.quote(text)
        if by_token:
            return TokenRefused(
                f"{self.url} refuses the sign-in of {cut(user)} by OAuth2: sign in again with 'replicator account set'."
                f"{said}"
            )
        return LoginRefused(
            f"{self.url} refuses the user or password of {cut(user)}: give the right ones with 'replicator account "
            f"set'; some providers want an app password, or the protocol switched on in their settings.{said}"
        )

    def no_way_to_log_in(self, offered: Iterable[str], *, by_token: bool) -> LoginRefused:
        """None of the mechanisms that it offers is one of ours."""
        names = cut(" ".join(sorted(offered))) or "none"
        if by_token:
            return LoginRefused(
                f"{self.url} offers no login by OAuth2: set auth to password with 'replicator account set'. "
                f"It offers: {names}."
            )
        return LoginRefused(
            f"{self.url} offers no login by password that this program knows: use another server, or OAuth2 where the "
            f"provider has it. It offers: {names}."
        )

    def _perhaps_tls(self) -> str:
        """A server that waits for us to begin TLS is silent, too."""
        return "" if self.url.encryption is Encryption.TLS else f"; or it is a port for {self.url.scheme}s://"

    def _no_tls(self, error: ssl.SSLError) -> MailboxTrouble:
        reason = error.reason or ""
        if reason in _NOT_TLS and self.url.encryption is Encryption.TLS:
            return Unreachable(
                f"{self.url} does not speak TLS: check the port, or use {self.url.scheme[:-1]}://, which begins with "
                "STARTTLS."
            )
        if reason in _OLD_TLS:
            return NotTrusted(f"{self.url} speaks only old versions of TLS, which are not safe: use another server.")
        return NotTrusted(
            f"No encrypted connection to {self.url} can be made ({cut(reason) or 'TLS failed'}): check host and port, "
            "and whether something on the way breaks encrypted connections open."
        )


def cut(text: str, secrets: Iterable[str] = ()) -> str:
    """On one line, printable, without `secrets`, at most QUOTED characters."""
    # Twice: what was hidden by other signs may appear when those are taken out.
    words = " ".join(_without(text, secrets).replace('"', "'").split())
    shown = _without("".join(sign for sign in words if sign.isprintable()), secrets)
    return shown if len(shown) <= QUOTED else shown[: QUOTED - 1] + "…"


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
    return text


def _decoded(text: bytes | str | None) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text or ""


_NOT_TLS = frozenset(["WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"])
_OLD_TLS = frozenset(
    ["UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW"]
)
"""OpenSSL's names for its error numbers."""

_REASONS = {
    errno.EHOSTUNREACH: "there is no way to this host; check the network connection",
    errno.ENETUNREACH: "there is no network; check the network connection",
    errno.ENETDOWN: "the network is down; check the network connection",
    errno.EADDRNOTAVAIL: "this computer has no address to speak from; check the network connection",
    errno.EACCES: "a firewall on this computer forbids it; allow this program to connect",
    errno.EPERM: "a firewall on this computer forbids it; allow this program to connect",
}


def _unknown_host(error: socket.gaierror, url: ServerUrl) -> str:
    if error.errno == socket.EAI_AGAIN:
        return f"The name {url.host} can't be looked up: check the network connection, or try again later."
    return f"The host {url.host} is unknown: check its spelling in the URL, and the network connection."


_OWN_CA = (
    "if it is a server of your own, give the certificate of its authority with '--ca FILE' or in SSL_CERT_FILE, "
    "else someone may be posing as the server"
)
_CERTIFICATES = {
    9: "it is not valid yet; check this computer's clock",
    10: "it has expired; check this computer's clock, or ask the provider to renew it",
    18: f"it is signed by itself; {_OWN_CA}",
    19: f"its authority is unknown here; {_OWN_CA}",
    20: f"its authority is unknown here; {_OWN_CA}",
    21: f"its authority is unknown here; {_OWN_CA}",
    23: "it was revoked; ask the provider",
}
"""By OpenSSL's numbers (X509_V_ERR_…)."""


def _certificate(error: ssl.SSLCertVerificationError, url: ServerUrl) -> str:
    number = getattr(error, "verify_code", 0)
    if number in (62, 64):
        return f"it is not for {url.host}; use the host name that the provider gives, or someone is posing as it."
    if number in _CERTIFICATES:
        return f"{_CERTIFICATES[number]}."
    return f"{cut(getattr(error, 'verify_message', '') or 'it can not be verified')}; ask the provider."
