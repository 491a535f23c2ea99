"""host-run and remote-run that go on until they are stopped (--every): real processes, through the console script."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from processes import Computer, equal, exchange, invite, lines, new_host, until

Lasting: TypeAlias = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def office(tmp_path: Path) -> Computer:
    return new_host(tmp_path)


@pytest.fixture
def koeln(office: Computer) -> Computer:
    """Set up; its first run is still to come."""
    return invite(office, "koeln", up="new,changed")


@pytest.fixture
def lasting() -> Iterator[Lasting]:
    """`lasting(computer)` starts a run every 30 seconds; all are ended afterwards."""
    started = []

    def start(computer: Computer, every: str = "30s", **options: Any) -> subprocess.Popen[str]:
        process = computer.start(computer.run_command, "--every", every, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_every_carries_mail_as_it_comes(office: Computer, koeln: Computer, lasting: Lasting) -> None:
    exchange(office, koeln)
    host, station = lasting(office, "1s"), lasting(koeln, "1h")
    office.sql("UPDATE customers SET city = 'Fulda'")
    # The station's next run is an hour away, but mail is noticed.
    until(lambda: equal(office, koeln))
    office.done("station", "set", "koeln", "--title", "Köln")
    assert "Köln" in office.done("station", "list")
    for process in (host, station):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        # A run may have met one of the commands above, and says so.
        said = [line for line in err.splitlines() if "works on the node" not in line and "all is well" not in line]
        assert (process.returncode, said) == (0, ["replicator: stopped; nothing is lost"])
        assert re.search(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  .*mail", out), out
        assert "nothing to do" not in out


def runs_of(computer: Computer) -> int:
    """How many have ended, by the log."""
    log = computer.home / "log" / "replicator.log"
    return log.read_text(encoding="utf-8").count(" run of ") if log.exists() else 0


def test_what_the_application_writes_goes_at_once(office: Computer, koeln: Computer, lasting: Lasting) -> None:
    """Both ways, with regular runs an hour apart."""
    exchange(office, koeln)
    before = runs_of(office), runs_of(koeln)
    host, station = lasting(office, "1h"), lasting(koeln, "1h")
    until(lambda: runs_of(office) > before[0] and runs_of(koeln) > before[1])
    office.sql("UPDATE customers SET city = 'Fulda' WHERE id = 1")
    until(lambda: equal(office, koeln))
    koeln.sql("INSERT INTO customers VALUES (50, 'Cramer', 'Hof')")
    until(lambda: ("Cramer",) in office.sql("SELECT name FROM customers"))
    assert equal(office, koeln)
    # What is not replicated is nobody's business.
    before = runs_of(office), runs_of(koeln)
    office.sql("INSERT INTO logbook VALUES ('x')")
    time.sleep(4)
    assert runs_of(koeln) <= before[1] + 1, "one at most, for the acknowledgement"
    assert host.poll() is station.poll() is None


def test_a_busy_application_does_not_cause_a_run_for_each_transaction(
    office: Computer, koeln: Computer, lasting: Lasting
) -> None:
    exchange(office, koeln)
    before = runs_of(office)
    lasting(office, "1h")
    until(lambda: runs_of(office) > before)
    mails = len(koeln.mails())
    for number in range(100, 180):
        office.sql("INSERT INTO customers VALUES (?, 'Busy', 'Hof')", number)
        time.sleep(0.05)

    def all_came() -> bool:
        koeln.run()
        return equal(office, koeln)

    until(all_came, step=1)
    assert runs_of(office) - before < 20
    assert len(koeln.mails()) - mails < 20


def test_every_goes_on_after_trouble_and_tells_it_once(office: Computer, koeln: Computer, lasting: Lasting) -> None:
    mail = office.folder / "mail"
    said = office.folder / "said"
    process = lasting(office, "1s", stderr=said.open("w"))
    until(lambda: bool(koeln.mails()))
    mail.rename(office.folder / "unplugged")
    mail.write_text("a file where the folder was")
    time.sleep(6)
    mail.unlink()
    (office.folder / "unplugged").rename(mail)
    until(lambda: "all is well again" in said.read_text())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert len(said.read_text().splitlines()) == 3, said.read_text()
    trouble, well, stopped = said.read_text().splitlines()
    assert "mail folder" in trouble
    assert "next try in 1 s" in trouble
    assert well.endswith("all is well again")
    assert stopped.endswith("nothing is lost")
    exchange(koeln, office)
    assert equal(office, koeln)


def test_every_waits_for_a_locked_database(office: Computer, koeln: Computer, lasting: Lasting) -> None:
    exchange(office, koeln)
    with closing(sqlite3.connect(office.database_file)) as held:
        held.execute("BEGIN IMMEDIATE")
        held.execute("UPDATE customers SET city = 'Gera'")
        process = lasting(office, "1s")
        time.sleep(8)
        held.execute("COMMIT")
    until(lambda: bool(koeln.mails()))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert "locked by another program" in err.splitlines()[0]
    assert err.count("locked by another program") == 1
    koeln.run()
    assert equal(office, koeln)


def test_lines_come_at_once(office: Computer, koeln: Computer, lasting: Lasting) -> None:
    """A lasting run in a pipe must not keep its lines for itself."""
    process = lasting(office)
    assert "initial load" in next(lines(process))
