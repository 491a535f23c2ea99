"""A firm on real processes, for pages that tell what to type when something has happened to one of its computers."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from consoles import make_programs, shell

PROJECT = Path(__file__).parents[2]
SET_UP = """
mkdir mail
sqlite3 office.db "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)"
sqlite3 office.db "INSERT INTO customers VALUES (1, 'Ahlers'), (2, 'Brandt')"
replicator --home office host-init --database sqlite:///$PWD/office.db --address office@example.com --mailbox folder:$PWD/mail
replicator --home office table add customers
for name in koeln bonn; do
  replicator --home office station add $name --address $name@example.com
  replicator --home office rule set $name all --to-remote all --to-host all
  replicator --home $name remote-init $name.invitation --database sqlite:///$PWD/$name.db --mailbox folder:$PWD/mail
done
for turn in 1 2; do
  replicator --home office host-run
  replicator --home koeln remote-run
  replicator --home bonn remote-run
done
"""  # noqa: E501
ROWS = "SELECT id, name FROM customers ORDER BY id"


def section(page: str, title: str) -> str:
    """Of a page of `docs`, what stands below this heading, up to the next one."""
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    found = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert found, f"{page} has no section {title!r}"
    return found


def commands(text: str) -> list[str]:
    """What a page tells to type, in lines of its own."""
    return re.findall(r"^    (replicator .*)$", text, re.MULTILINE)


def mentioned(text: str, beginning: str) -> str:
    """The only command in the text that begins like this, whatever lines it is spread over."""
    found = set(re.findall(rf"`((?:replicator )?{beginning}[^`]*)`", " ".join(text.split())))
    assert len(found) == 1, found
    return found.pop().removeprefix("replicator ")


class Firm:
    """An office with the stations koeln and bonn in a folder: homes, databases and mail. `machines` and `days` tell on
    which computer, and how many days from now, a place's commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines: dict[str, str] = {}
        self.days = 0

    @classmethod
    def founded(cls, folder: Path, program: Path) -> Firm:
        """Where this program stands for the replicator."""
        (folder / "programs").mkdir()
        make_programs(folder / "programs", program)
        done = shell(f"set -e\n{SET_UP}", folder)
        assert done.returncode == 0, done.stdout
        return cls(folder)

    def copied(self, folder: Path) -> Firm:
        """The same firm once more in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, copy_function=shutil.copy2)
        for file in folder.glob("*/replicator.toml"):
            file.write_text(file.read_text("utf-8").replace(str(self.folder), str(folder)), "utf-8")
        for file in folder.glob("programs/*"):  # a script names the folder that it stands in
            file.write_text(file.read_text("utf-8").replace(str(self.folder), str(folder)), "utf-8")
        return Firm(folder)

    def at(self, place: str, *lines: str) -> tuple[int, str]:
        """What somebody types at a computer, with "replicator" before it or not: the code of what failed, or of the
        last, and all that was printed, as one line."""
        typed = [
            line if re.match(r"(replicator|sqlite3|set|cp|mv|rm) ", line) else f"replicator {line}" for line in lines
        ]
        setting = f"export REPLICATOR_HOME=$PWD/{place} MACHINE={self.machines.get(place, '')} DAYS={self.days}"
        done = shell("\n".join((setting, "set -e", *typed)), self.folder)
        return done.returncode, " ".join(done.stdout.split())

    def done(self, place: str, *lines: str) -> str:
        code, told = self.at(place, *lines)
        assert code == 0, told
        return told

    def exchange(self, *places: str, rounds: int = 2) -> str:
        """Each runs, in this order, again and again."""
        told = []
        for _ in range(rounds):
            for place in places or ("office", "koeln", "bonn"):
                code, said = self.at(place, "host-run" if place == "office" else "remote-run")
                assert code in (0, 3), said
                told.append(said)
        return "\n".join(told)

    def database(self, place: str) -> Path:
        return self.folder / f"{place}.db"

    def sql(self, place: str, statement: str = ROWS) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.database(place))) as connection, connection:
            return connection.execute(statement).fetchall()

    def keep(self, place: str, name: str, *, home: bool = False) -> None:
        """A backup of the database, of the home folder as well, as SQLite makes one."""
        with (
            closing(sqlite3.connect(self.database(place))) as source,
            closing(sqlite3.connect(self.database(name))) as to,
        ):
            source.backup(to)
        if home:
            shutil.copytree(self.folder / place, self.folder / name)

    def put_back(self, place: str, name: str) -> None:
        """What was kept under the name, home folder or not."""
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.database(place)}{ending}").unlink(missing_ok=True)
        shutil.copyfile(self.database(name), self.database(place))
        if (self.folder / name).exists():
            shutil.rmtree(self.folder / place)
            shutil.copytree(self.folder / name, self.folder / place)

    def equal(self, *places: str) -> list[tuple[object, ...]]:
        """The rows that all of them have."""
        found = self.sql("office")
        for place in places or ("koeln", "bonn"):
            assert self.sql(place) == found, place
        return found
