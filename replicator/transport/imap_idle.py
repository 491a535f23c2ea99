"""Being told of new mail by IMAP IDLE (RFC 2177).

imap-tools' own `idle.poll` takes a connection that was closed for silence, and a notice that comes before the server
has begun to idle for an error; hence the two commands are given here.
"""

from __future__ import annotations

import imaplib
import select
import socket
import ssl
from collections.abc import Callable
from threading import Event

import imap_tools.idle  # noqa: F401 - teaches imaplib the command

from replicator.runtime import Runtime
from replicator.transport.imap_connection import Broken, ImapConnection, Refused, errors

SLICE_SECONDS = 2.0
"""How soon `stop` is seen."""
RENEW_SECONDS = 9 * 60
"""A server may log us out after 30 minutes, and routers forget a silent connection after ten or more."""


def wait_for_news(
    connection: ImapConnection,
    is_news: Callable[[ImapConnection], bool],
    until: int,
    stop: Event,
    runtime: Runtime,
) -> bool:
    """Until `is_news` says so (True), or the time `until` (microseconds since 1970) or `stop` comes (False).

    Raises Refused and Broken.
    """
    # The first time is short: what came between asking and idling is found by asking again.
    seconds = SLICE_SECONDS
    while not stop.is_set():
        if is_news(connection):
            return True
        if runtime.now() >= until:
            break
        _idle(connection.client, min(until, runtime.now() + int(seconds * 1_000_000)), stop, runtime)
        seconds = RENEW_SECONDS
    return False


def _idle(client: imaplib.IMAP4, until: int, stop: Event, runtime: Runtime) -> None:
    """Idle until the server says anything, or `until`, or `stop`."""
    with errors():
        tag = _command(client, "IDLE")
        while _response(client) is not None:
            if client.tagged_commands.get(tag):
                raise Refused(b"")
        while not stop.is_set() and runtime.now() < until and not _speaks(client.socket(), until - runtime.now()):
            pass
        client.send(b"DONE\r\n")
        while not client.tagged_commands.get(tag):
            _response(client)
        (kind, _) = client.tagged_commands.pop(tag) or ("", [])
    if kind != "OK":
        raise Broken(None)


def _speaks(sock: socket.socket, microseconds: int) -> bool:
    """Whether there is something to read within a slice."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    seconds = min(SLICE_SECONDS, max(0.0, microseconds / 1_000_000))
    if hasattr(select, "poll"):
        # `select` takes no file number above 1,023.
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    return bool(select.select([sock], [], [], seconds)[0])


def _command(client: imaplib.IMAP4, name: str) -> bytes:
    tag: bytes = client._command(name)
    return tag


def _response(client: imaplib.IMAP4) -> object:
    """None: the server asks for more ('+'). Anything else is noted by imaplib itself."""
    return client._get_response()
