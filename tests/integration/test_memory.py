"""A run does without the collector of reference cycles, so nothing that holds rows may be part of one."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest
from command_line import join, new_office

from replicator.engine import replay
from replicator.protocol.replaying import Replay


def test_a_chunk_is_freed_when_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[object]] = []
    alive: list[int] = []

    class Watched(Replay):
        """Slots leave no room for a weak reference; this has one."""

        def __init__(self, *arguments: object, **named: object) -> None:
            alive.append(sum(found() is not None for found in made))
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            made.append(weakref.ref(self))

    monkeypatch.setattr(replay, "Replay", Watched)
    monkeypatch.setattr(replay, "CHUNK", 1)
    office = new_office(tmp_path, capsys)
    office.done("rule", "set", "Köln", "all", "--to-remote", "all", "--to-host", "all")
    koeln = join(tmp_path, capsys)
    for _ in range(2):
        koeln.run()
        office.run()
    office.sql("INSERT INTO customers VALUES (7, 'a', 'b'), (8, 'c', 'd'), (9, 'e', 'f')")
    office.sql("UPDATE orders SET note = 'x'")
    office.run()
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM customers") == [(5,)]
    assert len(made) > 4
    assert max(alive) <= 1, "a chunk is gone when the next but one is made"
