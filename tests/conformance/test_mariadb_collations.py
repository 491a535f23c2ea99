"""Whatever a MariaDB collation takes for the same is the same to us, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mariadb_places import MariadbPlace


@pytest.fixture
def place(new_place: Callable[[str], MariadbPlace]) -> MariadbPlace:
    return new_place("mariadb")


COLLATIONS = [
    "utf8mb4_general_ci",
    "utf8mb4_unicode_ci",
    "utf8mb4_uca1400_ai_ci",
    "utf8mb4_uca1400_as_ci",
    "utf8mb4_uca1400_nopad_as_cs",
    "utf8mb4_bin",
    "utf8mb4_nopad_bin",
    "utf8mb4_czech_ci",
    "latin1_swedish_ci",
    "latin1_german2_ci",
]
WORDS = [
    "a",
    "A",
    "a ",
    " a",
    "ä",
    "Ä",
    "ae",
    "AE",
    "ss",
    "ß",
    "ch",
    "Ch",
    "c",
    "é",
    "e",
    "E",
    "",
    " ",
    "ÿ",
    "1",
    "Ａ",
    "😀",
    "😁",
]


@pytest.mark.parametrize("collation", COLLATIONS)
def test_comparable_says_what_the_collation_says(place: MariadbPlace, collation: str) -> None:
    character_set = collation.partition("_")[0]
    text = f"CHARACTER SET {character_set} COLLATE {collation}"
    place.make(f"CREATE TABLE one (id integer PRIMARY KEY, v varchar(20) {text}, KEY (v))")
    (table,) = place.replicate("one")
    words = [
        word for word in WORDS if character_set != "latin1" or word.encode("cp1252", "ignore").decode("cp1252") == word
    ]
    with place.database.transaction() as connection:
        place.database.write_images(connection, table, list(enumerate(words)))
    compare = place.database.comparable(table, ["v"])
    pairs = {
        (n, m) for n, one in enumerate(words) for m, other in enumerate(words) if compare([one]) == compare([other])
    }
    assert set(place.run("SELECT x.id, y.id FROM one x JOIN one y ON x.v = y.v")) == pairs
    with place.database.transaction() as connection:
        for word in WORDS:
            found = place.database.find_keys(connection, table, ["v"], [(word,)])
            assert list(found) in ([], [compare([word])])
            assert (
                place.database.count_rows(connection, table, ["v"], [(word,)])
                == {compare([word]): sum(compare([word]) == compare([each]) for each in words)}
                or not found
            )
