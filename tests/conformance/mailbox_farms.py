"""The mailboxes that test_mailbox.py runs against: a folder, and real servers in all the ways to speak with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from replicator.runtime import Runtime
from replicator.transport import Mail, Mailbox, open_mailbox
from replicator.transport.deferred import DeferredMailbox
from replicator.transport.folder import FolderMailbox
from replicator.transport.folder_files import directory_name
from replicator.transport.login import Login, PasswordLogin
from tests.servers.farm import MailFarm
from tests.servers.postfix import SMALL_LIMIT

SIZE_LIMIT = SMALL_LIMIT
"""Bytes that a small mailbox takes."""


class Farm(ABC):
    """Mailboxes of one kind, and a way around our code to what lies in them."""

    @abstractmethod
    def open(self, address: str, runtime: Runtime | None = None) -> Mailbox: ...

    @abstractmethod
    def open_small(self, address: str) -> Mailbox:
        """One that takes no mail larger than SIZE_LIMIT."""

    @abstractmethod
    def put(self, address: str, raw: bytes) -> None:
        """Somebody else's mail arrives."""

    @abstractmethod
    def contents(self, address: str) -> list[bytes]:
        """What lies there, oldest first."""

    @abstractmethod
    def contents_of_folder(self, address: str, folder: str) -> list[bytes]:
        """What lies in another folder of the mailbox, '/' between levels, in the order in which it came."""

    @abstractmethod
    def remove_all(self, address: str) -> None:
        """Somebody else empties the mailbox."""


class FolderFarm(Farm):
    def __init__(self, path: Path) -> None:
        self.path = path / "mail"
        self.number = count()

    def open(self, address: str, runtime: Runtime | None = None) -> Mailbox:
        return open_mailbox(f"folder:{self.path}", address, runtime or Runtime())

    def open_small(self, address: str) -> Mailbox:
        return FolderMailbox(self.path, address, Runtime(), size_limit=SIZE_LIMIT)

    def new(self, address: str) -> Path:
        return self.path / directory_name(address) / "new"

    def put(self, address: str, raw: bytes) -> None:
        (self.new(address) / f"foreign-{next(self.number):04d}").write_bytes(raw)

    def contents(self, address: str) -> list[bytes]:
        return [file.read_bytes() for file in sorted(self.new(address).iterdir())]

    def contents_of_folder(self, address: str, folder: str) -> list[bytes]:
        return [file.read_bytes() for file in sorted((self.new(address).parent / folder).iterdir())]

    def remove_all(self, address: str) -> None:
        for file in self.new(address).iterdir():
            file.unlink()


@dataclass
class TokenLogin:
    """Logs in by XOAUTH2, with a token for each connection."""

    servers: MailFarm
    user: str

    def password(self) -> str:
        raise AssertionError("there is a token")

    def token(self) -> str:
        return self.servers.tokens.issue(self.user)

    def renew(self) -> None:
        """It is a new one in any case."""


class ServerFarm(Farm):
    """By the servers of a `MailFarm`. `sends` and `fetches` are two of its ports' names."""

    def __init__(self, servers: MailFarm, sends: str, fetches: str, *, by_token: bool = False) -> None:
        self.servers = servers
        self.sends = sends
        self.fetches = fetches
        self.by_token = by_token

    def open(self, address: str, runtime: Runtime | None = None) -> Mailbox:
        return self._open(address, runtime or Runtime(), self.sends)

    def open_small(self, address: str) -> Mailbox:
        return self._open(address, Runtime(), "small")

    def put(self, address: str, raw: bytes) -> None:
        self.servers.mailboxes.put(_user(address), raw)

    def contents(self, address: str) -> list[bytes]:
        return self.servers.mailboxes.contents(_user(address))

    def contents_of_folder(self, address: str, folder: str) -> list[bytes]:
        return self.servers.mailboxes.contents(_user(address), folder.replace("/", "."))

    def remove_all(self, address: str) -> None:
        self.servers.mailboxes.remove_all(_user(address))

    def _open(self, address: str, runtime: Runtime, sends: str) -> Mailbox:
        user = _user(address)
        mailbox = open_mailbox(
            self.servers.url(self.fetches, user),
            address,
            runtime,
            send=self.servers.url(sends, user),
            login=self._login(user),
            ca=str(self.servers.authority),
        )
        return DeliveredMailbox(mailbox, self.servers)

    def _login(self, user: str) -> Login:
        if self.by_token:
            return TokenLogin(self.servers, self.servers.address(user))
        return PasswordLogin(self.servers.address(user), lambda: self.servers.password(user))


class DeliveredMailbox(DeferredMailbox):
    """Waits for what it has sent to arrive: a server answers when it has taken a mail, and delivers it then."""

    def __init__(self, mailbox: Mailbox, servers: MailFarm) -> None:
        super().__init__(mailbox.address, lambda: mailbox)
        self._servers = servers

    def send(self, mail: Mail) -> None:
        super().send(mail)
        self._servers.settle()


def _user(address: str) -> str:
    return address.lower().partition("@")[0]
