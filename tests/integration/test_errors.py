"""What goes wrong outside: one line that says what to do, the right exit code, no traceback, and nothing is lost.

Each test ends by taking the cause away and running again: then all is equal.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from processes import Computer, exchange, invite, new_host

from tests.integration import disks
from tests.integration.disks import room

TABLES = ("customers", "orders")
MEGABYTE = 1_000_000


@pytest.fixture
def office(tmp_path: Path) -> Computer:
    return new_host(tmp_path)


@pytest.fixture
def koeln(office: Computer) -> Computer:
    return invite(office, "koeln")


def ends_well(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln, rounds=3)
    for table in TABLES:
        assert office.rows(table) == koeln.rows(table) != []


def many_customers(computer: Computer, count: int = 5000) -> None:
    rows = [(number, secrets.token_hex(30), secrets.token_hex(100)) for number in range(10, 10 + count)]
    computer.many("INSERT INTO customers VALUES (?, ?, ?)", rows)


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path / "disk", 30) as folder:
        yield folder


def test_a_full_disk(small_disk: Path) -> None:
    """At a few fillings the database, the spool, the side file or the mail folder is the first that has no room."""
    office = new_host(small_disk)
    koeln = invite(office, "koeln")
    many_customers(office)
    for computer in (office, koeln):
        computer.configure(reserve_bytes=0)
    reasons = set()
    for computer, lefts in ((office, (0, 60_000, 2 * MEGABYTE, 4 * MEGABYTE)), (koeln, (60_000, MEGABYTE))):
        for left in lefts:
            with room(small_disk, left):
                result = computer.call(computer.run_command)
                if result.code == 0:
                    continue
            assert (result.code, result.out, result.err.count("\n")) == (1, "", 1), result
            assert "full" in result.err, result.err
            assert "make room" in result.err, result.err
            reasons.add(result.err.replace(str(small_disk), "")[:30])
        exchange(computer, rounds=1)
    assert len(reasons) >= 2, reasons
    ends_well(office, koeln)


def test_a_disk_that_is_nearly_full_is_left_to_the_database(office: Computer, koeln: Computer) -> None:
    exchange(office, rounds=1)
    koeln.configure(reserve_bytes=10**15)
    sentence = koeln.refused("remote-run", code=1)
    assert "nearly full" in sentence
    assert "make room and try again, nothing is lost" in sentence
    koeln.configure(reserve_bytes=0)
    ends_well(office, koeln)


def no_file_over(size: int) -> Callable[[], None]:
    import resource

    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.skipif(os.name == "nt", reason="has no such limit")
@pytest.mark.parametrize("size", [100, 20_000, 300_000])
def test_files_that_may_not_grow(office: Computer, koeln: Computer, size: int) -> None:
    many_customers(office, 3000)
    for computer in (office, koeln):
        result = computer.call(computer.run_command, preexec_fn=no_file_over(size))
        assert (result.code, result.out, result.err.count("\n")) == (1, "", 1), result
        exchange(computer, rounds=1)
    ends_well(office, koeln)


# --- the database -----------------------------------------------------------------------------------------------------


def test_a_locked_database(office: Computer, koeln: Computer) -> None:
    with closing(sqlite3.connect(office.database_file)) as other:
        other.execute("BEGIN IMMEDIATE")
        sentence = office.refused("host-run", code=1)
    assert sentence == f"The database {office.database_file} is locked by another program: try again."
    ends_well(office, koeln)


def test_a_database_that_is_gone_or_another_or_no_database(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln)
    aside = office.folder / "aside.db"
    office.database_file.rename(aside)
    assert "is missing: put it back" in office.refused("host-run", code=1)
    assert not office.database_file.exists()
    sqlite3.connect(office.database_file).execute("CREATE TABLE t (x)").connection.close()
    assert "tables are missing from this database" in office.refused("host-run", code=1)
    office.database_file.write_bytes(b"This is no database. " * 100)
    assert "not an SQLite database: check the database URL" in office.refused("host-run", code=1)
    aside.replace(office.database_file)
    ends_well(office, koeln)


def test_our_tables_are_missing_or_newer(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln)
    office.sql("ALTER TABLE replicator_peer RENAME TO gone")
    assert "replicator_peer is missing from this database; restore it" in office.refused("host-run", code=1)
    office.sql("ALTER TABLE gone RENAME TO replicator_peer")
    ((version,),) = office.sql("SELECT version_num FROM replicator_version")
    office.sql("UPDATE replicator_version SET version_num = '0999'")
    assert "install the program's newer version" in office.refused("host-run", code=1)
    office.sql("UPDATE replicator_version SET version_num = ?", version)
    ends_well(office, koeln)


def test_files_of_a_newer_program(office: Computer, koeln: Computer) -> None:
    file = koeln.home / "replicator.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("format = 1", "format = 2"), encoding="utf-8")
    assert "newer version of the program; update this one" in koeln.refused("remote-run", code=2)
    file.write_text(text + "\n[nonsense]\n", encoding="utf-8")
    assert "'nonsense' is unknown" in koeln.refused("remote-run", code=2)
    file.write_text(text, encoding="utf-8")
    ends_well(office, koeln)


# --- the application's tables -----------------------------------------------------------------------------------------


def person(computer: Computer) -> str:
    """A run that does what it can, and then says that a person has to do something."""
    result = computer.call(computer.run_command)
    assert (result.code, result.err) == (3, ""), result
    assert "for a person; see: replicator status" in result.out
    assert computer.call("status").code == 3
    return result.out


def see_to_it(computer: Computer) -> None:
    numbers = computer.sql("SELECT id FROM replicator_notice WHERE waiting")
    for (number,) in numbers:
        computer.here("status", "--done", str(number))


@pytest.mark.parametrize("spoil", ["dropped", "changed"])
def test_a_table_spoiled_at_the_station(office: Computer, koeln: Computer, spoil: str) -> None:
    exchange(office, koeln)
    shutil.copy(koeln.database_file, koeln.folder / "saved.db")
    ((schema,),) = koeln.sql("SELECT sql FROM sqlite_schema WHERE name = 'orders'")
    saved = koeln.rows("orders")
    koeln.sql("DROP TABLE orders" if spoil == "dropped" else "ALTER TABLE orders RENAME COLUMN note TO remark")
    office.sql("INSERT INTO orders VALUES (2, 2, 'new', NULL)")
    koeln.sql("INSERT INTO customers VALUES (3, 'Cordes', NULL)")
    exchange(office, rounds=1)
    told = person(koeln)
    assert ("is gone from this database" if spoil == "dropped" else "has no column note") in told
    waits = "what has come waits until table orders is in order"
    assert (waits if spoil == "dropped" else "see: replicator quarantine list") in told
    exchange(office, rounds=1)
    assert (3, "Cordes", None) in office.rows("customers"), "all else goes on"
    if spoil == "dropped":
        koeln.sql(schema)
        koeln.many("INSERT INTO orders VALUES (?, ?, ?, ?)", saved)
    else:
        koeln.sql("ALTER TABLE orders RENAME COLUMN remark TO note")
        koeln.here("quarantine", "retry")  # else by itself, a minute after it was set aside
        koeln.call("remote-run")
        exchange(office, rounds=1)
    koeln.call("remote-run")
    see_to_it(koeln)
    ends_well(office, koeln)


def test_a_table_dropped_at_the_host(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln)
    saved = office.rows("orders")
    ((schema,),) = office.sql("SELECT sql FROM sqlite_schema WHERE name = 'orders'")
    office.sql("DROP TABLE orders")
    koeln.sql("INSERT INTO orders VALUES (2, 2, 'from koeln', NULL)")
    lager = invite(office, "lager", what="customers")
    exchange(koeln, rounds=1)
    assert "table orders is gone from this database" in person(office)
    exchange(lager, rounds=1)
    assert lager.rows("customers") == office.rows("customers"), "all else goes on"
    office.sql(schema)
    office.many("INSERT INTO orders VALUES (?, ?, ?, ?)", saved)
    office.call("host-run")
    see_to_it(office)
    ends_well(office, koeln)


def test_a_trigger_removed(office: Computer, koeln: Computer) -> None:
    exchange(office, koeln)
    names = office.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'customers'")
    for (name,) in names:
        office.sql(f"DROP TRIGGER {name}")
    office.sql("UPDATE customers SET city = 'unseen' WHERE id = 1")
    told = person(office)
    assert "has lost the trigger" in told
    assert "its triggers were made anew" in told
    assert len(office.sql("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'customers'")) == len(
        names
    )
    see_to_it(office)
    # As it said: write the rows again.
    office.sql("UPDATE customers SET city = city || ''")
    office.sql("UPDATE customers SET city = 'seen' WHERE id = 1")
    ends_well(office, koeln)


# --- permissions ------------------------------------------------------------------------------------------------------

AS_NOBODY = """
import contextlib, encodings.ascii, encodings.idna, encodings.latin_1, io, os, sys
from replicator.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main.run(["status"])  # all modules are loaded: Python itself may be closed to others
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main.run(sys.argv[1:]))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Unlike pytest's, open to other users."""
    folder = Path(tempfile.mkdtemp(prefix="replicator-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("what", ["home", "key", "database", "mail"])
def test_no_permission(open_folder: Path, what: str) -> None:
    """As another user, who may use all but one thing."""
    office = new_host(open_folder)
    koeln = invite(office, "koeln")
    exchange(office, koeln)
    office.sql("UPDATE customers SET city = 'Emden'")
    refused = {
        "home": office.home,
        "key": office.home / "identity.key",
        "database": office.database_file,
        "mail": office.folder / "mail",
    }[what]
    for path in (office.folder, *office.folder.rglob("*")):
        shutil.chown(path, 65534, 65534)
    for path in (refused, *refused.rglob("*")):
        shutil.chown(path, 0, 0)
        path.chmod(0o700 if path.is_dir() else 0o600)
    sentence = office.refused("host-run", code=1, program=[sys.executable, "-c", AS_NOBODY])
    assert "permission" in sentence or "this user may use the file" in sentence
    assert str(refused) in sentence
    ends_well(office, koeln)
