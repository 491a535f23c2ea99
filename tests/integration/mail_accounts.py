"""Mail accounts at the test servers, opened as the program opens them, and what must hold for every error of theirs."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from replicator.errors import MailboxTrouble
from replicator.runtime import Runtime
from replicator.transport import Fetched, Mail, Mailbox, open_mailbox
from replicator.transport.login import Login, PasswordLogin
from replicator.transport.mime import extract, sentence_for_people
from tests.servers.farm import USERS, MailFarm

SENDS = ("smtp", "smtps")
FETCHES = ("pop3", "pop3s", "imap", "imaps")
MAGIC = b"\x93RPL"
TRUSTED = "the farm's authority"


def account(
    farm: MailFarm,
    user: str = "server",
    *,
    sends: str = "smtps",
    fetches: str = "pop3s",
    send_port: int | None = None,
    fetch_port: int | None = None,
    login: Login | None = None,
    ca: str | None = TRUSTED,
    runtime: Runtime | None = None,
) -> Mailbox:
    """`sends` and `fetches` are names of the farm's ports; the ports given are those of something that stands before
    them or in their place."""
    return open_mailbox(
        farm.url(fetches, user, port=fetch_port),
        farm.address(user),
        runtime or Runtime(),
        send=farm.url(sends, user, port=send_port),
        login=login or PasswordLogin(farm.address(user), lambda: farm.password(user)),
        ca=str(farm.authority) if ca == TRUSTED else ca,
    )


def mail(farm: MailFarm, number: int = 0, size: int = 0, *, sender: str = "server", to: str = "remote1") -> Mail:
    """One whose payload has `size` bytes and a little."""
    return Mail(
        sender=farm.address(sender),
        recipient=farm.address(to),
        subject=f"Replicator {number}",
        sentence=sentence_for_people("host", "Köln"),
        payloads=(payload(number, size),),
        message_id=f"<{number}@example.test>",
        date=1_700_000_000_000_000 + number,
    )


def payload(number: int = 0, size: int = 0) -> bytes:
    return MAGIC + number.to_bytes(4, "big") + bytes(range(256)) * (size // 256)


def payloads(mailbox: Mailbox) -> list[bytes]:
    return [found for fetched in mailbox.fetch() for found in ours(fetched)]


def ours(fetched: Fetched) -> tuple[bytes, ...]:
    """The payloads of a mail."""
    return extract(fetched.raw, MAGIC).payloads if fetched.raw else ()


def deliver(farm: MailFarm, numbers: int, size: int = 0) -> list[bytes]:
    """Mails to remote1, one after the other; their payloads."""
    with account(farm) as sender:
        for number in range(numbers):
            sender.send(mail(farm, number, size))
            farm.settle()
    return [payload(number, size) for number in range(numbers)]


def at(farm: MailFarm, kind: str, port: int | None = None, **options: Any) -> Mailbox:
    """An account whose server of this kind is the one at `port`."""
    if kind in SENDS:
        return account(farm, sends=kind, send_port=port, **options)
    return account(farm, fetches=kind, fetch_port=port, **options)


def use(farm: MailFarm, kind: str, mailbox: Mailbox) -> None:
    """So that it connects to its server of this kind."""
    if kind in SENDS:
        mailbox.send(mail(farm))
    else:
        list(mailbox.fetch())


def arrived(farm: MailFarm, user: str = "remote1") -> list[bytes]:
    """What lies in the mailbox once all is delivered."""
    farm.settle()
    with account(farm, user) as mailbox:
        return payloads(mailbox)


def certificate_of(farm: MailFarm) -> tuple[Path, Path]:
    """The good one, for a server of one's own."""
    return (farm.certificates.chain, farm.certificates.key)


@contextmanager
def told(farm: MailFarm, kind: type[MailboxTrouble], *secrets: str) -> Iterator[pytest.ExceptionInfo[MailboxTrouble]]:
    """What is raised within is of this `kind` and one sentence, and neither it nor its traceback tells a secret."""
    with pytest.raises(kind) as raised:
        yield raised
    sentence = str(raised.value)
    # What the server said may follow, in quotes.
    own, _, _ = sentence.partition(' The server says: "')
    assert len(own) > 20, sentence
    assert own[0].isupper() or "://" in own.split()[0], sentence
    assert own.endswith("."), sentence
    assert ". " not in own, sentence
    assert sentence.isprintable(), sentence
    for secret in (*secrets, *(farm.password(user) for user in USERS)):
        assert_untold(secret, raised.value)


def assert_untold(secret: str, error: BaseException) -> None:
    """Not in the error, nor in what it came from, nor in a traceback of all that; nor in base64, as it was sent."""
    shown = [*traceback.format_exception(error)]
    link: BaseException | None = error
    while link is not None:
        shown += [str(link), repr(link), *(repr(each) for each in link.args)]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    for form in (secret, *_in_base64(secret)):
        assert not any(form in text for text in shown)


def _in_base64(secret: str) -> Iterator[str]:
    """The signs that `secret` alone decides, wherever in a longer text it begins."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret.encode()).decode()
        yield whole[-(-before * 8 // 6) : (before + len(secret.encode())) * 8 // 6]
