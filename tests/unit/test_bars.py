"""Bars of a run on a terminal: what they say, and how many there are."""

from __future__ import annotations

import io
import re

from rich.console import Console

from replicator.cli.bars import Bars


def screen(terminal: io.StringIO) -> str:
    """What was written last to each line, without the colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())


def shown(bars: Bars) -> list[str]:
    return [task.description for task in bars._bars.tasks]


def test_what_they_say() -> None:
    terminal = io.StringIO()
    with Bars(Console(file=terminal, force_terminal=True, width=120)) as bars:
        bars.fetched("", 3, 500, 4_100_000)
        bars.fetched("stick", 1, 2, 300)
        bars.sent("koeln", 1_000_000, 20_000_000, 5000)
        bars.applied("host", 12_000, 100_000)
        assert shown(bars) == ["fetching", "fetching from stick", "to koeln", "applying from host"]
    text = screen(terminal)
    assert "3 of 500 mails, 4.1 MB" in text
    assert "1.0 MB of 20 MB, 5,000 rows" in text
    assert "12,000 of 100,000 rows" in text


def test_the_first_picture_is_right_already() -> None:
    terminal = io.StringIO()
    with Bars(Console(file=terminal, force_terminal=True, width=120)) as bars:
        bars.fetched("", 2, 4, 1000)
    assert "0 of 4 mails" not in screen(terminal)


def test_many_batches_and_stations_do_not_fill_the_screen() -> None:
    with Bars(Console(file=io.StringIO(), force_terminal=True)) as bars:
        for n in range(1, 100):
            bars.received("host", n, 50, 100)
            bars.received("host", n, 100, 100)
        assert shown(bars) == []
        for number in range(100):
            for done in (0, 100):
                bars.prepared(f"station{number}", done, 100)
                bars.sent(f"station{number}", done, 100, done)
            bars.applied("host", 10 * number, 1000)
        assert shown(bars) == ["applying from host", "initial load for station99", "to station99"]
        # The next batch of the same peer begins anew.
        bars.applied("host", 5, 10)
        assert shown(bars)[-1] == "applying from host"
        assert len(shown(bars)) == 3


def test_without_a_terminal_there_is_nothing() -> None:
    pipe = io.StringIO()
    with Bars(Console(file=pipe)) as bars:
        bars.fetched("", 1, 2, 100)
        bars.applied("host", 1, 2)
    assert pipe.getvalue() == ""
