"""A TCP proxy that does to a connection what networks do: refuses, stays silent, cuts, loses an answer, is slow.

It sees ciphertext only, so places are told in bytes. `up` is what the client sent, `down` what the server sent, counted
for each connection from its begin. A mail is mostly one stretch of bytes in one direction in which the other side says
nothing: a place within it is easily met. How to swallow the reply after a mail's final dot: `swallow_reply_after` some
bytes within the mail; what the server says next is that reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

CHUNK = 16 * 1024


@dataclass
class Faults:
    """What befalls connections, from now on, also those that run. All None: nothing."""

    refuse: bool = False
    """Reset each new connection at once."""
    black_hole: bool = False
    """Accept new connections and never say a word."""
    cut_up_after: int | None = None
    """Reset both sides after so many bytes of the client, which still reach the server."""
    cut_down_after: int | None = None
    """Reset both sides after so many bytes of the server, which still reach the client."""
    swallow_reply_after: int | None = None
    """Once the client sent so many bytes, what the server says next is lost, and the client's connection with it."""
    delay: float = 0.0
    """Seconds that each piece waits, in both directions."""
    bytes_per_second: int | None = None
    at_up: tuple[int, Callable[[], None]] | None = None
    """Call the function, once, when a client has sent so many bytes; they go on only when it returns."""
    at_down: tuple[int, Callable[[], None]] | None = None
    """The same for bytes of the server."""


@dataclass
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    up: int = 0
    down: int = 0


@dataclass
class FaultProxy:
    """Stands before `upstream`, a port of 127.0.0.1, on `port`. Set `faults` at any time."""

    upstream: int
    faults: Faults = field(default_factory=Faults)
    connections: int = 0
    """How many there have been."""
    up: int = 0
    """Bytes of clients, of all connections."""
    down: int = 0
    """Bytes of the server, of all connections."""

    def __post_init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reset_all(self) -> None:
        """All connections are lost, now."""

        async def reset() -> None:
            self._reset(*self._writers)

        asyncio.run_coroutine_threadsafe(reset(), self._loop).result(10)

    def close(self) -> None:
        """May be repeated."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(10)

    def _run(self) -> None:
        # The runner ends what is left of the connections.
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._listen())

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, sock=self._listener)
        await self._over.wait()
        server.close()
        self._reset(*self._writers)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(client)
        try:
            if self.faults.refuse:
                self._reset(client)
                return
            if self.faults.black_hole:
                while await reader.read(CHUNK):
                    pass
                return
            await self._connect(reader, client)
        except OSError:
            self._reset(client)
        finally:
            self._writers.discard(client)
            client.close()

    async def _connect(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        server_reader, server = await asyncio.open_connection("127.0.0.1", self.upstream)
        self._writers.add(server)
        connection = _Connection(client, server)
        try:
            await asyncio.gather(
                self._either_lost(self._pump_up(reader, connection), connection),
                self._either_lost(self._pump_down(server_reader, connection), connection),
            )
        finally:
            self._writers.discard(server)
            server.close()

    async def _either_lost(self, pump: Awaitable[None], connection: _Connection) -> None:
        """What was reset on one side is reset on the other."""
        try:
            await pump
        except OSError:
            self._reset(connection.client, connection.server)

    async def _pump_up(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while data := await self._read(reader, connection.up, self.faults.cut_up_after):
            connection.up += len(data)
            self.up += len(data)
            if self.faults.at_up and connection.up >= self.faults.at_up[0]:
                (_, call), self.faults.at_up = self.faults.at_up, None
                await asyncio.to_thread(call)
            await self._pass_on(data, connection.server)
            if _reached(connection.up, self.faults.cut_up_after):
                await self._cut(connection)
                return
        connection.server.write_eof()

    async def _pump_down(self, reader: asyncio.StreamReader, connection: _Connection) -> None:
        while data := await self._read(reader, connection.down, self.faults.cut_down_after):
            connection.down += len(data)
            self.down += len(data)
            if self.faults.at_down and connection.down >= self.faults.at_down[0]:
                (_, call), self.faults.at_down = self.faults.at_down, None
                await asyncio.to_thread(call)
            if _reached(connection.up, self.faults.swallow_reply_after):
                self._reset(connection.client)
                # What the server does about it is its own affair; an orderly end lets it do all it was told.
                connection.server.write_eof()
                return
            await self._pass_on(data, connection.client)
            if _reached(connection.down, self.faults.cut_down_after):
                await self._cut(connection)
                return
        connection.client.write_eof()

    async def _read(self, reader: asyncio.StreamReader, before: int, cut: int | None) -> bytes:
        """No more than up to the cut, so that a cut is at its very byte."""
        return await reader.read(CHUNK if cut is None else min(CHUNK, max(cut - before, 1)))

    async def _pass_on(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.faults.delay:
            await asyncio.sleep(self.faults.delay)
        if self.faults.bytes_per_second:
            await asyncio.sleep(len(data) / self.faults.bytes_per_second)
        writer.write(data)
        await writer.drain()

    async def _cut(self, connection: _Connection) -> None:
        # A reset throws away what the other side has not read yet: give it the time to read.
        await asyncio.sleep(0.1)
        self._reset(connection.client, connection.server)

    def _reset(self, *writers: asyncio.StreamWriter) -> None:
        for writer in writers:
            plain = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                # To close with a wait of zero seconds is to reset.
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


def _reached(count: int, limit: int | None) -> bool:
    return limit is not None and count >= limit
