"""Numbers: what keeps them from being issued twice, and lets none be missing."""

from __future__ import annotations

from typing import Any

from replicator.engine import incarnation, number_ledgers, number_requests, numbers
from replicator.engine.node import Unit
from replicator.protocol.number_ledger import Ledger
from replicator.protocol.numbers import Share
from replicator.store import numbers as stored
from tests.simulation.mutations.registry import mutation


@mutation("retatomic", "the end of a block is given back and goes on being drawn from")
def _retatomic() -> None:
    numbers.numbers.shorten = lambda *_: None  # type: ignore[assignment]


@mutation("number-side", "a station that was set back goes on with the blocks of that time")
def _number_side() -> None:
    incarnation.numbers.retire_all = lambda *_: None  # type: ignore[assignment]


@mutation("hubside", "a restored host does not look at what the side file knows of grants")
def _hubside() -> None:
    def forgetful(unit: Unit, _marks: Any, _reason: str, *, image: bool) -> None:
        stored.stop(unit.connection, stopped=False)

    from replicator.engine import timelines

    timelines.host_restored = forgetful  # type: ignore[assignment]


@mutation("held", "the ledger keeps what a station that was set back no longer holds")
def _held() -> None:
    Ledger.keep_only = lambda *_: None  # type: ignore[method-assign]


@mutation("grant-epoch", "blocks of an old epoch are taken when a link is rewound")
def _grant_epoch() -> None:
    def takes_all(unit: Unit, told: Any) -> None:
        number_requests.own.add_blocks(unit, told.range, told.blocks)
        original(unit, told)

    original = number_requests._take
    number_requests._take = takes_all


@mutation("refill", "nobody asks for more before the last number is drawn")
def _refill() -> None:
    Share.wanted = lambda self, left: 0 if left else 2 * self.block  # type: ignore[method-assign]


@mutation("floor", "what is given back after a restore of the host is granted again")
def _floor() -> None:
    original = number_ledgers.number_spans.load_ledger

    def without(*arguments: Any, **options: Any) -> Ledger:
        ledger = original(*arguments, **options)
        ledger.floor = 0
        return ledger

    number_ledgers.number_spans.load_ledger = without
