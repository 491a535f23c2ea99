"""What a database refuses: set aside with what depends on it, and asked for or judged anew."""

from __future__ import annotations

from typing import Any, NoReturn

from replicator.engine import asking_anew, releasing
from replicator.engine.careful_judging import CarefulJudging
from replicator.engine.careful_replaying import CarefulReplaying
from replicator.engine.causes import Causes
from replicator.protocol.replay_keys import KeyKeeper
from tests.simulation.mutations.registry import mutation, nothing

POISON = ("poison",)


@mutation("quarantine", "what the database refuses is not set aside", POISON)
def _quarantine() -> None:
    def refuse(_self: Any, _changes: Any, refused: Exception) -> NoReturn:
        raise refused

    CarefulJudging._refuse = refuse  # type: ignore[method-assign]
    CarefulReplaying._refuse = refuse  # type: ignore[method-assign]


@mutation("release", "a station applies what it has set aside itself, once it can be", POISON)
def _release() -> None:
    def apply(node: Any, pieces: Any) -> int:
        with node.unit() as unit:
            asking_anew._try(unit, pieces, {})
        return len(pieces)

    releasing.ask_anew = apply


@mutation("dependents", "what depends on a row in quarantine does not follow it", POISON)
def _dependents() -> None:
    Causes.require_none = nothing  # type: ignore[method-assign]
    KeyKeeper._require_free = nothing  # type: ignore[method-assign]


@mutation("together", "of a transaction the part that can be applied is", POISON)
def _together() -> None:
    replaying, judging = CarefulReplaying._pieces, CarefulJudging._take

    def pieces(self: Any, steps: Any) -> Any:
        self.whole = frozenset()
        return replaying(self, steps)

    def take(self: Any, changes: Any, context: Any) -> None:
        self.group.merged, merged = 1, self.group.merged
        judging(self, changes, context)
        self.group.merged = merged

    CarefulReplaying._pieces = pieces  # type: ignore[method-assign]
    CarefulJudging._take = take  # type: ignore[method-assign]
