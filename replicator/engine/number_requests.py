"""A station's numbers: what the host grants, what it asks for, what it gives back (protocol.md 5.6)."""

from __future__ import annotations

from typing import Any

from replicator.engine import key_counting
from replicator.engine import numbers as own
from replicator.engine.collect import open_group, request
from replicator.engine.node import Unit
from replicator.protocol.codec_plain import pack
from replicator.protocol.number_bodies import Grant, NumberRequest, NumberReturn, grant_body
from replicator.protocol.numbers import NumberRange, Way
from replicator.store import number_pace, numbers
from replicator.types import HOST_PEER


def apply_grant(unit: Unit, body: Any) -> None:
    """The host says what a range is, what this station's share is, and grants blocks, or none. Raises PeerFault."""
    _take(unit, grant_body(body))


def apply_ledger(unit: Unit, bodies: list[Any]) -> None:
    """A snapshot says it of all ranges at once: of others this station has no part any more. Raises PeerFault."""
    told = [grant_body(body) for body in bodies]
    for number in own.own_shares(unit).keys() - {each.range.id for each in told}:
        numbers.drop_share(unit.connection, HOST_PEER, number)
    for each in told:
        _take(unit, each)


def _take(unit: Unit, told: Grant) -> None:
    connection, known = unit.connection, told.range
    if known.id in numbers.load_ranges(connection):
        numbers.change_range(connection, known.id, known.way, known.fill)
    else:
        numbers.insert_range(connection, known, told.table_name, told.highest, unit.now)
    numbers.save_share(connection, HOST_PEER, known.id, told.share)
    if told.epoch == unit.link(HOST_PEER).link.out.epoch:
        own.add_blocks(unit, known, told.blocks)
    if told.share.closed:
        give_back(unit, known)


def give_back(unit: Unit, known: NumberRange) -> list[tuple[int, int]]:
    """Give up what is left, and tell the host: one transaction (protocol.md 3.5)."""
    tails = own.give_up(unit, known)
    if tails:
        _say(unit, "ret", NumberReturn(known.id, tuple(tails)).plain())
        # The run that takes it away must not ask for it again: not before the host has answered.
        numbers.set_requested(unit.connection, known.id)
    return tails


def say_passed_by(unit: Unit, known: NumberRange, tails: list[tuple[int, int]]) -> None:
    """Keys that this station's counter has passed by are never drawn. They were shortened in this transaction."""
    _say(unit, "ret", NumberReturn(known.id, tuple(tails)).plain())


def ask(unit: Unit) -> None:
    """For more, early, and ahead of the changes that this run collects."""
    asked = numbers.requested(unit.connection)
    for number, (known, share) in own.own_shares(unit).items():
        left, above = numbers.left(unit.connection, number), None
        if known.way is Way.KEYS:
            left, above = key_counting.keys_left(unit, known)
        else:
            number_pace.note_drawn(unit.connection, HOST_PEER, number, unit.now, numbers.drawn(unit.connection, number))
        if number not in asked and share.wanted(left):
            _say(unit, "req", NumberRequest(number, left, above).plain())
            numbers.set_requested(unit.connection, number)


def _say(unit: Unit, kind: str, body: list[Any]) -> None:
    if unit.state.open_group:
        # A group of changes is half collected: no other one may come between.
        request(unit, kind, pack(body))
    else:
        open_group(unit, control=kind, body=pack(body))
