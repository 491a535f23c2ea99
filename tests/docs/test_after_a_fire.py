"""The page 'After a fire' played with real processes: what it tells to type, and what it says of the outcome."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from consoles import shell

PAGE = (Path(__file__).parents[2] / "docs" / "restoring.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## After a fire\n")[2].partition("\n## ")[0]
HOME = "/srv/replicator"
SET_UP = """
export MAIL=folder:$PWD/mail
mkdir mail
sqlite3 office.db "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE invoices (id INTEGER PRIMARY KEY, number INTEGER)"
replicator --home office host-init --database sqlite:///$PWD/office.db --address office@example.com --mailbox $MAIL
replicator --home office table add customers invoices
replicator --home office station add archive --address archive@example.com --backup
replicator --home archive remote-init archive.invitation --database sqlite:///$PWD/archive.db --mailbox $MAIL
replicator --home office station add koeln --address koeln@example.com
replicator --home office rule set koeln all --to-remote all --to-host all
replicator --home koeln remote-init koeln.invitation --database sqlite:///$PWD/koeln.db --mailbox $MAIL
replicator --home office numbers set koeln invoices --column number --block 10
for turn in 1 2 3; do
  replicator --home office host-run
  replicator --home archive remote-run
  replicator --home koeln remote-run
done
"""  # noqa: E501
LAST_DAY = """
sqlite3 office.db "INSERT INTO customers VALUES (1, 'known to Köln')"
replicator --home office host-run
replicator --home koeln remote-run
sqlite3 office.db "INSERT INTO customers VALUES (2, 'known to nobody')"
sqlite3 koeln.db "INSERT INTO customers VALUES (10, 'not sent')"
sqlite3 koeln.db "INSERT INTO invoices (id) VALUES (1)"
sqlite3 archive.db "INSERT INTO customers VALUES (50, 'written at the backup station')"
"""


def commands() -> list[str]:
    """What the page tells to type, in its order."""
    return re.findall(r"^    (replicator .*)$", SECTION, re.MULTILINE)


def typed(folder: Path, *lines: str) -> tuple[int, str]:
    done = shell("set -e\n" + "\n".join(lines).replace(HOME, "$PWD/archive"), folder)
    return done.returncode, " ".join(done.stdout.split())


def rows(folder: Path, name: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / f"{name}.db")) as connection:
        return connection.execute("SELECT id, name FROM customers ORDER BY id").fetchall()


@pytest.fixture
def burnt(tmp_path: Path) -> Path:
    code, told = typed(tmp_path, SET_UP, LAST_DAY)
    assert code == 0, told
    return tmp_path


def test_the_page(burnt: Path) -> None:
    first, then = commands()
    code, told = typed(burnt, f"replicator --home {HOME} status")
    assert (code, "This backup station could become the host, as of 1." in told) == (0, True), told
    code, told = typed(burnt, first)
    assert (code, "was heard of 0 minutes ago" in told) == (2, True), "it refuses within a day"
    code, told = typed(burnt, f"{first} --yes")
    assert code == 0, told
    for said in (
        "its log is known here up to 1.",
        "the rest is lost: enter it again",
        "Not recovered: the former host's conflicts on record, its quarantine and its journal of the past",
        "What was written here is the host's now: 1 new, 0 changed, 0 deleted rows",
        "nobody knows whether they were used: lost",
        f"Next: replicator --home {burnt}/archive host-run",
    ):
        assert said in told, said
    assert "Not known to accept this host" not in told
    code, told = typed(burnt, then, *2 * ["replicator --home koeln remote-run", then])
    assert (code, "its backup station archive has taken its place" in told) == (0, True), told
    known = [(1, "known to Köln"), (10, "not sent"), (50, "written at the backup station")]
    assert rows(burnt, "archive") == rows(burnt, "koeln") == known
    code, told = typed(burnt, f"replicator --home {HOME} numbers audit invoices")
    assert (code, "is accounted for" in told) == (0, True), told

    # The former host was alive after all.
    code, told = typed(burnt, "replicator --home office host-run", "replicator --home koeln remote-run")
    assert (code, "mail has come of the former host" in told) == (3, True), told
    assert typed(burnt, "replicator --home koeln status")[0] == 3
    code, told = typed(burnt, "replicator --home office host-run")
    assert (code, "a backup station has taken this host's place" in told) == (3, True), told
    assert rows(burnt, "koeln") == known
    # A new backup station, as the page advises.
    [advice] = re.findall(r"`(station add [^`]*--backup)`", SECTION)
    advice = advice.replace("NAME", "keller").replace("ADDRESS", "keller@example.com")
    code, told = typed(burnt, f"replicator --home {HOME} {advice}")
    assert (code, "all that a host needs to know" in told) == (0, True), told
