"""The table of providers: what is found by an address, and that every URL of it can be used."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from replicator.config import make
from replicator.transport.providers import PROVIDERS, Provider, provider_named, provider_of


@pytest.mark.parametrize(
    ("address", "mailbox", "send"),
    [
        ("a@gmx.de", "imaps://imap.gmx.net", "smtps://mail.gmx.net"),
        ("Max.M@WEB.de", "imaps://Max.M@imap.web.de", "smtps://Max.M@smtp.web.de"),
        ("m/x+1@web.de", "imaps://m%2Fx%2B1@imap.web.de", "smtps://m%2Fx%2B1@smtp.web.de"),
        ("a@posteo.net", "imaps://posteo.de", "smtps://posteo.de"),
        ("a@googlemail.com", "imaps://imap.gmail.com", "smtps://smtp.gmail.com"),
        ("a@ours.onmicrosoft.com", "imaps://outlook.office365.com", "smtp://smtp.office365.com"),
        ("a@fastmail.com", "imaps://imap.fastmail.com", "smtps://smtp.fastmail.com"),
    ],
)
def test_an_address_tells_the_servers(address: str, mailbox: str, send: str) -> None:
    provider = provider_of(address)
    assert provider is not None
    assert (provider.fetch_url(address), provider.send_url(address)) == (mailbox, send)
    assert provider.fetch_url(address, "pop3").startswith("pop3s://")


@pytest.mark.parametrize(
    "address", ["a@example.com", "a@notgmail.com", "a@web.de.example.com", "a@onmicrosoft.com.evil.test", "a@my.gmx.de"]
)
def test_other_domains_are_nobodys(address: str) -> None:
    assert provider_of(address) is None


def test_the_table_has_all_of_them() -> None:
    wanted = {"GMX", "WEB.DE", "IONOS", "STRATO", "Posteo", "Gmail", "Microsoft 365", "Fastmail"}
    assert {provider.title for provider in PROVIDERS} == wanted


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_every_line_of_the_table_can_be_used(provider: Provider) -> None:
    assert provider_named(provider.name.upper()) is provider
    for protocol, scheme in (("imap", "imaps"), ("pop3", "pop3s")):
        mailbox, send = provider.fetch_url("a.b@example.com", protocol), provider.send_url("a.b@example.com")  # type: ignore[arg-type]
        account = {"address": "a.b@example.com", "mailbox": mailbox, "send": send, "auth": provider.auth}
        account |= {"oauth_client_id": "x"} if provider.auth == "oauth2" else {}
        content = {"role": "host", "name": "x", "database": "sqlite:////a", "SERVER": account}
        assert make(content).account.mailbox == mailbox
        assert urlsplit(mailbox).scheme == scheme
        # Nothing goes without TLS: of the schemes without s only smtp, which the transport holds to STARTTLS.
        assert urlsplit(send).scheme == ("smtp" if provider.name == "microsoft365" else "smtps")
    assert provider.hint.endswith(".")
    assert "\n" not in provider.hint
    assert provider.mail_bytes is None or 10_000_000 <= provider.mail_bytes <= 200_000_000


def test_no_domain_stands_twice() -> None:
    domains = [domain for provider in PROVIDERS for domain in provider.domains]
    assert len(domains) == len(set(domains))
