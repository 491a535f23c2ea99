"""Number ranges in band: set at the host, granted by mail, drawn offline, refilled early, given back, restored."""

from __future__ import annotations

from typing import Any

import pytest

from replicator.engine import session
from replicator.errors import Halted
from replicator.operations.opening import open_node
from replicator.runtime import Runtime
from replicator.store import number_spans
from replicator.store.files import Files
from replicator.store.home import Home
from tests.integration.command_line import Place, enrol, exchange
from tests.integration.conftest import NewPlace

INVOICES = "CREATE TABLE invoices (id VARCHAR(20) PRIMARY KEY, number INTEGER, note VARCHAR(50))"


def joined(new_place: NewPlace, kind: str = "sqlite") -> tuple[Place, Place]:
    office, station = new_place("sqlite", "office"), new_place(kind, "koeln")
    office.sql(INVOICES)
    office.sql("INSERT INTO invoices VALUES ('old', 40, 'before')")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "invoices")
    enrol(office, station)
    return office, station


def set_numbers(office: Place, *options: str) -> None:
    for node in ("Zentrale", "koeln"):
        office.done("numbers", "set", node, "invoices", "--column", "number", "--block", "10", *options)


def numbers_of(place: Place) -> list[int]:
    return sorted(number for (number,) in place.sql("SELECT number FROM invoices"))


def parts(place: Place) -> dict[str, dict[str, Any]]:
    """By node, of the newest range."""
    return {each["node"]: each for each in place.done("numbers", "list", "--json").json}


def draw(place: Place, count: int, prefix: str) -> None:
    for number in range(count):
        place.sql(f"INSERT INTO invoices (id, note) VALUES ('{prefix}{number}', 'x')")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_host_and_station_draw_offline_and_no_number_comes_twice(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    set_numbers(office)
    exchange(office, station)
    draw(office, 12, "z")
    draw(station, 20, "k")
    with pytest.raises(Exception, match=r"invoices\.number: no number is left here"):
        station.sql("INSERT INTO invoices (id) VALUES ('too many')")
    told = station.call("status")
    assert told.code == 3
    assert "no number of invoices.number is left here" in " ".join(told.out.split())
    exchange(station, office)
    exchange(station, office)
    assert numbers_of(station) == numbers_of(office)
    assert numbers_of(office) == [*range(40, 51), *range(51, 53), *range(61, 81)]
    assert parts(station)["koeln"]["left"] == 20
    draw(station, 15, "l")
    draw(office, 15, "y")
    exchange(station, office)
    assert len(set(numbers_of(office))) == len(numbers_of(office)) == 1 + 12 + 20 + 15 + 15


def test_more_comes_before_the_first_block_ends(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    set_numbers(office)
    exchange(office, station)
    assert parts(station)["koeln"]["blocks"] == [[61, 80]]
    draw(station, 7, "k")
    exchange(station, office)
    assert parts(station)["koeln"]["left"] == 13
    draw(station, 1, "l")
    exchange(station, office)
    station.run()
    assert parts(station)["koeln"]["left"] == 22
    assert not office.run().sent.mails
    assert not station.run().sent.mails, "at rest"


def test_what_is_given_back_is_granted_next(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    set_numbers(office)
    exchange(office, station)
    draw(station, 4, "k")
    assert "16 numbers given back" in station.done("numbers", "give-back").out
    with pytest.raises(Exception, match="no number is left here"):
        station.sql("INSERT INTO invoices (id) VALUES ('none')")
    station.run()
    draw(office, 20, "z")
    office.run()
    draw(office, 8, "y")
    assert numbers_of(office) == [*range(40, 61), *range(61, 65), *range(65, 73)]
    exchange(station, office)
    assert parts(station)["koeln"]["left"] == 20


def test_an_ended_part_comes_back_by_itself(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    set_numbers(office)
    exchange(office, station)
    office.done("numbers", "end", "koeln", "invoices")
    exchange(office, station)
    exchange(station, office)
    draw(office, 20, "z")
    office.run()
    draw(office, 10, "y")
    assert numbers_of(office)[-1] == 70
    # Nobody draws there any more, and nothing is filled in.
    station.sql("INSERT INTO invoices (id) VALUES ('empty')")
    assert station.sql("SELECT number FROM invoices WHERE id = 'empty'") == [(None,)]


def test_a_restored_station_draws_nothing_of_what_it_held(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    set_numbers(office)
    exchange(office, station)
    station.back_up()
    draw(station, 3, "k")
    exchange(station, office)
    draw(station, 2, "l")
    station.put_back()
    station.run()
    with pytest.raises(Exception, match="no number is left here"):
        station.sql("INSERT INTO invoices (id) VALUES ('none')")
    exchange(station, office)
    exchange(station, office)
    draw(station, 2, "m")
    exchange(station, office)
    assert numbers_of(station) == numbers_of(office) == [40, 61, 62, 63, 81, 82]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_changed_setting_reaches_the_station_without_a_clash(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    set_numbers(office)
    exchange(office, station)
    office.done("numbers", "set", "koeln", "invoices", "--column", "number", "--block", "30", "--refill", "50%")
    office.done("numbers", "set", "Zentrale", "invoices", "--column", "number", "--from", "1000")
    draw(office, 20, "z")
    exchange(office, station)
    draw(office, 1, "y")
    exchange(station, office)
    station.run()
    assert parts(station)["koeln"]["left"] > 45
    draw(station, 21, "k")
    exchange(station, office)
    found = numbers_of(office)
    assert found[:41] == list(range(40, 81))
    assert found[41] >= 1000
    assert len(set(found)) == len(found) == 43
    told = office.call("numbers", "set", "koeln", "invoices", "--column", "number", "--from", "500")
    assert told.code == 2
    assert "have been granted" in told.err


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_new_text_is_a_new_range_and_what_is_left_of_the_old_one_comes_back(new_place: NewPlace, kind: str) -> None:
    office, station = new_place(kind, "office"), new_place(kind, "koeln")
    office.sql("CREATE TABLE invoices (id VARCHAR(20) PRIMARY KEY, number VARCHAR(30), note VARCHAR(50))")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "invoices")
    enrol(office, station)
    set_numbers(office, "--text", "RE-2026-{n:04}")
    exchange(office, station)
    draw(station, 2, "k")
    set_numbers(office, "--text", "RE-2027-{n:04}")
    exchange(office, station)
    draw(station, 2, "l")
    draw(office, 1, "z")
    exchange(station, office)
    assert station.sql("SELECT number FROM invoices ORDER BY id") == [
        ("RE-2026-0021",),
        ("RE-2026-0022",),
        ("RE-2027-0021",),
        ("RE-2027-0022",),
        ("RE-2027-0001",),
    ]


def test_what_can_not_be_is_said_in_one_line(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    for words, *options in (
        ("say which column", "--block", "10"),
        ("say how many numbers", "--column", "number"),
        ("--block 0 is no number", "--column", "number", "--block", "0"),
        ("not negative", "--column", "number", "--block", "10", "--from", "-5"),
        ("has no column", "--column", "nothing", "--block", "10"),
        ("part of the primary key", "--column", "id", "--block", "10"),
        ("begin with --from 41", "--column", "number", "--block", "10", "--from", "7"),
        ("has no room there", "--column", "number", "--block", "10", "--text", "R-{n}"),
        ("needs one place", "--column", "number", "--block", "10", "--text", "R"),
        ("does not go with", "--column", "number", "--block", "10", "--fill-when", "''"),
        ("write null, 0 or ''", "--column", "number", "--block", "10", "--fill-when", "1"),
        ("write 25%", "--column", "number", "--block", "10", "--refill", "much"),
    ):
        told = office.call("numbers", "set", "koeln", "invoices", *options)
        assert (told.code, words in told.err) == (2, True), told.err
    assert office.done("numbers", "list", "--json").json == []
    told = office.call("numbers", "set", "host", "invoices", "--column", "number", "--block", "10")
    assert (told.code, "this host is Zentrale" in told.err) == (2, True), "the host's own name is not known by heart"
    told = office.call("numbers", "end", "koeln", "invoices", "--column", "note")
    assert (told.code, "no number range of invoices.note" in told.err) == (2, True)
    exchange(office, station)
    assert station.call("numbers", "set", "koeln", "invoices", "--column", "number", "--block", "10").code == 2


def test_a_restored_host_grants_nothing_twice(new_place: NewPlace) -> None:
    office, station = joined(new_place)
    set_numbers(office)
    exchange(office, station)
    draw(office, 2, "z")
    exchange(office, station)
    office.back_up()
    draw(station, 11, "k")
    draw(office, 11, "y")
    exchange(station, office)
    draw(station, 1, "l")
    before = parts(station)["koeln"]["blocks"]
    office.put_back()
    exchange(office, station)
    exchange(station, office)
    assert parts(station)["koeln"]["blocks"][:1] == before[:1], "the station goes on with what it holds"
    draw(station, 15, "m")
    draw(office, 15, "x")
    exchange(station, office)
    found = numbers_of(office)
    assert found == numbers_of(station)
    assert len(set(found)) == len(found) == 1 + 2 + 11 + 11 + 1 + 15 + 15


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_number_that_comes_twice_is_refused_and_on_record(new_place: NewPlace, kind: str) -> None:
    """In no way to draw does a row lose its number or get another one: a station without a part writes them by hand."""
    office, station = new_place(kind, "office"), new_place("sqlite", "koeln")
    office.sql("CREATE TABLE filled (id INTEGER PRIMARY KEY, number INTEGER UNIQUE, note VARCHAR(20))")
    office.sql("CREATE TABLE chosen (id INTEGER PRIMARY KEY, number VARCHAR(20) UNIQUE, note VARCHAR(20))")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "filled", "chosen")
    enrol(office, station)
    office.done("numbers", "set", "Zentrale", "filled", "--column", "number", "--block", "10")
    office.done(
        "numbers", "set", "Zentrale", "chosen", "--column", "number", "--block", "10", "--chosen", "--text", "RE-{n:03}"
    )
    exchange(office, station)
    office.sql("INSERT INTO filled (id, note) VALUES (1, 'office')")
    office.sql("INSERT INTO chosen (id, number, note) VALUES (1, 'RE-001', 'office')")
    station.sql("INSERT INTO filled (id, number, note) VALUES (2, 1, 'koeln')")
    station.sql("INSERT INTO chosen (id, number, note) VALUES (2, 'RE-001', 'koeln')")
    for _ in range(3):
        exchange(station, office)
    for place in (office, station):
        assert place.sql("SELECT id, number, note FROM filled") == [(1, 1, "office")]
        assert place.sql("SELECT id, number, note FROM chosen") == [(1, "RE-001", "office")]
    found = office.done("conflict", "list", "--json").json
    assert sorted((each["table"], each["kind"]) for each in found) == [
        ("chosen", "unique-refused"),
        ("filled", "unique-refused"),
    ]
    for each in found:
        shown = office.done("conflict", "show", str(each["id"]))
        assert "koeln" in shown.out


def test_a_full_column_is_asked_of_once(new_place: NewPlace) -> None:
    """Who asks for numbers when there are none hears of it when somebody has given some back."""
    office, station = new_place("sqlite", "office"), new_place("sqlite", "koeln")
    office.sql("CREATE TABLE invoices (id VARCHAR(20) PRIMARY KEY, number VARCHAR(4), note VARCHAR(50))")
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "invoices")
    enrol(office, station)
    set_numbers(office, "--text", "R-{n}")
    office.done("numbers", "set", "koeln", "invoices", "--column", "number", "--block", "70")
    exchange(office, station)
    for _ in range(4):
        exchange(station, office)
    assert parts(station)["koeln"]["left"] == 79
    for place in (station, office):
        before = len(list((office.folder / "mail").rglob("*")))
        place.done()
        assert len(list((office.folder / "mail").rglob("*"))) == before, "an idle run sends nothing"
    assert "has no numbers left that its column could hold" in " ".join(office.call("status").out.split())
    office.done("numbers", "give-back", "invoices")
    for _ in range(3):
        exchange(station, office)
    assert parts(station)["koeln"]["left"] == 99


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_the_ranges_of_a_removed_table_end_everywhere(new_place: NewPlace, kind: str) -> None:
    office, station = new_place(kind, "office"), new_place(kind, "koeln")
    office.sql(INVOICES)
    office.done("host-init", *office.options, "--address", "office@example.com", "--name", "Zentrale")
    office.done("table", "add", "invoices")
    enrol(office, station)
    set_numbers(office)
    exchange(office, station)
    draw(office, 2, "z")
    draw(station, 3, "k")
    exchange(station, office)
    office.done("rule", "set", "koeln", "invoices", "--to-remote", "none", "--to-host", "none")
    office.done("table", "remove", "invoices")
    exchange(office, station)
    for place in (office, station):
        place.sql("INSERT INTO invoices VALUES ('by hand', 777, 'any number')")
        place.sql("INSERT INTO invoices (id) VALUES ('without')")
        assert place.sql("SELECT number FROM invoices WHERE id = 'without'") == [(None,)]
    runtime = Runtime()
    with open_node(Home(office.home, Files(runtime)), runtime) as node, node.unit() as unit:
        spans = {(span.state, span.lowest, span.highest) for span in number_spans.spans(unit.connection, 1)}
        told = [event.reason for event in number_spans.events(unit.connection, 1) if event.kind == "retired"]
    assert {state for state, _, _ in spans} == {"held", "retired"}
    assert sum(last - first + 1 for state, first, last in spans if state == "held") == 2 + 3
    assert set(told) == {"table invoices is not replicated any more"}
    # Replicated once more it has a range of its own.
    office.done("table", "add", "invoices")
    office.done("numbers", "set", "Zentrale", "invoices", "--column", "number", "--block", "10")
    draw(office, 1, "anew")
    assert office.sql("SELECT number FROM invoices WHERE id = 'anew0'") == [(778,)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_another_sign_of_emptiness_counts_from_the_next_exchange_on(new_place: NewPlace, kind: str) -> None:
    office, station = joined(new_place, kind)
    set_numbers(office)
    exchange(office, station)
    draw(station, 2, "k")
    set_numbers(office, "--fill-when", "0", "--refill", "100%")
    exchange(office, station)
    station.sql("INSERT INTO invoices VALUES ('nought', 0, 'x')")
    draw(station, 1, "l")
    exchange(station, office)
    assert numbers_of(station) == numbers_of(office) == [40, 61, 62, 63, 64]
    assert parts(station)["koeln"]["left"] > 20


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_node_that_has_halted_draws_nothing(new_place: NewPlace, kind: str) -> None:
    """A clone hears that another one goes on under its name: of its blocks the other one draws."""
    office, station = joined(new_place, kind)
    set_numbers(office)
    exchange(office, station)
    draw(station, 1, "k")
    runtime = Runtime()
    with open_node(Home(station.home, Files(runtime)), runtime) as node:
        node.halt("another computer has its name")
        with pytest.raises(Halted):
            session.run(node)
    with pytest.raises(Exception, match="this node has halted and gives no numbers"):
        station.sql("INSERT INTO invoices (id) VALUES ('none')")
    station.sql("UPDATE invoices SET note = 'all else goes on' WHERE id = 'k0'")
    assert numbers_of(station) == [40, 61]
