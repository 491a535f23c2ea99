"""Comparisons: what keeps them from naming rows that are as they should be, and from missing those that are not."""

from __future__ import annotations

from typing import Any

from replicator.engine import answering, compared, comparing, findings
from replicator.types import Position
from tests.simulation.mutations.registry import mutation


@mutation("exceptions", "a station names rows that may rightly be otherwise as any others")
def _exceptions() -> None:
    answering._Answering._exceptions = lambda _self, _buckets: {}  # type: ignore[method-assign]


@mutation("meanwhile", "what the host has changed since the station looked counts as a difference")
def _meanwhile() -> None:
    end: Position = (2**53, 2**53)
    original = findings._Look.__init__

    def patient(self: findings._Look, *rest: Any) -> None:
        original(self, *rest)
        self._compared = self._compared._replace(at=end)

    findings._Look.__init__ = patient  # type: ignore[method-assign]


@mutation("privacy", "private rows count as rows that the station has too much")
def _privacy() -> None:
    original = answering._Answering.__post_init__

    def all_go_up(self: answering._Answering) -> None:
        self.upward = answering.Kinds.ALL
        original(self)

    answering._Answering.__post_init__ = all_go_up  # type: ignore[method-assign]


@mutation("adopt", "rows that nobody saw written are not taken for edits when the host's come")
def _adopt() -> None:
    compared.adopt = lambda *_: None  # type: ignore[assignment]


@mutation("overtaken", "a comparison goes on when a stream has begun anew")
def _overtaken() -> None:
    comparing._overtaken = lambda *_: ""  # type: ignore[assignment]
    compared.review = lambda *_: None  # type: ignore[assignment]
