"""What a station tells of its database at the head of its mails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.protocol.hello import DatabaseTold, database_notice, database_told


@pytest.mark.parametrize(
    ("kind", "version"), [("sqlite", "3.45.1"), ("postgresql", "16.3"), ("mariadb", "10.11.6"), ("db2", "12")]
)
def test_what_is_told_is_understood(kind: str, version: str) -> None:
    told = DatabaseTold(kind, version)
    assert database_told(database_notice(told)) == told


@pytest.mark.parametrize(
    "notice",
    [
        None,
        "",
        "hello",
        "invitation-used",
        "database",
        "database sqlite",
        "database sqlite 3 or so",
        "database SQLite 3",
        "database sqlite 3\n",
        "database sqlite ³",
        "database " + "a" * 21 + " 1",
        "database sqlite 1" + "0" * 20,
    ],
)
def test_other_words_are_passed_over(notice: str | None) -> None:
    assert database_told(notice) is None


@given(st.one_of(st.text(), st.from_regex(r"database \w+ [\d.]+")))
def test_whatever_comes_is_bounded(notice: str) -> None:
    told = database_told(notice)
    assert told is None or (database_notice(told) == notice and len(told.kind) <= 20 and len(told.version) <= 20)
