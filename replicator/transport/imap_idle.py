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
from replicator.transport.imap_connection import ImapConnection
from replicator.transport.imap_errors import Broken, errors

SLICE_SECONDS = 1.0
"""How soon `stop` is seen."""
RENEW_SECONDS = 9 * 60
"""A server may log us out after 30 minutes, and routers forget a silent connection after ten or more."""
PAUSE_SECONDS = 0.5
"""Between two rounds."""
_LONGEST_GREETING = 64 * 1024


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
    while not stop.is_set():
        if is_news(connection):
            return True
        if runtime.now() >= until:
            break
        _idle(connection.client, min(until, runtime.now() + RENEW_SECONDS * 1_000_000), stop, runtime)
        # A server may have something to say each time.
        stop.wait(PAUSE_SECONDS)
    return False


def _idle(client: imaplib.IMAP4, until: int, stop: Event, runtime: Runtime) -> None:
    """Idle until the server says anything, or `until`, or `stop`."""
    with errors():
        tag: bytes = client._command("IDLE")
        heard = _begin(client.socket(), tag)
        while not heard and not stop.is_set() and runtime.now() < until:
            heard = _speaks(client.socket(), until - runtime.now())
        client.send(b"DONE\r\n")
        while not client.tagged_commands.get(tag):
            client._get_response()
        (kind, _) = client.tagged_commands.pop(tag) or ("", [])
    if kind != "OK":
        raise Broken(None)


def _begin(sock: socket.socket, tag: bytes) -> bool:
    """Read until the server idles ('+'); whether it has said anything beside that.

    Read from the socket itself: what imaplib reads ahead into its buffer could not be seen to be there, and news that
    comes along with the '+' would be found with the next news only.
    """
    content = b""
    while True:
        piece = sock.recv(8192)
        content += piece
        if not piece or len(content) > _LONGEST_GREETING:
            raise Broken(None)
        lines = content.split(b"\r\n")
        if lines[-1] == b"" and any(line.startswith(b"+") for line in lines):
            return len(lines) > 2
        if any(line.startswith(tag) for line in lines[:-1]):
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
