"""The host begins a link anew where a station was set back: from where the station stands (protocol.md 5.8).

As long as the log reaches back to there, the link is *rewound*: a new stream of the host's that opens with the position
and goes on with the log from it. Else it gets a snapshot.
"""

from __future__ import annotations

from typing import Any

from replicator.engine import known_forms, streams
from replicator.engine.node import Node, Unit
from replicator.engine.number_ledgers import correct
from replicator.engine.publish import freeze
from replicator.protocol.control_bodies import OpenBody, RewindBody, open_body
from replicator.store import slices
from replicator.store.state import LinkState
from replicator.types import NOWHERE

REWIND, SNAPSHOT, RESYNC, AWAY = "rewind", "snapshot", "resync", "away"
"""Modes of a link that is to be begun anew; `RESYNC`: once its station has told what this host has forgotten; `AWAY`:
by a snapshot, when its station is heard of again."""
RESTORED = "station-restored"
"""Kind of the notice that tells of it."""


def take_open(unit: Unit, state: LinkState, body: Any) -> bool:
    """A station's stream begins a new epoch. Is it to give back what this host has forgotten? Raises PeerFault."""
    told = open_body(body)
    state.resent_until, state.left_epoch = told.resent, NOWHERE
    known_forms.learn(unit, told.forms)
    name, epoch = unit.peers[state.peer].name, state.link.inbound.epoch[1]
    correct(unit, state.peer, told.held, f"station {name} was set back and began epoch {epoch}")
    if state.mode == RESYNC:
        state.mode = SNAPSHOT
        return True
    # One that was set back before its snapshot had come answers once more; afterwards nothing is taken in this way.
    again = told.seen[0] < unit.state.host_epoch and not state.link.out.acknowledged
    _begin_anew(unit, state, told)
    unit.notice(
        RESTORED,
        f"{unit.peers[state.peer].name} {state.link.inbound.epoch[1]}",
        f"{unit.peers[state.peer].name} was set back to an earlier state and is brought up to date",
    )
    return again


def welcome_back(state: LinkState) -> None:
    """A station that was let go is heard of again: it gets everything in its rules."""
    if state.mode == AWAY:
        state.mode = SNAPSHOT


def _begin_anew(unit: Unit, state: LinkState, told: OpenBody) -> None:
    start = slices.ending_at(unit.connection, told.seen)
    # What stands in the log of an earlier host epoch need not be what that station knows under these positions.
    other = told.seen == NOWHERE or told.seen[0] < unit.state.host_epoch
    if other or start is None or not _reaches(unit, state, start):
        state.mode = SNAPSHOT
        return
    state.mode, state.cut_slice = REWIND, start


def _reaches(unit: Unit, state: LinkState, start: int) -> bool:
    """Is all that the link was sent behind this slice still there, content in the spool included?"""
    spool = unit.node.spool
    content = slices.content_behind(unit.connection, state.peer, start)
    return all(spool.segment_path(digest).exists() for digest in content)


def load_anew(state: LinkState) -> None:
    """The link gets a snapshot as soon as it may."""
    if state.mode != RESYNC:  # which ends with one
        state.mode = SNAPSHOT


def waits_for_snapshot(state: LinkState) -> bool:
    """Will all rows of its rules go to the station anyway?"""
    return state.mode in (SNAPSHOT, RESYNC, AWAY)


def rewind_links(node: Node) -> int:
    """Open the new stream of every link that is to be rewound. Returns how many."""
    with node.unit() as unit:
        waiting = [peer.id for peer in unit.peers.values() if peer.enabled and unit.link(peer.id).mode == REWIND]
        for peer in waiting:
            _rewind(unit, unit.link(peer))
    return len(waiting)


def _rewind(unit: Unit, state: LinkState) -> None:
    unit.journal.finish()
    position = slices.end_of(unit.connection, state.cut_slice)
    first = streams.record(unit.node, position, REWIND, RewindBody(position, state.peer).plain())
    streams.begin_stream(unit, state, streams.following(unit, state))
    # The station's own clean records up to here name an epoch that is over: it has to be told.
    state.mode, state.rewound_slice = "", slices.next_slice_id(unit.connection)
    freeze(unit, state, [(first, False)], position, opener=REWIND)
