"""`MailFarm`: a real Postfix and a real Dovecot with mailboxes of their own, on ports of 127.0.0.1. Needs root.

Several farms may run at once, also in several test processes: folder, ports and instance names are each farm's own.
One starts in about two seconds and leaves nothing behind, however the test process ends (see guardian.py). The traps of
the two servers are told in dovecot.py and postfix.py.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import dovecot, postfix
from tests.servers.certificates import Certificates
from tests.servers.mailboxes import Mailboxes
from tests.servers.ports import PortBlock, is_free
from tests.servers.processes import Guardian, Server, wait_until
from tests.servers.recipient_policy import RecipientPolicy
from tests.servers.token_server import TokenServer

USERS = ("server", "remote1", "remote2", "remote3", "remote4")
SMALL_QUOTA_USER = "remote4"
SMALL_QUOTA = 500_000
"""Bytes that the mailbox of SMALL_QUOTA_USER holds, unless a farm is told otherwise."""
PREFIX_USER = "remote2"
"""One whose folders all stand below the inbox: their names begin with dovecot.PREFIX."""
ODD_PASSWORD_USER = "remote3"
"""One whose password isn't ASCII, and holds what protocols and configuration files quote."""

PORTS = (
    "smtp",
    "smtps",
    "small",
    "silent",
    "outside",
    "imap",
    "imaps",
    "pop3",
    "pop3s",
    "lmtp",
    "login",
    "quota_status",
    "recipient_policy",
)
"""For clients: smtp, smtps, imap, imaps, pop3, pop3s. `small` is smtp that takes mails of postfix.SMALL_LIMIT bytes,
`silent` another one that does not say so at EHLO, `outside` is for strangers' mail, without log-in."""

_QUEUES = ("maildrop", "incoming", "active", "deferred")
"""In the order in which a mail goes through them: looked at in this order, none is missed."""

_PRIVATE = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "private",
    "saved",
    "trace",
)
_QUEUE_FOLDERS = (
    *((name, 0o700, "root") for name in _PRIVATE),
    ("maildrop", 0o730, "postdrop"),
    ("public", 0o710, "postdrop"),
)
"""Name, mode and group, as Postfix wants them (its file postfix-files)."""


class MailFarm:
    """Started when made; close it, or use it as a context. `size_limit` is in bytes, as is `small_quota`, that of
    SMALL_QUOTA_USER; `message_rate` mails in postfix.RATE_SECONDS is what one client may send (0: any number)."""

    def __init__(
        self,
        *,
        size_limit: int = 25 * 1024 * 1024,
        quota: str = "1G",
        small_quota: int = SMALL_QUOTA,
        message_rate: int = 0,
    ) -> None:
        self._small_quota = small_quota
        # Not below pytest's tmp_path, which is 0700: the users of both servers must get through. And a short path:
        # sockets stand below it, whose paths may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="farm-", dir="/var/tmp"))
        self._guardian = Guardian(self.folder)
        self._block = PortBlock()
        self.port: dict[str, int] = dict(zip(PORTS, self._block, strict=False))
        self._policy: RecipientPolicy | None = None
        self._tokens: TokenServer | None = None
        settings = self.folder / "postfix"
        self.dovecot = Server(
            ["/usr/sbin/dovecot", "-F", "-c", f"{self.folder}/dovecot.conf"], self.folder / "dovecot.output"
        )
        self.postfix = Server(
            ["/usr/lib/postfix/sbin/master", "-d", "-c", str(settings)],
            self.folder / "postfix.output",
            {"MAIL_CONFIG": str(settings)},
        )
        try:
            self._write(size_limit, quota, message_rate)
            self.start_dovecot()
            self.start_postfix()
        except BaseException:
            self.close()
            raise

    # --- what a client needs ------------------------------------------------------------------------------------

    def address(self, user: str) -> str:
        return f"{user}@{postfix.DOMAIN}"

    def password(self, user: str) -> str:
        return f"S3cret-{user}" if user != ODD_PASSWORD_USER else 'Grüße "%u" \\ S3cret'

    @property
    def authority(self) -> Path:
        """PEM file of the certificate authority that the servers' certificate is from."""
        return self.certificates.authority

    def url(self, kind: str, user: str, *, port: int | None = None, options: str = "") -> str:
        """Of one of PORTS, for `user`; `port` is that of a proxy before it, `options` such as '?encryption=none'."""
        scheme = "smtp" if kind in ("small", "silent") else kind
        return f"{scheme}://{self.address(user).replace('@', '%40')}@localhost:{port or self.port[kind]}{options}"

    # --- the course of mail -------------------------------------------------------------------------------------

    @property
    def policy(self) -> RecipientPolicy:
        """Set its `answer` to object to recipients."""
        assert self._policy is not None
        return self._policy

    @property
    def tokens(self) -> TokenServer:
        assert self._tokens is not None
        return self._tokens

    def settle(self) -> None:
        """Wait until all mail is where it belongs: Postfix takes it first and delivers it then."""
        wait_until(lambda: not self.queued(), "Postfix's queue is empty")

    def queued(self) -> int:
        """Mails that Postfix has taken and not delivered."""
        return sum(
            1
            for queue in _QUEUES
            for file in (self.folder / "queue" / queue).rglob("*")
            if not file.is_dir() and _is_whole(file)
        )

    def reset(self) -> None:
        """As new: both servers run, nobody objects, no mail is under way or in a mailbox."""
        self.policy.answer = None
        for script in (self.folder / "sieve").iterdir():
            script.unlink()
        if not self.dovecot.is_running:
            self.start_dovecot()
        if not self.postfix.is_running:
            self.start_postfix()
        self.settle()
        for user in USERS:
            self.mailboxes.remove_all(user)

    def sieve(self, user: str, script: str) -> None:
        """What Dovecot does with the mails that come to this user, until `reset`."""
        file = self.folder / "sieve" / f"{user}.sieve"
        file.write_text(script)
        shutil.chown(file, dovecot.MAIL_USER)

    # --- the servers --------------------------------------------------------------------------------------------

    def start_dovecot(self) -> None:
        """Also after `dovecot.kill()` or `dovecot.stop()`, on the same ports."""
        self._await_free("imap", "imaps", "pop3", "pop3s", "lmtp", "login", "quota_status")
        self.dovecot.start()
        for kind in ("login", "imap", "pop3", "lmtp"):
            self.dovecot.await_port(self.port[kind])

    def start_postfix(self) -> None:
        """The same for `postfix`. The master is started itself, in the foreground: `postfix start` would detach it."""
        self._await_free("smtp", "smtps", "small", "silent", "outside")
        self.postfix.start()
        self.postfix.await_port(self.port["smtp"])

    def _await_free(self, *kinds: str) -> None:
        """What a killed master had started may hold a port for a moment longer."""
        wait_until(lambda: all(is_free(self.port[kind]) for kind in kinds), f"{', '.join(kinds)} are free")

    def close(self) -> None:
        """May be repeated."""
        for server in (self.postfix, self.dovecot):
            server.kill()
        for helper in (self._policy, self._tokens):
            if helper is not None:
                helper.close()
        self._guardian.close()
        self._block.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- setting up ---------------------------------------------------------------------------------------------

    def _write(self, size_limit: int, quota: str, message_rate: int) -> None:
        folder = self.folder
        folder.chmod(0o755)
        self.certificates = Certificates(folder)
        self.mailboxes = Mailboxes(folder / "mail")
        self._policy = RecipientPolicy(self.port["recipient_policy"])
        self._tokens = TokenServer(self.certificates.chain, self.certificates.key)
        settings = folder / "postfix"
        for name in ("dovecot-run", "dovecot-state", "postfix", "postfix-data", "queue", "sieve"):
            (folder / name).mkdir()
        shutil.chown(folder / "postfix-data", "postfix")
        shutil.chown(folder / "sieve", dovecot.MAIL_USER)
        self._write_secret("passwords", dovecot.password_file(self._passwords(), self._quotas(), {PREFIX_USER}))
        self._write_secret(
            "oauth2.conf.ext", dovecot.token_check(self.tokens.introspection_url, self.certificates.authority)
        )
        (folder / "dovecot.conf").write_text(dovecot.configuration(folder, self.port, quota))
        (settings / "main.cf").write_text(
            postfix.main_configuration(folder, self.port, USERS, size_limit, message_rate)
        )
        (settings / "master.cf").write_text(postfix.service_configuration(self.port))
        self._make_queue(folder / "queue")

    def _make_queue(self, queue: Path) -> None:
        """What `postfix check` would make, too, but in two seconds."""
        for name, mode, group in _QUEUE_FOLDERS:
            (queue / name).mkdir()
            (queue / name).chmod(mode)
            shutil.chown(queue / name, "postfix", group)
        (queue / "pid").mkdir()

    def _write_secret(self, name: str, text: str) -> None:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o640)
        shutil.chown(file, group="dovecot")

    def _passwords(self) -> Mapping[str, str]:
        return {user: self.password(user) for user in USERS}

    def _quotas(self) -> Mapping[str, str]:
        return {SMALL_QUOTA_USER: f"{self._small_quota}B"}


def _is_whole(file: Path) -> bool:
    """Postfix makes a queue file executable when it is finished. What a crash left half-written stays for hours."""
    try:
        return bool(file.stat().st_mode & stat.S_IXUSR)
    except FileNotFoundError:
        return False
