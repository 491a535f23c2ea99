"""Fixtures for tests that need mail servers: they are skipped, visibly, where the servers can't be had.

`REPLICATOR_REQUIRE=mail` (a list with commas) makes that a failure instead: where everything is installed on purpose,
as in CI, nothing may be left out unnoticed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.farm import MailFarm
from tests.servers.fault_proxy import FaultProxy

_DAEMONS = (
    "/usr/sbin/dovecot",
    "/usr/lib/postfix/sbin/master",
    "/usr/lib/dovecot/imap",
    "/usr/lib/dovecot/pop3",
    "/usr/lib/dovecot/lmtp",
    "/usr/lib/dovecot/quota-status",
)
PACKAGES = "postfix dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-sieve"


def missing() -> str | None:
    """What hinders a farm; None: nothing."""
    if absent := [each for each in _DAEMONS if not Path(each).exists()]:
        return f"mail servers are missing ({', '.join(absent)}); install {PACKAGES}"
    return "Postfix can be started by root only" if os.getuid() != 0 else None


def is_required(what: str) -> bool:
    return what in os.environ.get("REPLICATOR_REQUIRE", "").split(",")


@pytest.fixture(scope="session")
def mail_farm() -> Iterator[MailFarm]:
    """One farm for all tests of this process. A test that uses it takes `clean_mail_farm`, as a rule."""
    if reason := missing():
        (pytest.fail if is_required("mail") else pytest.skip)(reason)
    with MailFarm() as farm:
        yield farm


@pytest.fixture
def clean_mail_farm(mail_farm: MailFarm) -> MailFarm:
    """The farm as new: both servers run, nobody objects to a mail, and the mailboxes are empty."""
    mail_farm.reset()
    return mail_farm


@pytest.fixture
def fault_proxy() -> Iterator[Callable[[int], FaultProxy]]:
    """`fault_proxy(port)` stands before a port of 127.0.0.1 until the test ends."""
    made: list[FaultProxy] = []

    def before(port: int) -> FaultProxy:
        made.append(FaultProxy(port))
        return made[-1]

    yield before
    for proxy in made:
        proxy.close()
