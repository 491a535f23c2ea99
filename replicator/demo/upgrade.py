"""A new version of the application in the middle of the day: a table and a column more, by its Alembic migration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.demo.places import HEAD_OFFICE, KOELN, LAPTOP, Company
from replicator.demo.telling import Grid, Heading, Scene, Tone, Toned, number
from replicator.demo.work import VERSION_2

if TYPE_CHECKING:
    from alembic.config import Config


def migrate(url: str, home: Path) -> None:
    """`alembic upgrade head`, on the application's database at a place."""
    from alembic import command  # only now: it takes a moment to be loaded

    with configured(url, home) as config:
        command.upgrade(config, "head")


@contextmanager
def configured(url: str, home: Path) -> Iterator[Config]:
    """What would stand in the application's alembic.ini."""
    from alembic.config import Config

    with as_file(files("replicator.demo.migrations")) as folder:
        config = Config(attributes={"url": url, "replicator_home": str(home)})
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        yield config


def script_lines() -> list[str]:
    """What the application's developers have written, as it stands in their file."""
    text = files("replicator.demo.migrations").joinpath("versions", "version_2.py").read_text(encoding="utf-8")
    _, _, steps = text.partition("def upgrade() -> None:\n")
    return [line.removeprefix("    ") for line in steps.partition("\n\n")[0].splitlines()]


def upgrade_head_office(company: Company) -> None:
    """The migration at noon."""
    office = company.head_office
    migrate(f"sqlite:///{office.database}", office.home.path)


def scene() -> Scene:
    places = (HEAD_OFFICE, KOELN, LAPTOP)
    grid = Grid((Heading("done by the application"), *(Heading(name, right=True) for name in places)))
    for what, _, times in VERSION_2:
        grid.rows.append((what, *(number(times.get(name, 0)) for name in places)))
    return Scene(
        "12:00",
        "Noon: the head office gets version 2 of the application",
        (
            "Customers have an e-mail address from now on, and there is a table of complaints. It is the application's "
            "own Alembic migration that says what becomes of them:",
            Grid((Heading(""),), [(Toned(line, Tone.QUIET),) for line in script_lines()]),
            "What Hamburg had written so far was numbered before, in the old form; in the afternoon it works with the "
            "new one. Köln and the laptop know nothing of it, and go on in the old form. Column and table come to them "
            "with the evening's mail:",
            grid,
        ),
    )
