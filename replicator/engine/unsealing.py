"""A mail is opened with the keys that this node knows, and a station's own key takes the place of its invitation's.

protocol.md 4.1 steps 1 and 3. An invitation works once; both ends forget its key when the station's own is in use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from replicator.engine.node import Node, Unit
from replicator.engine.succeeding import refuse_former
from replicator.errors import PeerFault
from replicator.protocol.envelope import key_id, open_envelope, peek
from replicator.protocol.messages import Header
from replicator.store import state, succession
from replicator.store.state import Peer
from replicator.types import HOST_PEER, Role


class UsedTwice(PeerFault):
    """An invitation works once; a person has to say which computer is the right one."""


class Outdated(Exception):
    """It was sealed for the invitation's key, which is forgotten: it was taken before, or comes again by itself."""


@dataclass(frozen=True, slots=True)
class Opened:
    peer: Peer
    header: Header
    payload: bytes
    by_bootstrap: bool
    """Opened or sealed with a key of the invitation, not with the station's own."""
    successor: bytes | None = None
    """At a station: sealed with this key, of whom the host has named to take its place."""


def open_mail(node: Node, blob: bytes) -> Opened:
    """Steps 1 and 3: authenticate. Raises PeerFault with the reason."""
    outer = peek(blob)
    identity = node.identity
    secrets = {key_id(identity.public_key): (bytes(identity.private_key), False)}
    if identity.bootstrap_key is not None:
        secrets[key_id(bytes(identity.bootstrap_key.public_key))] = (bytes(identity.bootstrap_key), True)
    mine = secrets.get(outer.receiver_key)
    with node.database.transaction(write=False) as connection:
        peers = state.load_peers(connection)
        former = {key_id(each.public_key): each for each in succession.former_hosts(connection)}
        named = {key_id(each.public_key): each.public_key for each in succession.successors(connection)}
    if mine is None:
        known = {key_id(peer.public_key) for peer in peers.values() if peer.public_key is not None}
        if outer.receiver_key == identity.retired_key_id and outer.sender_key in known | named.keys():
            raise Outdated
        if node.role is Role.HOST and outer.receiver_key in former:
            raise Outdated  # it is for the host whose place this one took: its station sends it again
        raise PeerFault("it is sealed for another node, or for a key that this node no longer has")
    for peer in peers.values():
        for public, bootstrap in ((peer.public_key, False), (peer.bootstrap_key, True)):
            if public is not None and key_id(public) == outer.sender_key:
                header, payload = open_envelope(blob, mine[0], public)
                return Opened(peer, header, payload, bootstrap or mine[1])
    if node.role is Role.STATION and outer.sender_key in named:
        header, payload = open_envelope(blob, mine[0], named[outer.sender_key])
        return Opened(peers[HOST_PEER], header, payload, mine[1], named[outer.sender_key])
    if outer.sender_key in former:
        open_envelope(blob, mine[0], former[outer.sender_key].public_key)
        raise refuse_former(node, former[outer.sender_key])
    raise PeerFault("it comes from a sender whose key this node does not know")


def enrol(unit: Unit, peer: Peer, opened: Opened) -> list[Callable[[], None]]:
    """A station's own key replaces the invitation's; both ends forget the bootstrap once it is in use. Gives what is to
    be done behind the commit."""
    if unit.state.role is Role.HOST:
        if opened.by_bootstrap:
            offered = opened.header.new_key
            if offered is None:
                raise PeerFault("it is sealed with an invitation's key but names no key of the station's own")
            if peer.public_key is not None and peer.public_key != offered:
                raise UsedTwice(
                    f"the invitation of {peer.name} was used a second time, with another key; if that is the right "
                    f"computer, run: replicator station invite {peer.name}"
                )
            peer.public_key = offered
        elif peer.bootstrap_key is not None:
            peer.bootstrap_key = None
        return []
    identity = unit.node.identity
    if identity.bootstrap_key is None or opened.by_bootstrap:
        return []
    retired = key_id(bytes(identity.bootstrap_key.public_key))

    def forget() -> None:
        # After the commit: a mail that still comes under the old key is sent again by its sender.
        unit.node.identity = replace(unit.node.identity, bootstrap_key=None, retired_key_id=retired)
        unit.node.identity_file.write(unit.node.identity)

    return [forget]
