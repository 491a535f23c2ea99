"""An IMAP server in this process, for what a real one can't be made to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fake_mail_servers import PASSWORD, USER, Talk, serving

from replicator.runtime import Runtime
from replicator.transport import tls
from replicator.transport.imap import ImapFetcher
from replicator.transport.login import PasswordLogin
from replicator.transport.urls import ServerUrl


@dataclass
class FakeImap:
    """An inbox of `mails` by UID. A mail that is a function is called with the talk when it is fetched."""

    mails: dict[int, bytes | Callable[[Talk], None]] = field(default_factory=dict)
    capabilities: str = "IMAP4rev1 AUTH=PLAIN UIDPLUS IDLE"
    validity: int = 7
    login_answer: str = "OK in"
    folders: tuple[str, ...] = ('(\\HasNoChildren) "/" INBOX',)
    namespace: str = '(("" "/")) NIL NIL'
    creates: str | None = None
    """Folders are made below this name only."""
    unmovable: set[int] = field(default_factory=set)
    moved: list[tuple[Any, str]] = field(default_factory=list)
    """(mail, folder in quotes) as it was moved or copied."""
    before: Callable[[Talk, str, str], bool] | None = None
    """Called with tag and command; True: it is answered."""
    deleted: set[int] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)
    connections: int = 0

    def __call__(self, talk: Talk) -> None:
        self.connections += 1
        talk.say(f"* OK [CAPABILITY {self.capabilities}] fake")
        while True:
            tag, _, line = talk.hear().partition(" ")
            self.heard.append(line)
            if self.before is None or not self.before(talk, tag, line):
                talk.say(f"{tag} {self._answer(talk, line)}")
            if line == "LOGOUT":
                return

    def _answer(self, talk: Talk, line: str) -> str:
        words = line.split(" ")
        match [word.upper() for word in words[:2]]:
            case ["CAPABILITY", *_]:
                talk.say(f"* CAPABILITY {self.capabilities}")
            case ["AUTHENTICATE", _]:
                talk.say("+ ")
                self.heard.append(talk.hear())
                return self.login_answer
            case ["LOGIN", _]:
                return f"{self.login_answer}"
            case ["SELECT", _]:
                talk.say(f"* {len(self.mails)} EXISTS", f"* OK [UIDVALIDITY {self.validity}] valid")
            case ["LIST", _]:
                talk.say(*(f"* LIST {folder}" for folder in self.folders))
            case ["UID", "FETCH"]:
                self._fetch(talk, words)
            case ["UID", "SEARCH"]:
                talk.say("* SEARCH " + " ".join(str(uid) for uid in self.mails))
            case ["UID", "STORE"]:
                self.deleted |= {int(uid) for uid in words[2].split(",")}
            case ["UID", "EXPUNGE"]:
                self._expunge({int(uid) for uid in words[2].split(",")})
            case ["UID", "MOVE" | "COPY"]:
                return self._move(words)
            case ["NAMESPACE"]:
                talk.say(f"* NAMESPACE {self.namespace}")
            case ["CREATE", _]:
                return self._create(line.partition(" ")[2])
            case ["EXPUNGE"]:
                self._expunge(self.deleted)
        return "OK done"

    def _fetch(self, talk: Talk, words: list[str]) -> None:
        for number, (uid, mail) in enumerate(list(self.mails.items()), 1):
            if words[2] not in ("1:*", str(uid)):
                continue
            if "RFC822.SIZE" in " ".join(words):
                talk.say(f"* {number} FETCH (UID {uid} RFC822.SIZE {100 if callable(mail) else len(mail)})")
            elif callable(mail):
                mail(talk)
            else:
                talk.say(f"* {number} FETCH (FLAGS (\\Recent))")
                talk.say_raw(f"* {number} FETCH (UID {uid} BODY[] {{{len(mail)}}}\r\n".encode() + mail + b")\r\n")

    def _create(self, quoted: str) -> str:
        if self.creates is not None and not quoted.startswith(f'"{self.creates}'):
            return "NO [CANNOT] not there"
        self.folders = (*self.folders, f"() {self.folders[0].split()[-2]} {quoted}")
        return "OK made"

    def _move(self, words: list[str]) -> str:
        uids = {int(uid) for uid in words[2].split(",")}
        if not any(folder.endswith(" ".join(words[3:])) for folder in self.folders):
            return "NO [TRYCREATE] no such folder"
        if uids & self.unmovable:
            return "NO [NOPERM] not this one"
        self.moved += [(mail, " ".join(words[3:])) for uid, mail in self.mails.items() if uid in uids]
        if words[1] == "MOVE":
            self._expunge(uids)
        return "OK done"

    def _expunge(self, uids: set[int]) -> None:
        for uid in uids:
            self.mails.pop(uid, None)
        self.deleted -= uids


@contextmanager
def fetcher(fake: FakeImap, options: str = "?encryption=none") -> Iterator[ImapFetcher]:
    with serving(fake) as port:
        url = ServerUrl.parse(f"imap://127.0.0.1:{port}{options}")
        made = ImapFetcher(url, PasswordLogin(USER, lambda: PASSWORD), tls.context(), Runtime())
        yield made
        made.close()


def mail(number: int) -> bytes:
    return f"Subject: {number}\r\n\r\n)\r\nx{{3}}\r\n".encode()
