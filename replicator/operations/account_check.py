"""`account test`: a mail to ourselves and back, and what the servers say on the way, finding by finding."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from threading import Event

from replicator.config import MailAccess
from replicator.errors import LoginRefused, ReplicatorError
from replicator.operations import account_login
from replicator.operations.account_login import AccountServer
from replicator.runtime import Runtime
from replicator.store.home import Home
from replicator.transport import Mail, Mailbox, mime, probing, tls
from replicator.transport.origin import ACCOUNT_TEST
from replicator.transport.providers import provider_of

LARGEST = 100_000
"""Bytes of a mail that is looked into; the test mail has some thousand."""
PATIENCE = 120
"""Seconds that the mail may take to come back."""
EXPIRES_SOON = 14
"""Days."""
_PAUSE = 2.0

SENDING, FETCHING, ROUND_TRIP = "sending", "fetching", "round trip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the test. `good`: True works, False does not, None is only worth knowing."""

    part: str
    """sending, fetching or round trip."""
    good: bool | None
    sentence: str
    mailbox: str = ""
    """Of a further mailbox; empty: the account's own."""


def check_account(
    home: Home,
    runtime: Runtime,
    tell: Callable[[Finding], None],
    *,
    patience: float = PATIENCE,
    name: str | None = None,
) -> bool:
    """Try the account from the servers' names to a mail that comes back; `tell` hears each finding as it comes.

    All mailboxes that are switched on, one after the other, or the one of this `name` ('': the account's own). Gives
    whether all works. What goes wrong with a mailbox is a finding and no error. Takes no lock: a run may go on
    meanwhile. Raises ConfigurationError (no node here, a file that can't be used), UnknownName, StorageTrouble.
    """
    configuration = home.load_configuration()
    if name is None:
        accounts = [account for account in configuration.accounts if account.enabled or not account.name]
    else:
        accounts = [configuration.account_of(name)]
    works = True
    for account in accounts:
        check = _Check(account, home, runtime, tell)
        if check.servers():
            check.round_trip(patience)
        works = works and check.works
    return works


@dataclass
class _Check:
    account: MailAccess
    home: Home
    runtime: Runtime
    tell: Callable[[Finding], None]
    works: bool = True

    def servers(self) -> bool:
        """Look at each server; whether a mail may be tried."""
        fetch, send = account_login.fetch_server(self.account), account_login.send_server(self.account)
        if fetch is None and send is None:
            return True
        context = tls.context(self.account.ca)
        for part, server in ((SENDING, send), (FETCHING, fetch)):
            if server is not None:
                self._collect(part, self._server(part, server, context))
        return self.works

    def round_trip(self, patience: float) -> None:
        if not self.account.sends:
            self._say(Finding(ROUND_TRIP, None, "no mail is sent by this mailbox: it is only fetched from"))
            return
        self._collect(ROUND_TRIP, self._round_trip(patience))

    def _collect(self, part: str, findings: Iterator[Finding]) -> None:
        """Tell them one by one; an error is the last one."""
        try:
            for finding in findings:
                self._say(finding)
        except ReplicatorError as error:
            self._say(Finding(part, False, str(error)))
            provider = provider_of(self.account.address)
            if isinstance(error, LoginRefused) and provider is not None:
                self._say(Finding(part, None, f"{provider.title}: {provider.hint}"))

    def _say(self, finding: Finding) -> None:
        self.works = self.works and finding.good is not False
        self.tell(replace(finding, mailbox=self.account.name))

    # --- a server -------------------------------------------------------------------------------------------------

    def _server(self, part: str, server: AccountServer, context: ssl.SSLContext) -> Iterator[Finding]:
        yield Finding(part, True, f"{server.url.host} is {', '.join(probing.resolve(server.url))}")
        yield from self._encryption(part, server, context)
        login = account_login.login_of(self.account, server, self.home)
        if part == SENDING:
            limit = probing.size_limit(server.url, login, context, self.runtime)
            yield Finding(part, True, f"logged in as {server.user}")
            if limit is not None:
                yield Finding(part, True, f"mails of up to {limit / 1_000_000:.1f} MB can be sent")
            return
        facts = probing.mailbox_facts(server.url, login, context)
        yield Finding(part, True, f"logged in as {server.user}; mails in the inbox: {facts.mails}")
        if server.url.scheme.startswith("imap"):
            junk = f"looked into, too: {facts.junk}" if facts.junk else "there is none"
            yield Finding(part, None, f"folder for junk: {junk}")
            idle = "yes, runs with --every begin when mail comes" if facts.idle else "no, runs come by the clock"
            yield Finding(part, None, f"tells of new mail at once (IDLE): {idle}")
        else:
            yield Finding(part, None, "POP3 has no folders: mail that the provider takes for junk is not found")

    def _encryption(self, part: str, server: AccountServer, context: ssl.SSLContext) -> Iterator[Finding]:
        found = probing.handshake(server.url, context)
        if found is None:
            yield Finding(part, None, server.url.warning or f"{server.url} is not encrypted")
            return
        version, certificate = found
        yield Finding(
            part,
            True,
            f"{server.url} speaks {version}; certificate of {certificate.owner}, by {certificate.issuer}, "
            f"until {certificate.expires:%Y-%m-%d}",
        )
        days = (certificate.expires.timestamp() - self.runtime.now() / 1_000_000) / 86_400
        if days < EXPIRES_SOON:
            yield Finding(part, None, f"the certificate expires in {days:.0f} days: the provider should renew it")

    # --- a mail ---------------------------------------------------------------------------------------------------

    def _round_trip(self, patience: float) -> Iterator[Finding]:
        address = self.account.address
        payload = ACCOUNT_TEST + self.runtime.random(16)
        with account_login.open_account(self.account, self.home, self.runtime) as mailbox:
            # What lies there already needs not be looked into.
            known = frozenset(fetched.hint for fetched in mailbox.fetch(largest=0))
            mailbox.close()
            began = self.runtime.now()
            mailbox.send(self._mail(payload))
            yield Finding(ROUND_TRIP, True, f"a mail to {address} was taken")
            while True:
                came = _fetch_and_delete(mailbox, payload, known)
                seconds = (self.runtime.now() - began) / 1_000_000
                if came:
                    yield Finding(ROUND_TRIP, True, f"it came back after {seconds:.1f} s, whole, and was deleted")
                    return
                if seconds >= patience:
                    break
                mailbox.wait(min(_PAUSE, patience), Event())
        yield Finding(
            ROUND_TRIP,
            False,
            f"it did not come back within {patience:.0f} seconds: look for it in the mailbox and in its folder for "
            f"junk, and whether {address} is this mailbox's address",
        )

    def _mail(self, payload: bytes) -> Mail:
        address = self.account.address
        return Mail(
            sender=address,
            recipient=address,
            subject="Replicator: test of this mail account",
            sentence="This mail tests the account of a replicator: it is fetched and deleted by the same program.",
            payloads=(payload,),
            message_id=mime.new_message_id(self.runtime, address),
            date=self.runtime.now(),
        )


def _fetch_and_delete(mailbox: Mailbox, payload: bytes, known: frozenset[str]) -> bool:
    """Whether the mail was there. It is deleted, and so are test mails that were left behind by earlier tests."""
    found = False
    for fetched in mailbox.fetch(largest=LARGEST, skip=known):
        payloads = mime.extract(fetched.raw, ACCOUNT_TEST).payloads if fetched.raw is not None else ()
        if payloads:
            found = found or payload in payloads
            mailbox.delete([fetched.id])
    mailbox.close()  # with which POP3 deletes
    return found
