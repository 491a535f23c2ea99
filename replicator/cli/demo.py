"""`demo`: a day at a small company, played on real nodes in a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from replicator.cli.console import console
from replicator.cli.session import session_of
from replicator.demo.story import Story
from replicator.demo.telling import Cell, Grid, Scene, Tone, Toned
from replicator.errors import StorageTrouble, WrongUse, os_reason

WIDTH = 100
"""Columns at most, so that sentences stay readable."""
STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "red", Tone.QUIET: "dim"}
INDENT = 2


def demo(
    context: typer.Context,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", readable=False, help="Play it in this new folder, and leave it there."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another number gives another day.")] = 7,
) -> None:
    """Show a day at a small company: three databases, lost and doubled mail, conflicts. Takes a few seconds."""
    session = session_of(context)
    screen, began = _screen(), session.runtime.now()
    with _folder(keep) as folder:
        story = Story.make(folder, session.runtime, seed)
        scenes = story.scenes()
        while (scene := _next(screen, scenes)) is not None:
            screen.print(_scene(scene))
    _tell_end(screen, folder if keep else None, (session.runtime.now() - began) / 1_000_000)
    if not story.holds:
        raise typer.Exit(1)


def _screen() -> Console:
    screen = console()
    screen.width = min(screen.width, WIDTH)
    return screen


def _next(screen: Console, scenes: Iterator[Scene]) -> Scene | None:
    """The next scene; while it is played, a terminal shows that something happens."""
    if not screen.is_terminal:
        return next(scenes, None)
    with screen.status("playing …", spinner="dots"):
        return next(scenes, None)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="replicator-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name).resolve()
        return
    path = keep.expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        filled = any(path.iterdir())
    except OSError as error:
        raise StorageTrouble(f"cannot write {path}: {os_reason(error)}") from error
    if filled:
        raise WrongUse(f"{path} is not empty; name a new folder with --keep")
    yield path


def _tell_end(screen: Console, kept: Path | None, seconds: float) -> None:
    said = [f"Played in {seconds:.1f} s, on real nodes; only the clock was the story's."]
    if kept is None:
        said.append("Its folder is deleted; 'replicator demo --keep DIR' leaves one to look around in.")
    else:
        said.append(f"All of it is kept in {kept}. Look around, for example:")
        for place, command in (("hamburg", "status"), ("hamburg", "conflict show 1"), ("koeln", "journal list")):
            said.append(f"  replicator --home {kept / place} {command}")
    for line in said:
        screen.print(Padding(Text(line), (0, 0, 0, INDENT), expand=False), soft_wrap=True)


# --- how it looks -----------------------------------------------------------------------------------------------------


def _scene(scene: Scene) -> RenderableType:
    title = Text.assemble((f"{scene.when}  " if scene.when else "", "cyan"), (scene.title, "bold"))
    parts: list[RenderableType] = [Rule(title, align="left", style="dim"), Text()]
    for part in scene.parts:
        parts += [Padding(_part(part), (0, 0, 0, INDENT), expand=False), Text()]
    return Group(*parts)


def _part(part: str | Toned | Grid) -> RenderableType:
    return _table(part) if isinstance(part, Grid) else _text(part)


def _text(cell: Cell) -> Text:
    return Text(cell.text, style=STYLES[cell.tone]) if isinstance(cell, Toned) else Text(cell)


def _table(grid: Grid) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="dim",
        border_style="dim",
        padding=(0, 1, 0, 0),
    )
    table.show_header = any(heading.title for heading in grid.headings)
    for heading in grid.headings:
        table.add_column(Text(heading.title), justify="right" if heading.right else "left", vertical="bottom")
    for row in grid.rows:
        table.add_row(*map(_text, row))
    return table


def join(program: typer.Typer) -> None:
    program.command("demo")(demo)
