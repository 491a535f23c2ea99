"""What the pages tell to type does what they say."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from consoles import comparable, play, shell, steps

PROJECT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def test_first_steps_print_what_the_page_shows(tmp_path: Path) -> None:
    found = steps(page("docs/first-steps.md"))
    stand_ins = {"/srv/office": "office", "/srv/koeln": "koeln", "/mnt/exchange": "exchange"}
    for step, (output, code) in zip(found, play(found, tmp_path, stand_ins), strict=True):
        assert code == 0, f"{step.command}: {output}"
        assert comparable(output) == comparable(step.output), step.command


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    """In their order, in one shell. Setting up an environment is left out: it is the one that runs this."""
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    script = ""
    for block in re.findall(r"^```sh\n(.*?)^```$", page("README.md"), re.MULTILINE | re.DOTALL):
        made = re.findall(r"^make ([a-z-]+)", block, re.MULTILINE)
        assert set(made) <= targets
        if not made:
            script += "".join(line for line in block.splitlines(True) if not line.startswith("python3 -m venv"))
    assert "host-run" in script
    assert "remote-run" in script
    done = shell(f"set -e\n{script}", tmp_path)
    assert done.returncode == 0, done.stdout
    with closing(sqlite3.connect(tmp_path / "trial" / "koeln.db")) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (2,)
    for target in re.findall(r"`make ([a-z-]+)`", page("README.md")):
        assert target in targets


def test_the_replicator_can_be_taken_out_of_a_database(tmp_path: Path) -> None:
    """The lines of docs/restoring.md; afterwards the database is a host's again, as that page says."""
    (tmp_path / "mail").mkdir()
    database = tmp_path / "company.db"
    definitions = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("CREATE TABLE customers (id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (7);")
        before = connection.execute(definitions).fetchall()
    set_up = (
        f"replicator --home {{home}} host-init --database sqlite:///{database} --address a@example.com "
        f"--mailbox folder:{tmp_path}/mail && replicator --home {{home}} table add customers"
    )
    assert shell(set_up.format(home=tmp_path / "old"), tmp_path).returncode == 0
    [lines] = re.findall(r"^```python\n(.*?)^```$", page("docs/restoring.md"), re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-c", lines, str(database)], check=True)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute(definitions).fetchall() == before
        assert connection.execute("SELECT id FROM customers").fetchall() == [(7,)]
    done = shell(set_up.format(home=tmp_path / "new"), tmp_path)
    assert done.returncode == 0, done.stdout
