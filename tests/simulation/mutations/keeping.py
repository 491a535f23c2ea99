"""What is kept, and for how long: the journal, uids, what is known of deleted rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from replicator.engine import holding, judge, purging
from replicator.engine.node import Unit
from replicator.engine.purging import Limits
from replicator.store import purging as store
from replicator.store import retention, rows
from replicator.types import HOST_PEER, NOWHERE
from tests.simulation.mutations.registry import mutation, nothing


@mutation("purge", "a station that was let go goes on behind what was purged, without a snapshot")
def _purge() -> None:
    def let_go(unit: Unit, state: Any) -> list[bytes]:
        state.cut_slice = store.newest_slice(unit.connection)
        return []

    holding._let_go = let_go


@mutation("horizon", "journal and uids are purged whatever backups the other side has")
def _horizon() -> None:
    original, known = purging.limits_of, retention.horizon

    def limits_of(unit: Unit) -> Limits:
        if unit.is_host:
            return replace(original(unit), seen=dict.fromkeys(unit.peers, holding.ENDLESS))

        def horizon(connection: Any, peer: int) -> retention.Horizon:
            epoch = unit.link(HOST_PEER).link.out.epoch
            return replace(known(connection, peer), heard_epoch=epoch, heard_n=store.BEYOND)

        retention.horizon = horizon
        try:
            return original(unit)
        finally:
            retention.horizon = known

    purging.limits_of = limits_of


@mutation("below", "a group that may have been judged and forgotten is applied")
def _below() -> None:
    original = judge._Judging.__post_init__

    def begin(self: Any) -> None:
        original(self)
        self.horizon = NOWHERE

    judge._Judging.__post_init__ = begin  # type: ignore[method-assign]


@mutation("uid", "a group that comes again is not known by its uid")
def _uid() -> None:
    rows.seen_groups = lambda *_: set()
    rows.remember_groups = nothing


@mutation("settled", "the host forgets deleted rows of which stations have not heard")
def _settled() -> None:
    _forget_deletes(at_host=True)


@mutation("forgotten", "a station forgets deleted rows that the host still knows of")
def _forgotten() -> None:
    _forget_deletes(at_host=False)


def _forget_deletes(*, at_host: bool) -> None:
    original = purging.limits_of

    def limits_of(unit: Unit) -> Limits:
        found = original(unit)
        everything = unit.state.position if at_host else unit.link(HOST_PEER).seen
        return replace(found, deleted=everything) if unit.is_host == at_host else found

    purging.limits_of = limits_of
