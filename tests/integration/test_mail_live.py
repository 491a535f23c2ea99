"""host-run and remote-run --every at real mail servers: changes are at the other side soon, also after trouble.

Regular runs are an hour apart: what goes is noticed. How long it takes is printed, not tested.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mail_nodes import new_host, new_station, settled
from processes import Computer, equal, until

from tests.servers.farm import MailFarm

Lasting = Callable[[Computer, str], subprocess.Popen[str]]


@pytest.fixture
def farm(clean_mail_farm: MailFarm) -> MailFarm:
    return clean_mail_farm


@pytest.fixture
def office(farm: MailFarm, tmp_path: Path) -> Computer:
    return new_host(farm, tmp_path, ("imaps", "smtps"))


@pytest.fixture
def station(farm: MailFarm, office: Computer) -> Computer:
    station = new_station(farm, office, "remote1", ("imap", "smtp"))
    settled(farm, office, station)
    return station


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Lasting]:
    """`lasting(computer, every)`: it has done its first run. What it says on stderr is in `tmp_path`/NAME.said."""
    started = []

    def start(computer: Computer, every: str) -> subprocess.Popen[str]:
        before = runs_of(computer)
        process = computer.start(
            *(computer.run_command, "--every", every),
            stdout=subprocess.DEVNULL,
            stderr=said_by(computer).open("w"),
        )
        started.append(process)
        until(lambda: runs_of(computer) > before)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def said_by(computer: Computer) -> Path:
    return computer.folder / f"{computer.name}.said"


def runs_of(computer: Computer) -> int:
    """How many have ended, by the log."""
    log = computer.home / "log" / "replicator.log"
    return log.read_text(encoding="utf-8").count(" run of ") if log.exists() else 0


def there_and_back(office: Computer, station: Computer, number: int) -> tuple[float, float]:
    """Seconds from a change at the host to the station's database, and from one there to the host's."""
    began = time.monotonic()
    office.sql("INSERT INTO customers VALUES (?, 'from the host', NULL)", number)
    until(lambda: equal(office, station))
    there = time.monotonic()
    station.sql("UPDATE customers SET city = 'Fulda' WHERE id = ?", number)
    until(lambda: ("Fulda",) in office.sql("SELECT city FROM customers WHERE id = ?", number))
    return there - began, time.monotonic() - there


def test_a_change_is_at_the_other_side_soon(office: Computer, station: Computer, lasting: Lasting) -> None:
    host, remote = lasting(office, "1h"), lasting(station, "1h")
    for number in range(100, 103):
        there, back = there_and_back(office, station, number)
        print(f"to the station {there:.1f} s, to the host {back:.1f} s")
    assert host.poll() is remote.poll() is None
    assert said_by(office).read_text() == said_by(station).read_text() == ""


def test_servers_that_were_restarted_while_both_waited(
    farm: MailFarm, office: Computer, station: Computer, lasting: Lasting
) -> None:
    lasting(office, "1h")
    lasting(station, "1h")
    there_and_back(office, station, 100)
    for server in (farm.dovecot, farm.postfix):
        server.kill()
    farm.start_dovecot()
    farm.start_postfix()
    there, back = there_and_back(office, station, 101)
    print(f"after a restart: to the station {there:.1f} s, to the host {back:.1f} s")


def test_a_server_that_is_down_is_told_once_and_what_waits_goes_later(
    farm: MailFarm, office: Computer, station: Computer, lasting: Lasting
) -> None:
    lasting(office, "2s")
    farm.postfix.kill()
    office.sql("INSERT INTO customers VALUES (100, 'waits', NULL)")
    until(lambda: "next try in 2 s" in said_by(office).read_text())
    log = office.home / "log" / "replicator.log"
    until(lambda: "next try in 4 s" in log.read_text(encoding="utf-8"))
    farm.start_postfix()
    until(lambda: "all is well again" in said_by(office).read_text())
    farm.settle()
    station.here("remote-run")
    assert equal(office, station)
    assert len(said_by(office).read_text().splitlines()) == 2
