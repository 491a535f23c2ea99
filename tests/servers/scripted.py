"""A server for what no real one does on request: it answers each line as the test says, and notes what it was told."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

HANG_UP = ""


class ScriptedServer:
    """Greets with `greeting` and sends what `answer` makes of each line: None says nothing, HANG_UP hangs up.

    Lines come and go without their line ends; an answer may hold several. `certificate`, a chain and a key, is for TLS
    from the first byte.
    """

    def __init__(
        self, greeting: str, answer: Callable[[str], str | None], certificate: tuple[Path, Path] | None = None
    ) -> None:
        self.told: list[str] = []
        told = self.told
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if context and certificate:
            context.load_cert_chain(*certificate)

        class Handler(socketserver.StreamRequestHandler):
            def setup(self) -> None:
                if context:
                    self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    self._say(greeting)
                    for line in self.rfile:
                        told.append(line.decode("utf-8", "replace").rstrip("\r\n"))
                        reply = answer(told[-1])
                        if reply == HANG_UP:
                            return
                        self._say(reply or "")

            def _say(self, text: str) -> None:
                self.wfile.write("".join(f"{line}\r\n" for line in text.splitlines()).encode())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that does not trust us ends the handshake: that is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
