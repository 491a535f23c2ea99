"""An application that writes every 50 ms gets its turn while runs go on, and what it writes meanwhile is not lost.

How long it waits is a figure, not a test: `make bench`, subject `waiting`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import PATIENCE, Computer, exchange, invite, new_host, until

SCHEMA = """
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, number TEXT NOT NULL, name TEXT, street TEXT, city TEXT, country TEXT,
        discount NUMERIC, born DATE, remark TEXT
    );
    CREATE TABLE clicks (id INTEGER PRIMARY KEY, at REAL);
"""

APPLICATION = """
import json, sqlite3, sys, time
path, first = sys.argv[1], int(sys.argv[2])
connection = sqlite3.connect(path, timeout=60, isolation_level=None)
# Its own waiting for the disk is not what is measured.
connection.execute("PRAGMA synchronous = OFF")
waits, number = [], first
print("ready", flush=True)
while True:
    start = time.monotonic()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO clicks VALUES (?, ?)", (number, start))
    connection.execute("COMMIT")
    waits.append(time.monotonic() - start)
    print(json.dumps(waits[-1]), flush=True)
    number += 1
    time.sleep(0.05)
"""


def customer(number: int) -> tuple[object, ...]:
    return (
        number,
        f"K{number:07d}",
        f"Name {number * 7919 % 100_003}",
        f"Street {number % 977} {number % 89}",
        f"City {number % 313}",
        "DE",
        number % 30 / 10,
        f"19{number % 90 + 10}-0{number % 9 + 1}-1{number % 10}",
        None if number % 3 else f"remark {number}",
    )


class Waits(list[float]):
    """Seconds that each write took; whole when the application has been stopped."""


@contextlib.contextmanager
def application(computer: Computer, first: int) -> Iterator[Waits]:
    """The application at work; `clicks` are its rows from number `first` on."""
    command = [sys.executable, "-c", APPLICATION, str(computer.database_file), str(first)]
    out = computer.folder / f"waits-{computer.name}-{first}"
    waits = Waits()
    with out.open("w") as file:
        process = subprocess.Popen(command, stdout=file)
    try:
        until(lambda: out.read_text().count("\n") > 3)
        yield waits
        # One more write has to come to its end: the longest wait might be going on.
        written = out.read_text().count("\n")
        until(lambda: out.read_text().count("\n") > written + 1)
    finally:
        process.kill()
        process.wait()
    waits += map(json.loads, out.read_text().split("\n")[1:-1])


def run(computer: Computer) -> None:
    """One synchronisation, in a process of its own."""
    process = computer.start(computer.run_command)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, ""), (out, err)


def got_turns(waits: Waits, what: str) -> None:
    print(f"{what}: {len(waits)} writes, the longest took {max(waits) * 1000:.0f} ms")
    assert len(waits) > 6, "a few before and after the run, and some during it"


@pytest.fixture
def office(tmp_path: Path) -> Computer:
    return new_host(tmp_path, SCHEMA, ("customers", "clicks"))


def add_customers(computer: Computer, start: int, count: int) -> None:
    rows = [customer(number) for number in range(start, start + count)]
    computer.many(f"INSERT INTO customers VALUES ({', '.join('?' * 9)})", rows)


def test_an_initial_load_at_the_host(tmp_path: Path) -> None:
    """100,000 rows that stood there before they were replicated."""
    office = Computer(tmp_path, "office")
    office.script(SCHEMA)
    add_customers(office, 0, 100_000)
    office.here("host-init", *office.options, "--address", office.address)
    office.here("table", "add", "customers", "clicks")
    koeln = invite(office, "koeln")
    with application(office, 0) as waits:
        run(office)
    got_turns(waits, "initial load at the host")
    # The station's first load is one transaction, announced by the invitation.
    koeln.script("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    koeln.run()
    assert koeln.sql("SELECT count(*) FROM customers") == [(100_000,)]
    exchange(office, koeln)
    assert koeln.rows("clicks") == office.rows("clicks")


def test_a_station_takes_a_day_of_changes(office: Computer) -> None:
    """Transaction after transaction: none is long, but the application has to get a turn between them."""
    koeln = invite(office, "koeln")
    exchange(office, koeln)
    for start in range(0, 60_000, 5_000):
        add_customers(office, start, 5_000)
        office.here("host-run")
    with application(koeln, 1_000_000) as waits:
        run(koeln)
    got_turns(waits, "a station applies 60,000 changes")
    exchange(office, koeln)
    assert koeln.rows("customers") == office.rows("customers")
    assert koeln.rows("clicks") == office.rows("clicks")


def test_the_host_judges_a_day_of_changes(office: Computer) -> None:
    koeln = invite(office, "koeln")
    exchange(office, koeln)
    for start in range(0, 60_000, 5_000):
        add_customers(koeln, start, 5_000)
        koeln.here("remote-run")
    with application(office, 0) as waits:
        run(office)
    got_turns(waits, "the host judges 60,000 changes")
    exchange(koeln, office)
    assert koeln.rows("customers") == office.rows("customers")


@pytest.mark.parametrize("role", ["office", "koeln"])
def test_a_day_of_changes_is_collected(office: Computer, role: str) -> None:
    koeln = invite(office, "koeln")
    exchange(office, koeln)
    computer = office if role == "office" else koeln
    for start in range(0, 20_000, 1_000):
        add_customers(computer, start, 1_000)
    with application(computer, 0) as waits:
        run(computer)
    got_turns(waits, f"{computer.run_command} collects 20,000 changes")
