"""Small servers in this process, for what a real one can't be made to do. Plain text, on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

USER, PASSWORD = "user@example.test", "pass-Word-4711"


class HangUp(Exception):
    """The server ends the connection."""


class Talk:
    """The server's side of one connection."""

    def __init__(self, handler: socketserver.StreamRequestHandler) -> None:
        self._handler = handler
        self._kept: list[bytes] | None = None

    def hear(self) -> str:
        """The client's next line; HangUp when it has gone."""
        line = self._handler.rfile.readline()
        if not line:
            raise HangUp
        return line.decode().rstrip("\r\n")

    def say(self, *lines: str | bytes) -> None:
        self.say_raw(b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines))

    def say_raw(self, content: bytes) -> None:
        if self._kept is not None:
            self._kept.append(content)
        else:
            self._handler.wfile.write(content)

    def begin(self) -> None:
        """What is said up to `end` goes out in one piece."""
        self._kept = []

    def end(self) -> None:
        kept, self._kept = self._kept or [], None
        self.say_raw(b"".join(kept))


@contextlib.contextmanager
def serving(talk: Callable[[Talk], None]) -> Iterator[int]:
    """A server that holds `talk` with each client, and its port."""

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with contextlib.suppress(HangUp, OSError):
                talk(Talk(self))
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


@dataclass
class FakeSmtp:
    """Takes every mail. `answers` by verb ('.' for the end of a content) are said instead; None hangs up. An answer is
    used once for each time it stands in the list."""

    answers: dict[str, list[str | None]] = field(default_factory=dict)
    features: tuple[str, ...] = ("SIZE 1000000", "AUTH PLAIN LOGIN XOAUTH2")
    heard: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    early: str | None = None
    """Said within the next content, and the connection ended; '' ends it without a word."""
    connections: int = 0

    def __call__(self, talk: Talk) -> None:
        self.connections += 1
        self._answer(talk, "GREETING", "220 fake")
        while True:
            line = talk.hear()
            self.heard.append(line)
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                names = ["fake", *self.features]
                talk.say(*(f"250-{name}" for name in names[:-1]), f"250 {names[-1]}")
            elif verb == "AUTH":
                self._log_in(talk, line)
            elif verb == "DATA":
                if self._answer(talk, "DATA", "354 go on").startswith("3"):
                    self._take(talk)
            else:
                self._answer(talk, verb, "221 bye" if verb == "QUIT" else "250 2.0.0 fine")

    def commands(self) -> list[str]:
        """What was heard in lower case: Python's versions differ in this."""
        return [line.lower() for line in self.heard]

    def _log_in(self, talk: Talk, line: str) -> None:
        if line.startswith("AUTH LOGIN"):
            talk.say("334 UGFzc3dvcmQ6")
            self.heard.append(talk.hear())
        if self._answer(talk, "AUTH", "235 2.7.0 welcome").startswith("334"):
            self.heard.append(talk.hear())
            talk.say("535 5.7.8 no")

    def _take(self, talk: Talk) -> None:
        lines: list[str] = []
        if self.early is not None:
            talk.hear()
            answer, self.early = self.early, None
            if answer:
                talk.say(answer)
            raise HangUp
        while (line := talk.hear()) != ".":
            lines.append(line)
        self.contents.append("\r\n".join(lines).encode())
        self._answer(talk, ".", "250 2.0.0 taken")

    def _answer(self, talk: Talk, verb: str, usual: str) -> str:
        planned = self.answers.get(verb)
        answer = planned.pop(0) if planned else usual
        if answer is None:
            raise HangUp
        talk.say(answer)
        return answer


@dataclass
class FakePop3:
    """Holds `mails`. A mail that is a function is called with the talk in place of the answer to RETR."""

    mails: list[Any] = field(default_factory=list)
    has_uidl: bool = True
    has_capa: bool = True
    sasl: str = "PLAIN"
    listing: list[str] | None = None
    """What LIST says instead."""
    prefix: str = "uid"
    """UIDL's: another one stands for a server that has numbered its mails anew."""
    heard: list[str] = field(default_factory=list)
    before: Callable[[Talk, str], bool] | None = None
    """Called with each command; True: it is answered."""
    connections: int = 0

    def __call__(self, talk: Talk) -> None:
        self.connections += 1
        names = {number: self._name(mail) for number, mail in enumerate(self.mails, 1)}
        by_number = dict(enumerate(self.mails, 1))
        doomed: set[int] = set()
        talk.say("+OK fake")
        while True:
            line = talk.hear()
            self.heard.append(line)
            if self.before is not None and self.before(talk, line):
                continue
            verb, _, argument = line.partition(" ")
            match verb:
                case "CAPA" if self.has_capa:
                    talk.say("+OK", f"SASL {self.sasl}" if self.sasl else "TOP", "UIDL", ".")
                case "AUTH":
                    talk.say("+ ")
                    self.heard.append(talk.hear())
                    talk.say("+OK")
                case "USER" | "PASS":
                    talk.say("+OK")
                case "LIST":
                    sizes = self.listing or [f"{number} {self._size(mail)}" for number, mail in by_number.items()]
                    talk.say("+OK", *sizes, ".")
                case "UIDL" if self.has_uidl:
                    talk.say("+OK", *(f"{number} {self.prefix}{name}" for number, name in names.items()), ".")
                case "RETR":
                    mail = by_number[int(argument)]
                    if callable(mail):
                        mail(talk)
                    else:
                        talk.say("+OK")
                        talk.say_raw(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
                case "DELE":
                    doomed.add(int(argument))
                    talk.say("+OK")
                case "QUIT":
                    gone = [by_number[number] for number in doomed]
                    self.mails[:] = [mail for mail in self.mails if not any(mail is each for each in gone)]
                    talk.say("+OK")
                    return
                case _:
                    talk.say("-ERR what?")

    def _name(self, mail: Any) -> str:
        return str(id(mail))

    def _size(self, mail: Any) -> int:
        return 100 if callable(mail) else len(mail)
