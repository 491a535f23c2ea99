"""host-run and remote-run, once: real processes, through the console script."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from command_line import SCHEMA
from processes import Computer, equal, exchange, invite, new_host, until


@pytest.fixture
def office(tmp_path: Path) -> Computer:
    return new_host(tmp_path)


@pytest.fixture
def koeln(office: Computer) -> Computer:
    """Set up; its first run is still to come."""
    return invite(office, "koeln", up="new,changed")


def all_mail(computer: Computer) -> list[str]:
    return sorted(str(path) for path in (computer.folder / "mail").rglob("*") if path.is_file())


def test_the_first_day_by_the_readme(tmp_path: Path) -> None:
    office, koeln = Computer(tmp_path, "office"), Computer(tmp_path, "koeln")
    office.script(SCHEMA)
    office.done("host-init", *office.options, "--address", office.address)
    office.done("table", "add", "customers", "orders")
    office.done("station", "add", "koeln", "--address", koeln.address)
    office.done("rule", "set", "koeln", "all", "--to-remote", "all", "--to-host", "new,changed")
    koeln.done("remote-init", "koeln.invitation", *koeln.options)
    told = office.run()
    assert re.fullmatch(r"sent +1 mail, \d+ B, 3 rows \(1 initial load\)\n", told), told
    told = koeln.run()
    assert re.search(r"(?m)^received +1 mail", told)
    assert re.search(r"(?m)^applied +3 rows in 1 batch$", told)
    assert re.search(r"(?m)^sent +1 mail", told)
    assert equal(office, koeln)
    koeln.sql("INSERT INTO customers VALUES (3, 'Cordes', 'Köln')")
    koeln.sql("UPDATE customers SET city = 'Bonn' WHERE id = 1")
    office.sql("INSERT INTO orders VALUES (2, 2, 'from the office', x'01')")
    assert re.search(r"(?m)^collected +2 changes$", koeln.run())
    office.run()
    koeln.run()
    assert equal(office, koeln)
    assert koeln.sql("SELECT count(*) FROM orders") == [(2,)]
    assert office.sql("SELECT city FROM customers WHERE id = 1") == [("Bonn",)]
    assert "sequence" in koeln.done("status", "--json")


def test_an_idle_run_sends_nothing_and_says_so(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln, rounds=3)
    before, side = all_mail(office), (office.home / "state").read_bytes()
    for computer in (office, koeln, office, koeln):
        assert computer.run() == "nothing to do\n"
    assert all_mail(office) == before == []
    assert (office.home / "state").read_bytes() == side
    found = json.loads(office.run("--json"))
    assert (found["idle"], found["waits_for_a_person"], found["summary"]["sent"]["mails"]) == (True, False, 0)


def test_each_role_has_its_command(office: Computer, koeln: Computer) -> None:
    assert office.refused("remote-run", code=2) == "host is a host: run 'replicator host-run'"
    assert koeln.refused("host-run", code=2) == "koeln is a station: run 'replicator remote-run'"
    assert "give 30s, 5m, 2h or 1d" in office.refused("host-run", "--every", "often", code=2)
    assert "give 30s" in office.refused("host-run", "--every", "0s", code=2)


def test_a_switched_off_account_does_nothing(office: Computer, koeln: Computer) -> None:
    office.run()
    koeln.configure(enabled=False)
    before = all_mail(office)
    assert "switched off" in koeln.run()
    assert all_mail(office) == before
    koeln.configure(enabled=True)
    koeln.run()
    assert equal(office, koeln)


def test_one_process_a_node(office: Computer, koeln: Computer) -> None:
    """The second is refused with one line while the first one works; between runs nothing is locked."""
    exchange(office, koeln)
    office.sql("UPDATE customers SET city = 'x'")
    with closing(sqlite3.connect(office.database_file)) as held:
        held.execute("BEGIN IMMEDIATE")
        first = office.start("host-run")
        until((office.home / "running").exists)
        time.sleep(0.1)
        refused = office.refused("host-run", code=1)
        held.execute("ROLLBACK")
    out, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (0, ""), out
    assert refused.startswith(f"another process ({first.pid}) works on the node in {office.home}")
    koeln.run()
    assert equal(office, koeln)


def test_an_invitation_used_on_two_computers_waits_for_a_person(office: Computer) -> None:
    invitation = office.folder / "nord.invitation"
    office.here("station", "add", "nord", "--address", "nord@example.com", "--out", invitation)
    office.here("rule", "set", "nord", "all", "--to-remote", "all", "--to-host", "all")
    copy = office.folder / "copy"
    copy.write_bytes(invitation.read_bytes())
    right, wrong = Computer(office.folder, "nord"), Computer(office.folder, "thief")
    right.here("remote-init", invitation, *right.options)
    wrong.here("remote-init", copy, *wrong.options)
    exchange(right, office, wrong, rounds=1)
    result = office.call("host-run")
    assert (result.code, result.err) == (3, "")
    assert "used a second time" in result.out
    assert "1 thing waits for a person; see: replicator status" in result.out
    assert wrong.rows("customers") == []
    assert "used a second time" in office.call("status").out
    again = office.call("host-run")
    assert (again.code, "used a second time" in again.out) == (3, False), "told once, and still waiting"


def test_resend_now(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln)
    office.sql("UPDATE customers SET city = 'lost'")
    office.run()
    for mail in koeln.mails():
        mail.unlink()
    assert koeln.run() == office.run() == "nothing to do\n"
    assert "sent" in office.run("--resend-now")
    koeln.run()
    assert equal(office, koeln)


def test_a_load_that_comes_in_pieces_tells_how_far_it_is(office: Computer, koeln: Computer) -> None:
    office.configure(part_bytes=10_000)
    office.many(
        "INSERT INTO customers VALUES (?, ?, NULL)", [(number, os.urandom(30).hex()) for number in range(10, 3000)]
    )
    assert re.search(r"sent +\d+ mails", office.run())
    mails = koeln.mails()
    assert len(mails) > 5
    late = office.folder / "late"
    late.mkdir()
    for mail in mails[3:]:
        mail.rename(late / mail.name)
    assert f"initial load from host: 3 of {len(mails)} parts" in koeln.run()
    (arriving,) = json.loads(koeln.run("--json"))["arriving"]
    assert (arriving["parts"], arriving["parts_expected"], arriving["initial_load"]) == (3, len(mails), True)
    for mail in late.iterdir():
        mail.rename(koeln.inbox / mail.name)
    koeln.run()
    assert equal(office, koeln)


def test_what_a_crash_left_in_the_spool_goes(office: Computer, koeln: Computer) -> None:
    orphan = office.home / "spool" / "segments" / "ab" / ("ab" * 32)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"left by a crash")
    assert json.loads(office.run("--json"))["swept"] == 1
    assert not orphan.exists()


# --- on a terminal ----------------------------------------------------------------------------------------------------


def on_a_terminal(computer: Computer) -> str:
    """All that a run shows on a screen."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    process = computer.start(computer.run_command, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # Linux tells the end of a terminal so
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    assert process.wait(timeout=60) == 0
    return shown.decode()


def test_bars_on_a_terminal_and_none_in_a_pipe(office: Computer, koeln: Computer) -> None:
    office.many("INSERT INTO customers VALUES (?, 'x', NULL)", [(number,) for number in range(10, 20_000)])
    shown = on_a_terminal(office)
    assert "initial load for koeln" in shown
    assert "19,993 of 19,993 rows" in shown
    assert "to koeln" in shown
    shown = on_a_terminal(koeln)
    assert "applying from host" in shown
    result = office.call("host-run")
    assert result.err == ""
    assert "\x1b" not in result.out


def test_many_small_mails_are_seen_coming(office: Computer, koeln: Computer) -> None:
    """Each is a batch of its own, so that no bar of one batch would stay on screen."""
    exchange(office, koeln)
    for number in range(100, 112):
        office.sql("INSERT INTO customers VALUES (?, 'x', NULL)", number)
        office.here("host-run")
    count = len(koeln.mails())
    assert count >= 12
    shown = on_a_terminal(koeln)
    assert "fetching" in shown
    assert f"{count} of {count} mails, " in shown
    assert equal(office, koeln)


# --- the invitation's key ---------------------------------------------------------------------------------------------


def test_a_mail_under_the_forgotten_key_of_the_invitation_is_dropped_and_no_other(
    office: Computer, koeln: Computer
) -> None:
    """It was taken before and came again (a POP3 session without QUIT), or it comes again under the new key."""
    office.here("host-run")
    (first,) = koeln.mails()
    again = first.read_bytes()
    exchange(koeln, office)
    first.write_bytes(again)
    told = json.loads(koeln.run("--json"))
    assert told["news"] == []
    assert told["summary"]["received"]["set_aside"] == 0
    assert first not in koeln.mails()
    # Another node's mail is none of ours, whoever sent it.
    fulda = invite(office, "fulda")
    office.here("host-run")
    (foreign,) = fulda.mails()
    (koeln.inbox / "foreign").write_bytes(foreign.read_bytes())
    told = json.loads(koeln.run("--json"))
    assert told["summary"]["received"]["set_aside"] == 1


# --- stopped, and written down ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_single_run_stops_with_one_line(office: Computer, koeln: Computer, number: signal.Signals) -> None:
    with closing(sqlite3.connect(office.database_file)) as held:
        held.execute("BEGIN IMMEDIATE")
        process = office.start("host-run")
        until((office.home / "running").exists)
        time.sleep(0.2)
        process.send_signal(number)
        time.sleep(0.2)
        held.execute("ROLLBACK")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, "replicator: stopped; nothing is lost\n"), out
    exchange(office, koeln)
    assert equal(office, koeln)


def test_the_log_has_a_line_for_each_run(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln)
    log = (koeln.home / "log" / "replicator.log").read_text(encoding="utf-8")
    runs = [line for line in log.splitlines() if "run of" in line]
    assert len(runs) == 2
    assert "applied 1 batches, 3 rows" in runs[0]
    assert "Ahlers" not in log
