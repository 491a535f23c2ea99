"""What the story is made of, as plain data: who shows it decides how it looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias


class Tone(Enum):
    PLAIN = auto()
    GOOD = auto()
    BAD = auto()
    QUIET = auto()
    """Of less weight: what is not there, what is as ever."""


@dataclass(frozen=True, slots=True)
class Toned:
    text: str
    tone: Tone


Cell: TypeAlias = str | Toned


@dataclass(frozen=True, slots=True)
class Heading:
    """A column's title, and on which side its cells stand."""

    title: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    headings: tuple[Heading, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    when: str
    title: str
    parts: tuple[str | Toned | Grid, ...]
    """Paragraphs and tables, in their order."""


NOTHING = Toned("–", Tone.QUIET)


def number(count: int) -> Cell:
    return f"{count:,}" if count else NOTHING
