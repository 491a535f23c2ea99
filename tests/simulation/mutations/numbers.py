"""Numbers: what keeps them from being issued twice, and lets none be missing."""

from __future__ import annotations

from typing import Any

from replicator.engine import (
    granting,
    incarnation,
    key_counting,
    leapfrogging,
    number_ledgers,
    number_requests,
    numbers,
)
from replicator.engine.node import Unit
from replicator.protocol.number_ledger import Ledger
from replicator.protocol.numbers import Share
from replicator.store import numbers as stored
from tests.simulation.mutations.registry import mutation


@mutation("retatomic", "the end of a block is given back and goes on being drawn from", faults=("numbers",))
def _retatomic() -> None:
    numbers.numbers.shorten = lambda *_: None  # type: ignore[assignment]


@mutation(
    "number-side", "a station that was set back goes on with the blocks of that time", faults=("numbers", "restore")
)
def _number_side() -> None:
    incarnation.numbers.retire_all = lambda *_: None  # type: ignore[assignment]


@mutation(
    "hubside", "a restored host does not look at what the side file knows of grants", faults=("numbers", "host-restore")
)
def _hubside() -> None:
    def forgetful(unit: Unit, _marks: Any, _reason: str, *, image: bool) -> None:
        stored.stop(unit.connection, stopped=False)

    from replicator.engine import timelines

    timelines.host_restored = forgetful  # type: ignore[assignment]


@mutation("held", "the ledger keeps what a station that was set back no longer holds", faults=("numbers", "restore"))
def _held() -> None:
    Ledger.keep_only = lambda *_: None  # type: ignore[method-assign]


@mutation("grant-epoch", "blocks of an old epoch are taken when a link is rewound", faults=("numbers", "restore"))
def _grant_epoch() -> None:
    def takes_all(unit: Unit, told: Any) -> None:
        number_requests.own.add_blocks(unit, told.range, told.blocks)
        original(unit, told)

    original = number_requests._take
    number_requests._take = takes_all


@mutation("refill", "nobody asks for more before the last number is drawn", faults=("numbers",))
def _refill() -> None:
    Share.wanted = lambda self, left: 0 if left else 2 * self.block  # type: ignore[method-assign]


@mutation(
    "floor", "what is given back after a restore of the host is granted again", faults=("numbers", "host-restore")
)
def _floor() -> None:
    original = granting.number_spans.load_ledger

    def without(*arguments: Any, **options: Any) -> Ledger:
        ledger = original(*arguments, **options)
        ledger.floor = 0
        return ledger

    granting.number_spans.load_ledger = without


@mutation("leapfrog", "higher keys come without a block above them", faults=("numbers",))
def _leapfrog() -> None:
    from replicator.engine import journalling

    journalling.leapfrog = lambda *_: None
    number_ledgers._keys_above = lambda *_: None


@mutation("counter", "the counter of keys is set by the next run, not where higher ones come", faults=("numbers",))
def _counter() -> None:
    key_counting.count_on_within = lambda *_: None


@mutation("passed", "keys that were passed by stay held on the ledger", faults=("numbers",))
def _passed() -> None:
    leapfrogging.key_counting.passed_by = lambda *_: []


@mutation("keyblocks", "keys are granted wherever there are some, also below the table's highest", faults=("numbers",))
def _keyblocks() -> None:
    original = Ledger.grant
    Ledger.grant = lambda self, holder, count, above=None: original(self, holder, count)  # type: ignore[method-assign]


@mutation("copyshare", "a copy of a station gets no part in number ranges", faults=("numbers", "clone"))
def _copyshare() -> None:
    number_ledgers.begin_as = lambda *_: None
