"""`rule rehearse`: what an edit of the rules would send, held against what it then sends."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from replicator.operations import rule_rehearsal
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

ROWS = 3_000


@pytest.fixture
def pair(new_place: NewPlace) -> tuple[Place, Place]:
    """Köln has a rule for customers, and none for notes."""
    office, station = new_place("sqlite", "office"), new_place("sqlite", "koeln")
    for table in ("customers", "notes"):
        office.sql(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, text TEXT)")
        dice = Random(table)
        for number in range(ROWS):
            office.sql(f"INSERT INTO {table} VALUES (?, ?)", number, dice.randbytes(30).hex())
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "customers", "notes")
    enrol(office, station)
    office.done("rule", "set", "koeln", "notes", "--to-remote", "none", "--to-host", "none")
    exchange(office, station)
    return office, station


def rehearsed(office: Place, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = office.done("rule", "rehearse", "koeln", *arguments, "--json").json
    return found


def test_it_says_what_is_sent_then(pair: tuple[Place, Place]) -> None:
    office, station = pair
    found = rehearsed(office, "notes", "--to-remote", "all", "--to-host", "all")
    (notes,) = found["tables"]
    assert (notes["table"], notes["rows"], notes["exact"]) == ("notes", ROWS, True)
    assert notes["asks"] == ["new", "changed", "deleted"]
    assert not office.run().sent.mails, "nothing was changed"
    office.done("rule", "set", "koeln", "notes", "--to-remote", "all", "--to-host", "all")
    sent = office.run().sent
    assert sent.mails == found["mails"]
    assert notes["bytes"] < sent.bytes < notes["bytes"] + 2_000
    exchange(office, station)
    assert station.sql("SELECT count(*) FROM notes") == [(ROWS,)]


def test_for_people(pair: tuple[Place, Place]) -> None:
    office, _ = pair
    told = " ".join(
        office.done("rule", "rehearse", "koeln", "all", "--to-remote", "all", "--to-host", "all").out.split()
    )
    assert "notes new,changed,deleted (was none) new,changed,deleted (was none) 3,000" in told
    assert "koeln gets 1 mail with" in told
    assert "It sends what it has held back of notes; how much that is only koeln knows." in told
    assert "nothing would change" in office.done("rule", "rehearse", "koeln", "customers", "--to-remote", "all").out


def test_what_is_narrowed_sends_nothing(pair: tuple[Place, Place]) -> None:
    office, _ = pair
    (customers,) = rehearsed(office, "customers", "--to-remote", "new")["tables"]
    assert (customers["rows"], customers["bytes"]) == (0, 0)


def test_without_new_rows_only_those_go_that_the_station_has(pair: tuple[Place, Place]) -> None:
    office, station = pair
    office.done("rule", "set", "koeln", "customers", "--to-remote", "none")
    office.sql("INSERT INTO customers VALUES (9999, 'unknown at koeln')")
    exchange(office, station)
    (customers,) = rehearsed(office, "customers", "--to-remote", "changed")["tables"]
    assert customers["rows"] == ROWS
    (customers,) = rehearsed(office, "customers", "--to-remote", "all")["tables"]
    assert customers["rows"] == ROWS + 1


def test_rows_stay_where_new_ones_are_kept_back_and_deletes_go_down_at_once(pair: tuple[Place, Place]) -> None:
    """What the station has is written down before the content is read: else all its rows would count as deleted."""
    office, station = pair
    office.done("rule", "set", "koeln", "customers", "--to-remote", "new,changed")
    exchange(office, station)
    office.done("rule", "set", "koeln", "customers", "--to-remote", "changed,deleted")
    exchange(office, station)
    assert station.sql("SELECT count(*) FROM customers") == [(ROWS,)]


def test_a_large_table_is_told_from_a_sample(pair: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch) -> None:
    office, _ = pair
    exact = rehearsed(office, "notes", "--to-remote", "all")["tables"][0]["bytes"]
    monkeypatch.setattr(rule_rehearsal, "SAMPLE_BYTES", 1)
    (notes,) = rehearsed(office, "notes", "--to-remote", "all")["tables"]
    assert not notes["exact"]
    assert notes["rows"] == ROWS
    assert abs(notes["bytes"] - exact) < exact * 0.1


def test_what_could_not_be_set_is_refused(pair: tuple[Place, Place]) -> None:
    office, station = pair
    assert "nothing to rehearse" in office.refused("rule", "rehearse", "koeln", "notes")
    assert "no replicated table or area" in office.refused("rule", "rehearse", "koeln", "goods", "--to-host", "all")
    assert "no station named kiel" in office.refused("rule", "rehearse", "kiel", "all", "--to-host", "all")
    assert "at the host" in station.refused("rule", "rehearse", "koeln", "all", "--to-host", "all")
