"""Console blocks of a page: commands after '$', and what they print. Run on stand-ins for the page's folders."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "=== next command ==="
_SQLITE = """\
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
if sys.argv[2].startswith(".backup "):
    database.backup(sqlite3.connect(sys.argv[2].split(" ", 1)[1].strip("'")))
elif sys.argv[2].lstrip().upper().startswith("SELECT"):
    for row in database.execute(sys.argv[2]):
        print("|".join("" if value is None else str(value) for value in row))
else:
    database.executescript(sys.argv[2])
"""


@dataclass(frozen=True)
class Step:
    command: str
    output: str


def steps(page: str) -> list[Step]:
    """In the order of the page. A command goes on in lines that begin with two spaces right after it."""
    found: list[Step] = []
    for block in _BLOCK.findall(page):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = text.splitlines()
            length = 1
            if lines[0].count('"') % 2:
                length += next(index for index, line in enumerate(lines[1:], 1) if line.endswith('"'))
            found.append(Step("\n".join(lines[:length]), "\n".join(lines[length:])))
    return found


def play(found: list[Step], folder: Path, stand_ins: dict[str, str]) -> list[tuple[str, int]]:
    """What each command printed, and how it ended. `stand_ins`: folders of the page, and their names in `folder`."""
    for name in stand_ins.values():
        (folder / name).mkdir(parents=True)
    script = "\n".join(f"{step.command}\necho $?\necho '{_MARK}'" for step in found)
    for real, name in stand_ins.items():
        script = script.replace(real, str(folder / name))
    done = shell(script, folder)
    told = done.stdout
    for real, name in stand_ins.items():
        told = told.replace(str(folder / name), real)
    results = []
    for piece in told.split(f"{_MARK}\n")[:-1]:
        output, _, code = piece.rstrip("\n").rpartition("\n")
        results.append((output, int(code)))
    return results


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run by bash in the folder, with this installation's `replicator`, and a `sqlite3` where there may be none."""
    programs = folder / "programs"
    if not programs.exists():
        programs.mkdir()
        make_programs(programs)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REPLICATOR_")},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONUTF8": "1",
    }
    return subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        encoding="utf-8",
        timeout=300,
    )


def make_programs(folder: Path, replicator: Path | None = None) -> None:
    """`replicator`: what stands for it, if it is not to be started anew each time."""
    _program(folder / "replicator", f'exec {replicator or f"{sys.executable} -m replicator.cli.main"} "$@"')
    _program(folder / "python", f'exec "{sys.executable}" "$@"')
    _program(folder / "sqlite3", f'exec "{sys.executable}" "{folder}/sqlite.py" "$@"')
    (folder / "sqlite.py").write_text(_SQLITE, encoding="utf-8")


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def comparable(output: str) -> str:
    """Without what differs from run to run: times, sizes, the widths that come of them."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", output)
    text = re.sub(r"\d[\d.,]* (B|kB|MB)\b", "SIZE", text)
    text = re.sub(r", for \d+ \w+", ", for SPAN", text)
    return "\n".join(" ".join(re.sub("─+", "─", line).split()) for line in text.strip().splitlines())
