"""Moving mails of the selected IMAP folder to another one (RFC 6851)."""

from __future__ import annotations

from replicator.errors import MailboxTrouble
from replicator.transport.fetch_refusals import move_refusal
from replicator.transport.imap_connection import ImapConnection
from replicator.transport.imap_errors import Refused
from replicator.transport.refusals import Server


def move(connection: ImapConnection, server: Server, uids: dict[int, str], folder: str) -> dict[str, MailboxTrouble]:
    """Move the mails of these UIDs, which have names; gives the names of those that are refused, with the reason.

    All at once; where that is refused one by one, so that a mail which can't be moved holds up no other. Raises Broken.
    """
    try:
        full_name = connection.made_folder(folder)
    except Refused as refused:
        return dict.fromkeys(uids.values(), move_refusal(server, refused.text, folder))
    try:
        connection.move(list(uids), full_name)
    except Refused:
        return _move_singly(connection, server, uids, folder, full_name)
    return {}


def _move_singly(
    connection: ImapConnection, server: Server, uids: dict[int, str], folder: str, full_name: str
) -> dict[str, MailboxTrouble]:
    stay: dict[str, MailboxTrouble] = {}
    for uid, name in uids.items():
        try:
            connection.move([uid], full_name)
        except Refused as refused:
            stay[name] = move_refusal(server, refused.text, folder)
    return stay
