"""Every command and option stands in docs/commands.md, and no page names one that doesn't exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from replicator.cli.main import build

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
COMMANDS = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")
GLOBAL = {"--home", "-H", "--verbose", "-v", "--version", "--help", "-h", "--install-completion", "--show-completion"}


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All commands that do something, by their whole name."""
    below = getattr(command, "commands", None)
    if not below:
        yield " ".join(path), command
        return
    for name, each in below.items():
        yield from leaves(each, (*path, name))


FOUND = dict(leaves(get_command(build())))


def options(name: str) -> set[str]:
    found = {word for parameter in FOUND[name].params for word in (*parameter.opts, *parameter.secondary_opts)}
    return {word for word in found if word.startswith("-")} - {"--help", "-h"}


def section(name: str) -> str:
    match = re.search(rf"^### {re.escape(name)}\n(.*?)(?=^##|\Z)", COMMANDS, re.MULTILINE | re.DOTALL)
    assert match, f"docs/commands.md has no section '### {name}'"
    return match[1]


@pytest.mark.parametrize("name", FOUND)
def test_every_command_and_option_is_documented(name: str) -> None:
    text = section(name)
    assert f"    replicator {name}" in text
    assert set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE)) == options(name)
    for parameter in FOUND[name].params:
        if parameter.param_type_name == "argument":
            assert (parameter.metavar or parameter.name.upper()) in text


def test_global_options_are_documented_and_nothing_is_made_up() -> None:
    head = COMMANDS.partition("\n## ")[0]
    root = get_command(build())
    known = {word for parameter in root.params for word in parameter.opts} | {"--help", "-h"}
    assert {word for word in known if f"`{word}" in head} == known == GLOBAL
    assert set(re.findall(r"^### (.+)$", COMMANDS, re.MULTILINE)) == set(FOUND)


def test_the_readme_lists_all_commands() -> None:
    readme = PAGES[0].read_text(encoding="utf-8")
    table = readme.partition("## Commands")[2].partition("\n## ")[0]
    named: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        for quoted in re.findall(r"`([^`]+)`", row):
            words = [word for word in re.split(r",? ", quoted) if word.islower()]
            nouns = {name.split()[0] for name in FOUND if " " in name}
            if words[0] in nouns:
                named |= {f"{words[0]} {verb}" for verb in words[1:]}
            else:
                named |= set(words)
    assert named == set(FOUND)


def command_lines(page: str) -> Iterator[str]:
    """What a page tells to type: in blocks of code and in quotes within a sentence."""
    for block in re.findall(r"^```(?:sh|console|ini)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            match = re.match(r"(?:\$ |ExecStart=\S*/)?(replicator .*)", line)
            if match:
                yield match[1].partition(" #")[0]
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    for quoted in re.findall(r"`(replicator [^`]+)`", prose):
        yield " ".join(quoted.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_command_or_option_that_is_not_there(page: Path) -> None:
    for line in command_lines(page.read_text(encoding="utf-8")):
        words = shlex.split(line)[1:]
        while words and words[0] in ("--home", "-H"):
            words = words[2:]
        if "COMMAND" in words or words[0] in GLOBAL:
            continue
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in FOUND), None)
        assert name is not None, f"{page.name}: there is no command '{line}'"
        used = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert used <= options(name) | GLOBAL, f"{page.name}: '{line}' has an option that is not there"
