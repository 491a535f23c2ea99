"""Well-known mail providers: what an address alone tells about servers, user names and ways to log in.

Servers and user names are as the providers' own help and the configuration database that mail programs share have
them; sizes and rates as the providers publish them (None: nothing found; the server tells its size in EHLO anyway).
Pure data: whether it still holds is found out by `account test`, and docs/mail.md says what could be tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's servers; all with TLS from the first byte, but where `send` says smtp: STARTTLS."""

    name: str
    """As --provider takes it."""
    title: str
    domains: tuple[str, ...]
    """Of the addresses that are surely this provider's; a leading dot: all below it. Own domains are named by hand."""
    imap: str
    pop3: str
    """Hosts, on the ports 993 and 995."""
    send: str
    """Scheme and host, on the ports 465 (smtps) or 587 (smtp)."""
    hint: str
    """One sentence: what people must do there first."""
    user: Literal["address", "local part"] = "address"
    auth: Literal["password", "oauth2"] = "password"
    mail_bytes: int | None = None
    """Of one whole mail, as it is sent."""
    rate: str | None = None
    """How many mails one may send."""

    def fetch_url(self, address: str, protocol: Literal["imap", "pop3"] = "imap") -> str:
        """The URL to fetch by; it names the user only where that isn't the address."""
        host = self.imap if protocol == "imap" else self.pop3
        return f"{protocol}s://{self._user(address)}{host}"

    def send_url(self, address: str) -> str:
        scheme, _, host = self.send.partition("://")
        return f"{scheme}://{self._user(address)}{host}"

    def _user(self, address: str) -> str:
        return f"{quote(address.partition('@')[0], safe='')}@" if self.user == "local part" else ""


_SWITCH_ON = (
    "Fetching by programs has to be switched on first, in the settings of the mailbox on {}, under POP3/IMAP; "
    "with two-factor login it wants a password of its own for this program."
)

PROVIDERS = (
    Provider(
        name="gmx",
        title="GMX",
        domains=("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.eu", "gmx.biz", "gmx.org", "gmx.info"),
        imap="imap.gmx.net",
        pop3="pop.gmx.net",
        send="smtps://mail.gmx.net",
        hint=_SWITCH_ON.format("gmx.net"),
    ),
    Provider(
        name="web.de",
        title="WEB.DE",
        domains=("web.de",),
        imap="imap.web.de",
        pop3="pop3.web.de",
        send="smtps://smtp.web.de",
        user="local part",
        hint=_SWITCH_ON.format("web.de"),
    ),
    Provider(
        name="ionos",
        title="IONOS",
        domains=("online.de", "onlinehome.de"),
        imap="imap.ionos.de",
        pop3="pop.ionos.de",
        send="smtps://smtp.ionos.de",
        mail_bytes=100 * MEGABYTE,
        rate="50 mails an hour in the first week of a contract, 100 in the second, then 400, after a month 500 or more",
        hint="The password is the mailbox's own, as set in the control panel, not that of the customer's login.",
    ),
    Provider(
        name="strato",
        title="STRATO",
        domains=("strato.de", "rzone.de"),
        imap="imap.strato.de",
        pop3="pop3.strato.de",
        send="smtps://smtp.strato.de",
        hint="The password is the mailbox's own, as set in the customer's area, not that of the customer's login.",
    ),
    Provider(
        name="posteo",
        title="Posteo",
        domains=("posteo.de", "posteo.net", "posteo.org", "posteo.eu", "posteo.at", "posteo.ch", "posteo.com"),
        imap="posteo.de",
        pop3="posteo.de",
        send="smtps://posteo.de",
        hint='The "additional email account protection" in its settings shuts programs out: leave it off.',
    ),
    Provider(
        name="gmail",
        title="Gmail",
        domains=("gmail.com", "googlemail.com"),
        imap="imap.gmail.com",
        pop3="pop.gmail.com",
        send="smtps://smtp.gmail.com",
        mail_bytes=25 * MEGABYTE,
        rate="500 mails a day; 2,000 with Google Workspace",
        hint="Switch on two-step verification and make an app password in the Google account: no other one is taken.",
    ),
    Provider(
        name="microsoft365",
        title="Microsoft 365",
        domains=(".onmicrosoft.com", "office365.com"),
        imap="outlook.office365.com",
        pop3="outlook.office365.com",
        send="smtp://smtp.office365.com",
        auth="oauth2",
        mail_bytes=35 * MEGABYTE,
        rate="30 mails a minute, 10,000 recipients a day",
        hint="It takes OAuth2 only: register an application once, and give its id with --oauth-client-id.",
    ),
    Provider(
        name="fastmail",
        title="Fastmail",
        domains=("fastmail.com", "fastmail.fm", "messagingengine.com"),
        imap="imap.fastmail.com",
        pop3="pop.fastmail.com",
        send="smtps://smtp.fastmail.com",
        hint="Make an app password for IMAP, POP and SMTP in the settings: no other one is taken.",
    ),
)


def provider_of(address: str) -> Provider | None:
    """The provider that the address's domain belongs to; None for a domain of one's own."""
    domain = address.rpartition("@")[2].lower().rstrip(".")
    for provider in PROVIDERS:
        for known in provider.domains:
            if domain == known or (known.startswith(".") and domain.endswith(known)):
                return provider
    return None


def provider_named(name: str) -> Provider | None:
    return next((provider for provider in PROVIDERS if provider.name == name.lower()), None)
