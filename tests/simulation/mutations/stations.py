"""A station replays: what is pending, keys, questions."""

from __future__ import annotations

from typing import Any

from replicator.engine import apply, content, replay
from replicator.engine.journalling import Journal
from replicator.protocol import questions, replay_keys
from replicator.protocol.replaying import Record
from replicator.types import NOWHERE
from tests.simulation.mutations.registry import mutation, nothing


@mutation("seen", "what is judged is told by the stream's acknowledgement, not by the records' place in the log")
def _seen() -> None:
    original = replay.Replaying.__post_init__

    def begin(self: replay.Replaying) -> None:
        original(self)
        self.judged = max(self.judged, self.unit.link(0).link.out.high[1])
        self.look_for_pending()

    replay.Replaying.__post_init__ = begin  # type: ignore[method-assign]


@mutation("rowbase", "a change names the station's position in the log, not the version of its row")
def _rowbase() -> None:
    original = Journal.add

    def add(self: Journal, *arguments: Any, **named: Any) -> None:
        if not self.unit.is_host:
            arguments = (*arguments[:7], self.unit.link(0).seen, *arguments[8:])
        original(self, *arguments, **named)

    Journal.add = add  # type: ignore[method-assign]


@mutation("collectfirst", "a station applies before it has collected")
def _collectfirst() -> None:
    original, before = replay.replay_batch, apply.collect

    def replay_batch(*arguments: Any, **named: Any) -> None:
        known, replay.collect = replay.collect, nothing
        try:
            original(*arguments, **named)
        finally:
            replay.collect = known

    apply.replay_batch = replay_batch
    apply.collect = lambda unit: before(unit) if unit.is_host else 0


@mutation("refresh", "what was skipped or moved aside is not asked for again")
def _refresh() -> None:
    replay.request = nothing


@mutation("keys", "a station applies what breaks a foreign key")
def _keys() -> None:
    original = replay_keys.KeyKeeper._stands

    def stands(self: Any, state: Any, *rest: Any) -> bool:
        children, parents = state.children, state.parents
        state.children, state.parents = [], []
        try:
            return original(self, state, *rest)
        finally:
            state.children, state.parents = children, parents

    replay_keys.KeyKeeper._stands = stands  # type: ignore[method-assign]


@mutation("lastword", "what an answer says and can't stand is asked for again, whatever it waits for")
def _lastword() -> None:
    questions.Questions.is_answered = lambda *_: False  # type: ignore[method-assign]


@mutation("partly", "a row that came to stand in part passes for what the whole group made of it")
def _partly() -> None:
    replay_keys._claim_less = nothing


@mutation("scope", "a rule's content and a snapshot also replace what is pending")
def _scope() -> None:
    original = content._replay

    def without_pending(replaying_: Any, records: Any, **named: Any) -> None:
        pending, replaying_.pending = replaying_.pending, False
        try:
            original(replaying_, records, **named)
        finally:
            replaying_.pending = pending

    content._replay = without_pending


@mutation("gonever", "a row that a snapshot removes keeps its old version", ("restore", "wide-rules"))
def _gonever() -> None:
    def delete(replaying: Any, _position: Any, table: Any, keys: Any) -> None:
        content._replay(replaying, [Record(NOWHERE, table.id, "D", key, None, True) for key in keys], late=False)

    content._delete = delete
