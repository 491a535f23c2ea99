"""What Postfix asks at each RCPT (its policy delegation protocol), answered by the test: greylisting, limits, refusals.

It is the way to the reply codes that no configuration gives at will. Without an `answer` nothing is objected to.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Mapping

NO_OBJECTION = "DUNNO"

Answer = Callable[[Mapping[str, str]], str]
"""From the attributes of a request, such as 'sender' and 'recipient', to an action of access(5), such as '450 4.7.1
Wait'."""


class RecipientPolicy:
    """Listens on `port` of 127.0.0.1. Set `answer` at any time; it is called from a thread of this process."""

    def __init__(self, port: int) -> None:
        self.answer: Answer | None = None
        policy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                attributes: dict[str, str] = {}
                for line in self.rfile:
                    name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition("=")
                    if name:
                        attributes[name] = value
                        continue
                    self.wfile.write(f"action={policy._decide(attributes)}\n\n".encode())
                    attributes = {}

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def _decide(self, attributes: Mapping[str, str]) -> str:
        return self.answer(attributes) if self.answer else NO_OBJECTION

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Greylisting:
    """Who is not known is told to come again, and is let in the next time: 450 4.2.0, then nothing."""

    def __init__(self) -> None:
        self.turned_away = 0
        self._known: set[tuple[str, str]] = set()

    def __call__(self, attributes: Mapping[str, str]) -> str:
        pair = (attributes["sender"], attributes["recipient"])
        if pair in self._known:
            return NO_OBJECTION
        self._known.add(pair)
        self.turned_away += 1
        return "450 4.2.0 Greylisted, please come again"
