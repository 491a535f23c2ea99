"""What a collation takes for the same text: by the weights that the server gives, asked for in sets and remembered.

No rules of a collation are repeated here: Python would fold other letters than the server. Only for plain ASCII, where
a collation of one level gives each letter a weight of its own whatever stands beside it, texts are weighed here, by a
table of weights that the server gave once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from replicator.databases.mariadb.carrying import text_literal
from replicator.databases.mariadb.questions import Questions
from replicator.databases.mariadb.statements import Driver, execute, fetch

_LETTER_BY_LETTER = re.compile(
    r"(utf8mb3|utf8mb4|ucs2|utf16|utf32)_(general|unicode|unicode_520|uca1400_ai)(_nopad)?(_ai)?_ci"
    r"|utf8mb[34]_uca1400(_nopad)?_ai_ci|latin1_(swedish|general)(_nopad)?_c[is]"
)
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_PLAIN = re.compile("[ -~]*")
_TOGETHER = 500
_MOST = 200_000
"""Texts that are remembered."""


class Weights:
    """Of texts in the collations of this database."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._known: dict[str, dict[str, bytes]] = {}
        self._letters: dict[str, dict[str, bytes]] = {}

    def prime(self, collation: str, texts: Iterable[str]) -> None:
        """Ask for these texts now, together."""
        known = self._of(collation)
        left = iter({self._bare(collation, text) for text in texts} - known.keys())
        wanted = (text for text in left if self._plain(collation, text) is None)
        while some := list(islice(wanted, _TOGETHER)):
            known.update(zip(some, self._ask(collation, some), strict=True))

    def weight(self, collation: str, text: str) -> bytes:
        """Equal for two texts exactly when the collation calls them equal."""
        bare = self._bare(collation, text)
        plain = self._plain(collation, bare)
        if plain is not None:
            return plain
        known = self._of(collation)
        found = known.get(bare)
        if found is None:
            found = known[bare] = self._ask(collation, [bare])[0]
        return found

    def _of(self, collation: str) -> dict[str, bytes]:
        known = self._known.setdefault(collation, {})
        if len(known) > _MOST:
            known.clear()
        return known

    @staticmethod
    def _bare(collation: str, text: str) -> str:
        """Without what compares as if it weren't there."""
        return text if "_nopad_" in collation else text.rstrip(" ")

    def _plain(self, collation: str, text: str) -> bytes | None:
        """The weight, where it can be told here."""
        letters = self._letters.get(collation)
        if letters is None:
            letters = self._letters[collation] = self._learn(collation)
        if not letters or not _PLAIN.fullmatch(text):
            return None
        return b"".join(map(letters.__getitem__, text))

    def _learn(self, collation: str) -> dict[str, bytes]:
        """Weights of ASCII letters; {} where a letter's weight depends on others."""
        if not _LETTER_BY_LETTER.fullmatch(collation):
            return {}
        *weights, whole = self._ask(collation, [*_PRINTABLE, _PRINTABLE + "~"])
        if b"".join([*weights, weights[-1]]) != whole:
            return {}
        return dict(zip(_PRINTABLE, weights, strict=True))

    def _ask(self, collation: str, texts: list[str]) -> list[bytes]:
        character_set = collation.partition("_")[0]
        slots = ", ".join(
            f"WEIGHT_STRING(CONVERT({text_literal(text)} USING {character_set}) COLLATE {collation})" for text in texts
        )

        def question(raw: Driver) -> tuple[bytes | None, ...]:
            row: tuple[bytes | None, ...] = fetch(raw, f"SELECT {slots}")[0]
            execute(raw, "COMMIT")
            return row

        return [weight or b"" for weight in self._questions.ask(question)]
