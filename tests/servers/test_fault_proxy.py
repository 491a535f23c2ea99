"""The proxy does harm as it is told, and none else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.servers.fault_proxy import FaultProxy, Faults
from tests.servers.processes import wait_until

ALL = bytes(range(256)) * 400


@pytest.fixture
def received() -> list[bytes]:
    """What the server got, a connection each, once the connection is over."""
    return []


@pytest.fixture
def proxy(received: list[bytes], fault_proxy: Callable[[int], FaultProxy]) -> Iterator[FaultProxy]:
    """Before a server that sends everything back when the client has said 'END'."""

    def serve(connection: socket.socket) -> None:
        got = b""
        with connection:
            try:
                while not got.endswith(b"END") and (data := connection.recv(65536)):
                    got += data
                if got.endswith(b"END"):
                    connection.sendall(got)
            except OSError:
                pass
        received.append(got)

    def accept() -> None:
        while True:
            try:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield fault_proxy(listener.getsockname()[1])


def talk(proxy: FaultProxy, into: bytearray | None = None) -> bytes:
    """Everything that comes back until the end; a reset raises, and what came before it is in `into`."""
    got = bytearray() if into is None else into
    with socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        connection.sendall(ALL + b"END")
        while data := connection.recv(65536):
            got += data
    return bytes(got)


def test_without_a_fault_all_passes(proxy: FaultProxy) -> None:
    assert talk(proxy) == ALL + b"END"
    assert (proxy.connections, proxy.up, proxy.down) == (1, len(ALL) + 3, len(ALL) + 3)


def test_refusing(proxy: FaultProxy, received: list[bytes]) -> None:
    proxy.faults = Faults(refuse=True)
    with pytest.raises(ConnectionError):
        talk(proxy)
    assert received == []
    proxy.faults = Faults()
    assert talk(proxy) == ALL + b"END"


def test_a_black_hole_says_nothing(proxy: FaultProxy, received: list[bytes]) -> None:
    proxy.faults = Faults(black_hole=True)
    with socket.create_connection(("127.0.0.1", proxy.port), 0.3) as connection:
        connection.sendall(ALL)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert received == []


def test_a_cut_on_the_way_up_is_at_the_very_byte(proxy: FaultProxy, received: list[bytes]) -> None:
    proxy.faults = Faults(cut_up_after=50_001)
    with pytest.raises(ConnectionError):
        talk(proxy)
    wait_until(lambda: bool(received), "the server has noticed")
    assert received == [ALL[:50_001]]


def test_a_cut_on_the_way_down_is_at_the_very_byte(proxy: FaultProxy) -> None:
    proxy.faults = Faults(cut_down_after=50_001)
    got = bytearray()
    with pytest.raises(ConnectionError):
        talk(proxy, got)
    assert got == ALL[:50_001]


def test_a_reply_is_swallowed_after_all_arrived(proxy: FaultProxy, received: list[bytes]) -> None:
    proxy.faults = Faults(swallow_reply_after=1000)
    with pytest.raises(ConnectionError):
        talk(proxy)
    wait_until(lambda: bool(received), "the server has sent its reply")
    assert received == [ALL + b"END"]
    assert proxy.down > 0


def test_a_function_is_called_in_the_midst(proxy: FaultProxy) -> None:
    calls: list[int] = []
    proxy.faults = Faults(at_up=(1000, lambda: calls.append(proxy.up)))
    assert talk(proxy) == talk(proxy) == ALL + b"END"
    assert len(calls) == 1
    assert calls[0] >= 1000


def test_all_connections_are_lost_when_one_says_so(proxy: FaultProxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        connection.sendall(b"END")
        assert connection.recv(3) == b"END"
    with socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        connection.sendall(b"x")
        wait_until(lambda: proxy.up == 4, "the byte has come")
        proxy.reset_all()
        with pytest.raises(ConnectionError):
            connection.recv(1)
