"""Any filter, page by page, finds in the journal what plain Python finds in an export of all of it."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bench.places import HOST, Places
from replicator.engine import session
from replicator.operations import journal_export
from replicator.operations.journal_filters import Filter, Spot
from replicator.operations.journal_pages import ALL, list_journal
from replicator.operations.opening import View, open_node, open_view
from replicator.protocol.control_bodies import WHOLE
from replicator.resources import schemas_folder
from replicator.runtime import Runtime
from replicator.store import catalogue, journal_reading, slice_index, sql
from replicator.store.files import Files
from replicator.store.home import Home

STATIONS = ("koeln", "bonn")
SCHEMA = """
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT, photo BLOB);
    CREATE TABLE parts (a INTEGER, b TEXT, weight REAL, PRIMARY KEY (a, b));
    CREATE TABLE rare (id TEXT PRIMARY KEY);
"""
RUNTIME = Runtime()


@dataclass(frozen=True)
class Journal:
    """One node's journal with all of it as another program gets it."""

    view: View
    lines: list[dict[str, Any]]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A host and two stations that have quarrelled; slices are small, so that many transactions are in several."""
    dice = random.Random(8)
    places = Places(tmp_path_factory.mktemp("journal") / "places", SCHEMA, ["customers", "parts", "rare"], STATIONS)
    for station in STATIONS:
        places.enrol(station)
    places.rest(*STATIONS, HOST)
    for _ in range(9):
        for node in (HOST, *STATIONS):
            places.write(node, lambda raw: _write(raw, dice))
        for node in dice.sample([HOST, *STATIONS, HOST], 4):
            with open_node(_home(places, node), RUNTIME) as opened:
                opened.settings = replace(opened.settings, slice_bytes=1_500)
                session.run(opened)
    return places


def _home(places: Places, node: str) -> Home:
    return Home(places.home(node), Files(RUNTIME))


def _write(raw: sqlite3.Connection, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 3, 40))):
        key, word = dice.randint(1, 12), dice.choice(("Köln", "Bonn", "", None, "Ulm"))
        row = (key, word, word, dice.randbytes(dice.choice((0, 9))))
        raw.execute(
            "INSERT INTO customers VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET city = excluded.city, name = 'again'",
            row,
        )
        if dice.random() < 0.3:
            raw.execute("DELETE FROM customers WHERE id = ?", (dice.randint(1, 12),))
        if dice.random() < 0.2:
            raw.execute("INSERT OR REPLACE INTO parts VALUES (?, ?, ?)", (dice.randint(1, 3), f"p{key}", float("inf")))
        if dice.random() < 0.01:
            raw.execute("INSERT OR IGNORE INTO rare VALUES (?)", (f"r{key}",))


@pytest.fixture(scope="module", params=[HOST, "koeln"])
def journal(places: Places, request: pytest.FixtureRequest) -> Iterator[Journal]:
    with open_view(_home(places, request.param), RUNTIME) as view:
        yield Journal(view, [json.loads(line) for line in journal_export.lines(view, Filter())])


def test_an_export_is_what_stands_in_the_slices(journal: Journal) -> None:
    view = journal.view
    definitions = {number: table.definition for number, table in catalogue.load_tables(view.connection).items()}
    expected = [
        (change.n, change.order + 1, change.table, change.change, change.key_values)
        for number in journal_reading.slices_after(view.connection, 0)
        for change in journal_reading.changes_of_slice(view.connection, number, definitions)
        if change.change != WHOLE
    ]
    ids = {table.name: number for number, table in catalogue.load_tables(view.connection).items()}
    classes = {"new": "N", "changed": "C", "deleted": "D"}
    found = [
        (
            line["n"],
            line["order"],
            ids[line["table"]] if "table" in line else 0,
            classes.get(line["kind"], line["kind"]),
            tuple(line.get("key", {}).values()),
        )
        for line in journal.lines
        if line["order"]
    ]
    assert found == expected
    assert len(found) > 100
    numbers = [row[0] for row in sql.rows(view.connection, "SELECT id FROM replicator_slice WHERE whole = 0")]
    assert numbers, "no transaction goes over into a second slice"


def test_exported_lines_fit_their_schema(journal: Journal) -> None:
    schema = json.loads((schemas_folder() / "journal-1.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for line in journal.lines:
        validator.validate(line)
    assert any(line["kind"] == "rule" for line in journal.lines) == journal.view.is_host


@st.composite
def filters(draw: st.DrawFn, lines: list[dict[str, Any]]) -> Filter:
    some = draw(st.sampled_from(lines))
    rows = [line for line in lines if "table" in line]
    row = draw(st.sampled_from(rows))

    def maybe(value: Any) -> Any:
        return value if draw(st.integers(0, 3)) == 0 else None

    def spot() -> Spot | None:
        line = draw(st.sampled_from(lines))
        return maybe(Spot(line["n"], line["epoch"], draw(st.sampled_from([None, line["order"] or None]))))

    table = maybe(row["table"])
    key = tuple(map(str, row["key"].values())) if table and draw(st.booleans()) else ()
    station = maybe(some["origin"])
    numbered = some["origin_sequence"] if some["origin_sequence"] and station else None
    since, until = maybe(draw(st.sampled_from(lines))["at"]), maybe(draw(st.sampled_from(lines))["at"])
    return Filter(
        table=table,
        key=key,
        station=station,
        since=None if since is None else _microseconds(since),
        until=None if until is None else _microseconds(until),
        position=spot(),
        transaction=maybe(draw(st.sampled_from([some["transaction"], str(numbered) if numbered else None]))),
        verdict=maybe(row["verdict"]),
        after=spot(),
        before=spot(),
    )


def _microseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def _fits(line: dict[str, Any], chosen: Filter) -> bool:
    """In plain Python."""
    place = line["n"], line["order"]
    at = _microseconds(line["at"])
    row = "table" in line
    asks_for_rows = chosen.table is not None or chosen.verdict is not None
    return (
        (row or not asks_for_rows)
        and chosen.table in (None, line.get("table"))
        and (not chosen.key or chosen.key == tuple(map(str, line["key"].values())))
        and chosen.station in (None, line["origin"])
        and (chosen.since is None or at >= chosen.since)
        and (chosen.until is None or at <= chosen.until)
        and (chosen.position is None or _at(place, chosen.position))
        and chosen.transaction in (None, line["transaction"], str(line["origin_sequence"] or line["n"]))
        and chosen.verdict in (None, line.get("verdict"))
        and (chosen.after is None or place > (chosen.after.n, chosen.after.entry or 1 << 40))
        and (chosen.before is None or place < (chosen.before.n, chosen.before.entry or -1))
    )


def _at(place: tuple[int, int], spot: Spot) -> bool:
    return place[0] == spot.n and spot.entry in (None, place[1])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_filters_and_pages(journal: Journal, data: st.DataObject) -> None:
    chosen = data.draw(filters(journal.lines))
    limit, newest = data.draw(st.sampled_from([1, 3, 50, ALL])), data.draw(st.booleans())
    bound = data.draw(st.sampled_from([0, 60_000, 1 << 60]))
    expected = [(line["n"], line["order"]) for line in journal.lines if _fits(line, chosen)]
    found: list[tuple[int, int]] = []
    asked = chosen
    while True:
        page = list_journal(journal.view, asked, limit=limit, newest=newest, bound=bound)
        assert len(page.lines) <= limit
        places = [(line.n, line.order) for line in page.lines]
        found = places + found if newest else found + places
        if page.next is None:
            break
        spot = Spot.of(page.next)
        assert spot not in (asked.before, asked.after), "it goes on where it was"
        asked = replace(asked, before=spot) if newest else replace(asked, after=spot)
    assert found == expected


def test_slices_of_an_earlier_version_are_looked_through(places: Places) -> None:
    """They tell nothing of what is in them."""
    with open_node(_home(places, HOST), RUNTIME) as node, node.unit() as unit:
        (middle,) = sql.rows(unit.connection, "SELECT max(id) / 2 FROM replicator_slice")[0]
        kept = _everything(unit.connection)
        sql.run(unit.connection, "UPDATE replicator_slice SET first_at = NULL, last_at = NULL WHERE id <= ?", (middle,))
        slice_index.delete(unit.connection, middle)
        assert _everything(unit.connection) != kept
    with open_view(_home(places, HOST), RUNTIME) as view:
        lines = [json.loads(line) for line in journal_export.lines(view, Filter())]
        for chosen in (
            Filter(table="rare"),
            Filter(station="bonn", verdict="returned"),
            Filter(table="customers", key=("3",)),
        ):
            page = list_journal(view, chosen, limit=ALL, bound=1 << 60)
            assert [(line.n, line.order) for line in page.lines] == [
                (line["n"], line["order"]) for line in lines if _fits(line, chosen)
            ]


def _everything(connection: Any) -> list[Any]:
    return sql.rows(connection, "SELECT table_id, slice FROM replicator_slice_table")
