"""What it costs to fetch 10,000 mails with small batches over POP3 and over IMAP, from a real server (Dovecot).

Ours is the mailbox as a run uses it: list, fetch, take the envelopes out, delete, log out. The baseline does the same
with poplib, or with the client in imap-tools, and leaves the mails as they are. Both use TLS, and both fetch one mail
at a time. Counted is this process alone; the server's work is the same for both.
"""

from __future__ import annotations

import os
import poplib
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from imap_tools.mailbox import MailBox

from bench.measuring import Figure, Size, cpu, figure_of
from replicator.protocol.envelope import MAGIC
from replicator.runtime import Runtime
from replicator.transport import Mail, open_mailbox
from replicator.transport.login import PasswordLogin
from replicator.transport.mime import compose, extract, sentence_for_people
from tests.servers.farm import MailFarm
from tests.servers.fixtures import missing

LIMIT = 3
USER = "remote1"
PAYLOAD_BYTES = 500
"""About what one changed row takes."""
AT_ONCE = 100
"""UIDs in one IMAP command."""


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:  # noqa: ARG001 - servers have theirs
    """No figures where the server is missing: then it says so."""
    if (reason := missing()) is not None:
        tell(f"fetching: left out, {reason}")
        return []
    pairs: dict[str, list[tuple[float, float]]] = {"pop3s": [], "imaps": []}
    bare = {"pop3s": _bare_pop3, "imaps": _bare_imap}
    with MailFarm() as farm:
        for repetition in range(size.repetitions):
            tell(f"fetching: repetition {repetition + 1} of {size.repetitions}")
            for kind, found in pairs.items():
                _fill(farm, size.fetched_mails)
                ours = cpu(partial(_ours, farm, kind, size.fetched_mails))
                _fill(farm, size.fetched_mails)
                found.append((ours, cpu(partial(bare[kind], farm, size.fetched_mails))))
    return [
        figure_of(f"fetching, {size.fetched_mails:,} mails by {kind.rstrip('s').upper()}: CPU", found, LIMIT, "s")
        for kind, found in pairs.items()
    ]


def _fill(farm: MailFarm, mails: int) -> None:
    for number in range(mails):
        payload = MAGIC + os.urandom(PAYLOAD_BYTES)
        sender, recipient, sentence = farm.address("server"), farm.address(USER), sentence_for_people("host", "Köln")
        mail = Mail(sender, recipient, "Replicator", sentence, (payload,), f"<{number}@example.test>", number)
        farm.mailboxes.put(USER, compose(mail))


def _ours(farm: MailFarm, kind: str, mails: int) -> None:
    login = PasswordLogin(farm.address(USER), lambda: farm.password(USER))
    with open_mailbox(
        farm.url(kind, USER),
        farm.address(USER),
        Runtime(),
        send=farm.url("smtps", USER),
        login=login,
        ca=str(farm.authority),
    ) as mailbox:
        done = [each.id for each in mailbox.fetch() if each.raw and extract(each.raw, MAGIC).payloads]
        mailbox.delete(done)
    _require(len(done), mails)


def _bare_pop3(farm: MailFarm, mails: int) -> None:
    client = poplib.POP3_SSL("localhost", farm.port["pop3s"], context=_context(farm))
    client.user(farm.address(USER))
    client.pass_(farm.password(USER))
    numbers = [line.split()[0].decode() for line in client.list()[1]]
    for number in numbers:
        client.retr(int(number))
        client.dele(int(number))
    client.quit()
    _require(len(numbers), mails)


def _bare_imap(farm: MailFarm, mails: int) -> None:
    box = MailBox("localhost", farm.port["imaps"], ssl_context=_context(farm))
    with box.login(farm.address(USER), farm.password(USER)) as mailbox:
        client, uids = mailbox.client, mailbox.uids()
        for uid in uids:
            client.uid("FETCH", uid, "(UID BODY.PEEK[])")
        for start in range(0, len(uids), AT_ONCE):
            chosen = ",".join(uids[start : start + AT_ONCE])
            client.uid("STORE", chosen, "+FLAGS.SILENT", r"(\Deleted)")
            client.uid("EXPUNGE", chosen)
    _require(len(uids), mails)


def _context(farm: MailFarm) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(farm.authority))


def _require(found: int, mails: int) -> None:
    if found != mails:
        raise RuntimeError(f"{found} mails were fetched, not {mails}")
