"""Another host goes on in this one's place (protocol.md 10.2): a station takes its word, and the former host's no more.

The key decides: only one that the host itself has named is taken for its successor's. What a host that was replaced
still sends is set aside, and it is told, so that it halts: it may have been alive after all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nacl.public import PublicKey

from replicator.engine.mailboxes import TROUBLE, Away, NodeMailbox
from replicator.engine.node import Node, Unit
from replicator.errors import PeerFault, RecipientLater, RecipientRefused
from replicator.protocol import link as links
from replicator.protocol.envelope import seal
from replicator.protocol.messages import Acknowledgement, Direction, Echo, Header
from replicator.protocol.succession import SUCCEEDED, claimed_address
from replicator.store import state, succession
from replicator.store.succession import FormerHost
from replicator.transport import mime
from replicator.transport.base import Mail
from replicator.types import HOST_PEER, NOWHERE

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.store.state import Peer

REPLACED = "host-replaced"
"""Kind of the notice that another host goes on."""
FORMER = "former-host"
"""Kind of the notice that a host which was replaced still sends mail."""


class OfFormerHost(PeerFault):
    """A mail of a host that was replaced: a person should know, and the host as well."""

    def __init__(self, message: str, public_key: bytes) -> None:
        super().__init__(message)
        self.public_key = public_key


# --- at a station -----------------------------------------------------------------------------------------------------


def accept(unit: Unit, host: Peer, header: Header, key: bytes) -> Callable[[], None]:
    """The mail is sealed with a key that the host has named. Raises PeerFault where it makes no claim.

    Gives what is to be done behind the commit.
    """
    address = claimed_address(header.notice)
    if address is None:
        raise PeerFault("it is sealed by a station that may take the host's place, and does not say that it has")
    exchange_with(unit, host, key, address)

    def remember() -> None:
        unit.node.identity = replace(unit.node.identity, host_public_key=PublicKey(key))
        unit.node.identity_file.write(unit.node.identity)

    return remember


def exchange_with(unit: Unit, host: Peer, key: bytes, address: str) -> None:
    """From now on this is the host, and what the former one still sends is refused. The caller saves the peer."""
    if host.public_key is not None:
        former = FormerHost(host.public_key, host.name, host.address, unit.state.name, unit.now)
        succession.add_former_host(unit.connection, former)
    succession.forget_former_host(unit.connection, key)
    name = next((each.name for each in succession.successors(unit.connection) if each.public_key == key), "")
    # Whom the new host would have in its own place it says itself.
    succession.replace_successors(unit.connection, [])
    host.public_key, host.address = key, address
    unit.notice(
        REPLACED,
        key.hex()[:16],
        f"the host {host.name} was lost, and its backup station {name} has taken its place <{address}>: this node "
        f"exchanges with it from now on. What the former host still sends is set aside",
    )


def hear_address(unit: Unit, host: Peer, header: Header) -> None:
    """A host that took another one's place says in each mail where it is to be reached."""
    address = claimed_address(header.notice)
    if address is not None and address != host.address:
        host.address = address
        state.save_peer(unit.connection, host)


# --- mail of a host that was replaced ---------------------------------------------------------------------------------


def refuse_former(node: Node, former: FormerHost) -> OfFormerHost:
    """For an authentic mail of a host that was replaced: it is to hear so, and a person as well."""
    with node.unit() as unit:
        succession.set_answer_due(unit.connection, former.public_key, True)
        unit.notice(
            FORMER,
            former.public_key.hex()[:16],
            f"mail has come of the former host {former.name} <{former.address}>, whose place was taken by its backup "
            f"station. If it was late on its way, nothing is to be done. If that computer still works, switch its "
            f"replicator off: what is written there reaches nobody; it is told, and halts",
            waiting=True,
        )
    return OfFormerHost("it is of a host whose place was taken by its backup station", former.public_key)


def answer_former_hosts(node: Node, away: Away) -> int:
    """Tell hosts that were replaced so, each once for what has come of it. Returns how many mails went."""
    with node.unit() as unit:
        due = [former for former in succession.former_hosts(unit.connection) if former.answer_due]
        if not due:
            return 0
        letters = [(former, *_answer(unit, former)) for former in due]
    sent = 0
    for former, header, blob in letters:
        boxes = [box for box in node.mailboxes if box.sends and box not in away]
        if not boxes:
            return sent
        if _mail(node, boxes, former, header, blob):
            sent += 1
            with node.unit() as unit:
                succession.set_answer_due(unit.connection, former.public_key, False)
    return sent


def _answer(unit: Unit, former: FormerHost) -> tuple[Header, bytes]:
    """An acknowledgement of a stream that it never began: by this a host of any version knows that it has to halt."""
    if unit.is_host:
        acknowledgement = Acknowledgement((unit.state.host_epoch, 1), 0, None, 0)
    else:
        acknowledgement = links.acknowledgement(unit.link(HOST_PEER).link, ())
    header = Header(
        sender=former.own_name,
        receiver=former.name,
        direction=Direction.UP,
        acknowledgement=acknowledgement,
        echo=Echo(NOWHERE, 0),
        notice=SUCCEEDED,
    )
    node = unit.node
    return header, seal(header, b"", bytes(node.identity.private_key), former.public_key, node.runtime)


def _mail(node: Node, boxes: list[NodeMailbox], former: FormerHost, header: Header, blob: bytes) -> bool:
    """Whether it is done: sent, or there is no such recipient any more."""
    with node.database.transaction(write=False) as connection:
        own_address = state.load_node(connection).address
    for box in boxes:
        sender = box.address or own_address
        mail = Mail(
            sender=sender,
            recipient=former.address,
            subject=f"Replicator: {header.sender} to {header.receiver}",
            sentence=mime.sentence_for_people(header.sender, header.receiver),
            payloads=(blob,),
            message_id=mime.new_message_id(node.runtime, sender),
            date=node.runtime.now(),
        )
        try:
            box.mailbox.send(mail)
        except RecipientLater:
            continue
        except RecipientRefused:
            return True
        except TROUBLE:
            continue
        return True
    return False
