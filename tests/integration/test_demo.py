"""The demonstration, as `replicator demo` plays it: what it shows is true, and it notices when it is not."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from replicator.cli import main
from replicator.demo import numbering, proof
from replicator.demo.company import TABLES, customer_name
from replicator.demo.numbering import Drawn
from replicator.demo.proof import Content, TableProof
from replicator.demo.story import Story
from replicator.demo.telling import NOTHING, Cell, Grid, Scene, Toned
from replicator.protocol.numbers import Block
from replicator.runtime import Runtime


def verdict(scene: Scene) -> str:
    return next(part.text for part in scene.parts if isinstance(part, Toned))


def test_the_day_ends_with_equal_databases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "kept"
    assert main.run(["demo", "--keep", str(folder), "--seed", "3"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert re.search(r"Equal: 1[0-9],[0-9]{3} rows in 7 tables", out)
    assert "63 numbers, none twice, and none outside the blocks" in out
    assert "none can be read in them" in " ".join(out.split())
    assert "\x1b" not in out, "no colours when piped"
    assert max(len(line) for line in out.splitlines() if str(folder) not in line) <= 100
    for told in (
        "gets version 2 of the application",
        'op.replicate_table("complaints"',
        "lost on its way",
        "arrives twice",
        "both changed",
        "unique renamed",
        "nothing new: nothing sent",
    ):
        assert told in out
    # What is kept are nodes to look at.
    for place in ("hamburg", "koeln", "laptop"):
        assert main.run(["--home", str(folder / place), "status"]) == 0
    capsys.readouterr()
    assert main.run(["--home", str(folder / "hamburg"), "conflict", "list"]) == 0
    listed = capsys.readouterr().out
    assert "both-changed" in listed
    assert "unique-renamed" in listed
    assert main.run(["demo", "--keep", str(folder)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_the_same_seed_tells_the_same_day(tmp_path: Path) -> None:
    """Keys and nonces aside: what the application writes is the seed's."""
    told = []
    for name in ("once", "again"):
        folder = tmp_path / name
        folder.mkdir()
        story = Story.make(folder, Runtime(), 11)
        list(islice(story.scenes(), 2))
        told.append({place.name: proof.contents(place) for place in story.company.places})
    assert told[0] == told[1]


def test_a_difference_is_noticed(tmp_path: Path) -> None:
    story = Story.make(tmp_path, Runtime(), 7)
    scenes = story.scenes()
    runs: dict[str, tuple[Cell, ...]] = {}
    for scene in scenes:
        runs |= {str(row[0]): row for part in scene.parts if isinstance(part, Grid) for row in part.rows}
        if scene.title.startswith("Numbers"):
            break
    # What the story says of its runs is what happened: columns are time, place, in, applied, own, out, bytes.
    assert runs["18:30"][2] == "1", "the laptop's mail is lost"
    assert runs["18:40"][2] == "2", "Köln's is doubled"
    assert runs["07:40"][4:7] == (NOTHING, *runs["18:05"][5:7]), "the same mail goes again"
    assert runs["07:45"][3] == runs["18:05"][4], "and now it is applied"
    assert runs["08:30"][2:7] == (NOTHING,) * 5, "nothing new: nothing sent"
    # One cent at the laptop.
    with closing(sqlite3.connect(story.company.places[2].database)) as connection, connection:
        connection.execute("UPDATE articles SET price = price + 0.01 WHERE id = 17")
    assert verdict(next(scenes)).startswith("NOT equal: articles")
    assert not story.holds


def test_a_number_that_comes_twice_or_of_no_own_block_is_noticed() -> None:
    blocks = [Block(1, 10, 1)]
    good = [Drawn("invoices", "Hamburg", blocks, [1, 2]), Drawn("invoices", "Köln", [Block(11, 20, 2)], [11])]
    assert numbering.holds(good)
    assert verdict(numbering.scene(good)).startswith("3 numbers, none twice")
    for bad in ([2], [21], [0]):
        found = [*good, Drawn("invoices", "laptop", [Block(2, 9, 3)], bad)]
        assert not numbering.holds(found)
        assert verdict(numbering.scene(found)).startswith("NOT so: I-0000")


def test_a_difference_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Story, "scenes", lambda self: iter(()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main.run(["demo"]) == 1
    assert list(tmp_path.iterdir()) == [], "the temporary folder is gone"
    assert "--keep DIR" in capsys.readouterr().out


def test_what_counts_as_equal() -> None:
    content, other = Content(3, "aa"), Content(3, "bb")

    def holds(table: str, before: int, **contents: Content | None) -> bool:
        named = {"Hamburg": contents["a"], "Köln": contents["b"], "laptop": contents["c"]}
        return TableProof(table, before, new=2, deleted=1, contents=named).holds

    assert holds("offers", 2, a=content, b=content, c=content)
    assert not holds("offers", 2, a=content, b=other, c=content)
    assert not holds("offers", 2, a=content, b=content, c=None)
    assert not holds("offers", 3, a=content, b=content, c=content), "a row got lost everywhere"
    assert holds("invoices", 2, a=content, b=content, c=None)
    assert not holds("invoices", 2, a=content, b=content, c=content), "the laptop must not have invoices"


def test_names_are_given_once() -> None:
    names = [customer_name(number) for number in range(5_000)]
    assert len(set(names)) == len(names)
    assert set(TABLES) >= {"customers", "articles", "offers", "orders", "invoices", "items"}
