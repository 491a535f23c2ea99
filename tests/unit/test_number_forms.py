"""Number ranges: the text around a number, and when a node asks for more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.protocol.numbers import Form, Share


@pytest.mark.parametrize(
    ("written", "number", "text"),
    [
        ("{n}", 7, "7"),
        ("RE-2026-{n:05}", 17, "RE-2026-00017"),
        ("RE-2026-{n:05}", 1_234_567, "RE-2026-1234567"),
        ("{n:03}/26", 4, "004/26"),
        ("K{n}'ß", 12, "K12'ß"),
    ],
)
def test_a_form_reads_what_it_writes(written: str, number: int, text: str) -> None:
    form = Form.parse(written)
    assert (form.text(number), form.number(text), str(form)) == (text, number, written)


@pytest.mark.parametrize(
    "written",
    ["", "RE-2026", "{n}{n}", "{m}", "{n:5}", "{n:00}", "a{n:05", "{{n}}", "R2026{n}", "a\\{n}", "a\n{n}", "{n}2"],
)
def test_a_form_without_one_clear_place_for_the_number_is_refused(written: str) -> None:
    with pytest.raises(ValueError):
        Form.parse(written)


@pytest.mark.parametrize(
    "value", [None, 17, "RE-2026-17", "RE-2026-000017", "RE-2025-00017", "RE-2026-", b"x", 1.0, "RE-2026-０００1７"]
)
def test_what_is_not_of_the_form_is_no_number(value: object) -> None:
    assert Form.parse("RE-2026-{n:05}").number(value) is None


@given(st.integers(0, 2**63 - 1), st.sampled_from(["{n}", "A-{n:04}", "{n:02}.x"]))
def test_every_number_comes_through(number: int, written: str) -> None:
    form = Form.parse(written)
    assert form.number(form.text(number)) == number


def test_a_plain_column_holds_the_number_itself() -> None:
    assert Form().number(17) == 17
    assert not Form()


def test_more_is_asked_for_before_the_first_of_two_blocks_ends() -> None:
    share = Share(block=40, refill=25)
    assert [share.wanted(left) for left in (80, 51, 50, 41, 11, 10, 0)] == [0, 0, 40, 40, 40, 70, 80]
    assert Share(block=40, closed=True).wanted(0) == 0
