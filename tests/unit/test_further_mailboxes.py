"""Further mailboxes in the configuration, in its text, and in the queue of parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.config import make, parse
from replicator.config_text import added_text, changed_text, removed_text, render
from replicator.engine.mailboxes import Away, NodeMailbox
from replicator.engine.routing import not_covered
from replicator.errors import ConfigurationError, MailboxTrouble, UnknownName
from replicator.operations.account_login import password_variable
from replicator.runtime import Runtime
from replicator.transport.base import Mail
from replicator.transport.folder import FolderMailbox

STICK = {"mailbox": "folder:/media/stick/mail"}
OLD = {"mailbox": "imaps://imap.example.com", "address": "old@example.com"}


def content(**mailboxes: dict[str, Any]) -> dict[str, Any]:
    return {
        "role": "host",
        "name": "office",
        "database": "sqlite:////srv/app.db",
        "SERVER": {"address": "office@example.com", "mailbox": "folder:/srv/mail"},
        "MAILBOX": mailboxes,
    }


# --- configuration ----------------------------------------------------------------------------------------------------


def test_a_further_mailbox_has_the_accounts_address_unless_it_says_another() -> None:
    found = make(content(stick=STICK, old=OLD))
    assert [(each.name, each.address, each.sends, each.is_folder) for each in found.accounts] == [
        ("", "office@example.com", True, True),
        ("stick", "office@example.com", True, True),
        ("old", "old@example.com", False, False),
    ]
    with pytest.raises(UnknownName, match="account show"):
        found.account_of("new")


@pytest.mark.parametrize(
    ("mailboxes", "word"),
    [
        ({"Stick": STICK}, "letters from a to z"),
        ({"a" * 33: STICK}, "1 to 32 letters"),
        ({"1st": STICK}, "begins with a letter"),
        ({"stick": {}}, "MAILBOX.stick.mailbox' is missing"),
        ({"stick": {"mailbox": "x"}}, "MAILBOX.stick.mailbox"),
        ({"stick": {**STICK, "adress": "x@example.com"}}, "did you mean 'address'"),
        ({"stick": {**STICK, "stations": "Köln"}}, "MAILBOX.stick.stations"),
        ({"stick": {**STICK, "stations": ["/"]}}, "MAILBOX.stick.stations.0"),
        ({"old": {**OLD, "auth": "oauth2"}}, "oauth_client_id"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(mailboxes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make(content(**mailboxes))
    assert word in str(refused.value)


def test_stations_belong_to_a_host() -> None:
    station = content(stick={**STICK, "stations": ["Köln"]})
    assert make(station).further["stick"].stations == ["Köln"]
    station |= {"role": "station", "REMOTE": station.pop("SERVER")}
    with pytest.raises(ConfigurationError, match="belongs to a host"):
        make(station)


def test_each_mailbox_has_a_password_of_its_own() -> None:
    variables = [password_variable(each) for each in make(content(stick=STICK, **{"old-one": OLD})).accounts]
    assert variables == ["REPLICATOR_PASSWORD", "REPLICATOR_PASSWORD_STICK", "REPLICATOR_PASSWORD_OLD_ONE"]


# --- its text ---------------------------------------------------------------------------------------------------------


def test_the_text_reads_back() -> None:
    found = make(content(stick={**STICK, "stations": ["Köln", "Bonn"]}, old={**OLD, "enabled": False}))
    assert parse(render(found), "x") == found


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_mailbox_comes_and_goes_without_a_trace(end: str) -> None:
    before, after = make(content()), make(content(stick=STICK))
    text = render(before).replace("\n", end)
    added = added_text(text, after, "stick")
    assert parse(added, "x") == after
    assert added.startswith(text.rstrip())
    assert added.count("\r") == (added.count("\n") if end == "\r\n" else 0)
    changed = changed_text(added, make(content(stick={**STICK, "title": "Reise"})), "MAILBOX.stick", {"title"})
    assert parse(changed, "x").further["stick"].title == "Reise"
    assert changed.count("title") == added.count("title")
    assert removed_text(changed, before, "stick").rstrip() == text.rstrip()


def test_a_comment_of_the_next_section_stays() -> None:
    before, both, one = make(content()), make(content(stick=STICK, old=OLD)), make(content(old=OLD))
    text = added_text(added_text(render(before), make(content(stick=STICK)), "stick"), both, "old")
    text = text.replace("[MAILBOX.old]", "# until spring\n[MAILBOX.old]")
    left = removed_text(text, one, "stick")
    assert parse(left, "x") == one
    assert "# until spring\n[MAILBOX.old]" in left
    assert "stick" not in left


# --- mailboxes that are away ------------------------------------------------------------------------------------------


def boxes(*numbers: int) -> list[NodeMailbox]:
    # None of them is touched.
    return [NodeMailbox(f"box{number}", None, number) for number in numbers]  # type: ignore[arg-type]


def test_the_first_ones_trouble_is_raised_when_the_last_one_is_away() -> None:
    away, all_of_them = Away(), boxes(1, 2, 3)
    first, second = MailboxTrouble("first"), ConfigurationError("second")
    away.note(all_of_them[1], second, all_of_them)
    away.note(all_of_them[0], first, all_of_them)
    assert [box in away for box in all_of_them] == [True, True, False]
    with pytest.raises(MailboxTrouble, match="first"):
        away.note(all_of_them[2], MailboxTrouble("third"), all_of_them)


def test_the_only_mailboxs_trouble_is_raised_at_once() -> None:
    with pytest.raises(MailboxTrouble, match="away"):
        Away().note(boxes(1)[0], MailboxTrouble("away"), boxes(1))


def test_a_drive_that_is_away_is_not_written_to(tmp_path: Any) -> None:
    """Its place is there, empty, as a mount point is."""
    with pytest.raises(MailboxTrouble, match="connect its drive"):
        FolderMailbox(tmp_path, "office@example.com", Runtime(), create=False)
    FolderMailbox(tmp_path, "office@example.com", Runtime())
    stick = FolderMailbox(tmp_path, "office@example.com", Runtime(), create=False)
    for folder in ("new", "tmp", ""):
        (tmp_path / "office@example.com" / folder).rmdir()
    with pytest.raises(MailboxTrouble, match="connect its drive"):
        stick.send(Mail("a@example.com", "b@example.com", "", "", (b"x",), "<1@example.com>", 0))
    assert list(tmp_path.iterdir()) == []


# --- the queue --------------------------------------------------------------------------------------------------------


def test_what_waits_is_not_queued_again_however_it_is_cut() -> None:
    assert not_covered([(0, 10), (10, 10), (20, 5)], []) == [(0, 10), (10, 10), (20, 5)]
    assert not_covered([(0, 10), (5, 10), (15, 10)], [(0, 8), (8, 9)]) == [(15, 10)]
    assert not_covered([(3, 1)], [(0, 3), (4, 3)]) == [(3, 1)]


@given(
    ranges=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=6),
    waiting=st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=6),
)
def test_no_byte_is_forgotten(ranges: list[tuple[int, int]], waiting: list[tuple[int, int]]) -> None:
    def of(pieces: list[tuple[int, int]]) -> set[int]:
        return {byte for start, length in pieces for byte in range(start, start + length)}

    new = not_covered(ranges, waiting)
    assert of(new) | of(waiting) == of(ranges) | of(waiting)
    assert all(of([each]) <= of(waiting) for each in ranges if each not in new)
