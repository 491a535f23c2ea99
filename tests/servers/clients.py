"""The standard library's clients, logged in: what a test uses where our own transports are not the matter."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers.farm import MailFarm


def trusting(farm: MailFarm) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(farm.authority))


@contextmanager
def smtp(farm: MailFarm, user: str = "server", kind: str = "smtp") -> Iterator[smtplib.SMTP]:
    """By STARTTLS; `kind` is one of farm.PORTS."""
    with smtplib.SMTP("localhost", farm.port[kind]) as client:
        client.starttls(context=trusting(farm))
        client.login(farm.address(user), farm.password(user))
        yield client


@contextmanager
def pop3(farm: MailFarm, user: str = "remote1") -> Iterator[poplib.POP3]:
    """By implicit TLS."""
    client = poplib.POP3_SSL("localhost", farm.port["pop3s"], context=trusting(farm))
    client.user(farm.address(user))
    client.pass_(farm.password(user))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def imap(farm: MailFarm, user: str = "remote1") -> Iterator[imaplib.IMAP4]:
    """By implicit TLS, with INBOX selected."""
    with imaplib.IMAP4_SSL("localhost", farm.port["imaps"], ssl_context=trusting(farm)) as client:
        client.login(farm.address(user), farm.password(user))
        client.select()
        yield client
