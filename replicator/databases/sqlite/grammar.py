"""What PRAGMAs don't tell and only the CREATE text says: collations, deferred keys, AUTOINCREMENT, index expressions.

SQLite keeps the text of each CREATE statement and rewrites it at ALTER TABLE, so it is always up to date. It has parsed
that text itself: it is well formed, and a tokenizer with a count of parentheses is enough to read these few words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<string>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
      | (?P<word>[\w$]+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_CONSTRAINT_WORDS = {"PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int
    depth: int
    """Open parentheses around it; a parenthesis itself counts as inside."""

    @property
    def word(self) -> str:
        """The keyword in capitals; '' for anything that isn't a bare word."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """The token read as a name."""
        if self.kind == "word":
            return self.text
        quote = self.text[0]
        return self.text[1:-1] if quote == "[" else self.text[1:-1].replace(quote * 2, quote)


@dataclass(frozen=True, slots=True)
class Reference:
    """What PRAGMA foreign_key_list leaves out."""

    name: str | None
    deferred: bool


@dataclass(slots=True)
class TableText:
    collations: dict[str, str] = field(default_factory=dict)
    """By column name in lower case; columns with SQLite's own default are left out."""
    references: list[Reference] = field(default_factory=list)
    """In the order in which the foreign keys are written."""
    autoincrement: bool = False
    checks: bool = False


@dataclass(frozen=True, slots=True)
class IndexText:
    terms: tuple[str, ...]
    where: str | None


def tokens(sql: str) -> Iterator[Token]:
    depth = 0
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup or "other"
        if kind == "skip":
            continue
        text = match.group()
        if text == "(" and kind == "other":
            depth += 1
        yield Token(kind, text, match.start(), match.end(), depth)
        if text == ")" and kind == "other":
            depth -= 1


def read_table(sql: str) -> TableText:
    """Read a CREATE TABLE statement."""
    found = TableText()
    for item in _items(list(tokens(sql))):
        if item[0].word not in _CONSTRAINT_WORDS | {"CONSTRAINT"}:
            for before, after in pairwise(item):
                if before.word == "COLLATE" and before.depth == 1:
                    found.collations[item[0].name.lower()] = after.name.upper()
        outer = [token for token in item if token.depth == 1]
        words = [token.word for token in outer]
        found.autoincrement |= "AUTOINCREMENT" in words
        found.checks |= "CHECK" in words
        found.references += _references(outer)
    return found


def _items(all_tokens: list[Token]) -> Iterator[list[Token]]:
    """The definitions between the outermost parentheses, split at their commas."""
    item: list[Token] = []
    for token in all_tokens:
        if token.depth == 0 or (token.depth == 1 and token.text in "()" and token.kind == "other"):
            continue
        if token.depth == 1 and token.text == "," and token.kind == "other":
            yield item
            item = []
        else:
            item.append(token)
    if item:
        yield item


def _references(outer: list[Token]) -> Iterator[Reference]:
    """The REFERENCES clauses of one definition. A constraint's name counts for what directly follows it."""
    words = [token.word for token in outer]
    starts = [place for place, word in enumerate(words) if word == "REFERENCES"]
    for start, end in pairwise([*starts, len(words)]):
        head = start - 2 if words[max(0, start - 2) : start] == ["FOREIGN", "KEY"] else start
        name = outer[head - 1].name if head >= 2 and words[head - 2] == "CONSTRAINT" else None
        clause = words[start:end]
        deferred = any(
            clause[place : place + 3] == ["DEFERRABLE", "INITIALLY", "DEFERRED"] and clause[place - 1] != "NOT"
            for place in range(1, len(clause))
        )
        yield Reference(name, deferred)


def read_index(sql: str) -> IndexText:
    """Read a CREATE INDEX statement: its terms (columns or expressions, direction left out) and its WHERE."""
    all_tokens = list(tokens(sql))
    on = next(place for place, token in enumerate(all_tokens) if token.word == "ON" and token.depth == 0)
    opening = next(place for place in range(on, len(all_tokens)) if all_tokens[place].depth == 1)
    closing = next(
        place
        for place in range(opening, len(all_tokens))
        if all_tokens[place].text == ")" and all_tokens[place].depth == 1
    )
    terms = []
    for item in _items(all_tokens[opening : closing + 1]):
        kept = item[:-1] if item[-1].word in ("ASC", "DESC") and len(item) > 1 else item
        terms.append(sql[kept[0].start : kept[-1].end])
    rest = all_tokens[closing + 1 :]
    return IndexText(tuple(terms), sql[rest[1].start : rest[-1].end] if rest else None)
