"""Reading and writing the application's rows in sets.

Values stand in the statements as SQL, not as parameters: the driver would put them there all the same, and a literal is
compared as the column's type and in the column's collation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pymysql

from replicator.databases.key_rows import chunks, unpack_keys
from replicator.databases.mariadb.carrying import Carrier, Row
from replicator.databases.mariadb.equality import comparable, weighed
from replicator.databases.mariadb.errors import DUPLICATE, NOT_GOT, number_of
from replicator.databases.mariadb.statements import Driver, execute, fetch, names, quoted
from replicator.databases.mariadb.tables import Standing
from replicator.databases.mariadb.transactions import patiently
from replicator.databases.mariadb.weights import Weights
from replicator.databases.weighing import PageSize
from replicator.errors import ConstraintViolation
from replicator.protocol.images import same_image
from replicator.protocol.keys import key_packer
from replicator.runtime import Runtime
from replicator.types import Image, Key, Value

CHUNK = 500
"""Rows or keys of one statement; its bytes are bounded besides."""

_LARGEST = 1_000_000
"""Bytes aimed at for one statement."""

_AGAIN = 3
"""So often rows are sorted anew into those that are there and those that aren't, as the application adds some."""


@dataclass(frozen=True, slots=True)
class Connected:
    """What statements on rows need: the connection, how long to ask for locks, the server's bounds, its collations."""

    raw: Driver
    runtime: Runtime
    largest_packet: int
    may_repeat: bool
    """A statement that found a lock has undone nothing but itself."""
    weights: Weights

    def run(self, sql: str) -> None:
        patiently(self.runtime, lambda: execute(self.raw, sql), may_repeat=self.may_repeat)

    def fetch(self, sql: str) -> list[Row]:
        return patiently(self.runtime, lambda: fetch(self.raw, sql), may_repeat=self.may_repeat)


def _among(standing: Standing, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    """SQL that is true where these columns hold one of these rows; found by index where there is one."""
    carrier = Carrier(standing.pairs(columns))
    listed = ", ".join(f"({', '.join(carrier.sought(row))})" for row in rows)
    return f"({names(columns, 't.')}) IN ({listed})"


def _select(standing: Standing, where: str, after: str = "") -> str:
    return f"SELECT {standing.select_list()} FROM {standing.sql} t WHERE {where} {after}".rstrip()


def read_images(on: Connected, standing: Standing, keys: Collection[Key], after: str = "") -> dict[Key, Image]:
    """What the database only calls equal to a wanted key is another key."""
    key_of, wanted = key_packer(standing.table.definition), set(keys)
    found: dict[Key, Image] = {}
    for some in chunks(unpack_keys(keys), CHUNK):
        where = _among(standing, standing.table.definition.primary_key, some)
        rows = standing.carrier.read(on.fetch(_select(standing, where, after)))
        found.update((key, row) for row in rows if (key := key_of(row)) in wanted)
    return found


# --- writing ----------------------------------------------------------------------------------------------------------


def write_images(on: Connected, standing: Standing, images: Sequence[Image]) -> None:
    """Insert or update by primary key. A row whose key the database only calls equal takes over the key as well.

    INSERT … ON DUPLICATE KEY UPDATE alone would also change whatever row holds a unique value of ours. So the rows that
    are there are locked first, in the order of their keys, and only they are written by it: of a row that is there the
    primary key is the first key that InnoDB finds taken. The others are inserted, plainly.
    """
    _require_canonical_keys(standing, images)
    for some in chunks(images, CHUNK):
        _write(on, standing, some)


def as_stored(standing: Standing, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
    """Rows of these columns as they would be read again; `rows` itself where nothing would be written otherwise."""
    keep = Carrier(standing.pairs(columns)).stored
    found = [keep(row) for row in rows]
    return rows if all(map(same_image, found, rows)) else found


def _require_canonical_keys(standing: Standing, images: Sequence[Image]) -> None:
    """Raises ConstraintViolation for a key that would not be found again as it came."""
    definition = standing.table.definition
    places, keep = definition.key_indexes, Carrier(standing.pairs(definition.primary_key)).stored
    for image in images:
        key = [image[place] for place in places]
        kept = keep(key)
        if not same_image(kept, tuple(key)):
            raise ConstraintViolation(
                f"The key {', '.join(map(str, key))} of table {definition.name} can be stored here only as "
                f"{', '.join(map(str, kept))}: let it be written so where the row comes from."
            )


def _write(on: Connected, standing: Standing, images: list[Image]) -> None:
    key = standing.table.definition.primary_key
    places = standing.table.definition.key_indexes
    compare = _comparable(on, standing, key)
    _prime(on, standing, key, [[image[place] for place in places] for image in images])
    for attempt in range(_AGAIN + 1):
        present = _lock(on, standing, images, compare)
        here = [image for image in images if compare([image[place] for place in places]) in present]
        new = [image for image in images if compare([image[place] for place in places]) not in present]
        _put(on, standing, here, update=True)
        try:
            _put(on, standing, new, update=False)
        except pymysql.err.IntegrityError as error:
            # The application has inserted one of them meanwhile; or it is a unique value that another row holds.
            if number_of(error) != DUPLICATE or attempt == _AGAIN or not _lock(on, standing, new, compare):
                raise
            continue
        return


def _lock(
    on: Connected, standing: Standing, images: list[Image], compare: Callable[[Sequence[Value]], Hashable | None]
) -> set[Hashable | None]:
    """Lock those of the rows that are there, and tell which."""
    if not images:
        return set()
    key, places = standing.table.definition.primary_key, standing.table.definition.key_indexes
    head, after = f"SELECT {standing.select_list(key)} FROM {standing.sql} t WHERE", f"ORDER BY {names(key, 't.')}"
    wanted = [[image[place] for place in places] for image in images]
    rows = _locking(on, standing, key, wanted, lambda where: f"{head} {where} {after} FOR UPDATE")
    found = Carrier(standing.pairs(key)).read(rows)
    _prime(on, standing, key, found)
    return {compare(row) for row in found}


def _locking(
    on: Connected,
    standing: Standing,
    columns: Sequence[str],
    wanted: Sequence[Sequence[Value]],
    statement: Callable[[str], str],
) -> list[Row]:
    """What a statement that locks finds for these values; `statement` makes it of its condition.

    To find many rows of a table the server may go through all of it, and meets locks of the application's that are no
    matter of ours: then each row is asked for by itself.
    """
    try:
        return fetch(on.raw, statement(_among(standing, columns, wanted)))
    except pymysql.err.OperationalError as error:
        if number_of(error) != NOT_GOT or not on.may_repeat:
            raise
    return [row for values in wanted for row in on.fetch(statement(_among(standing, columns, [values])))]


def _put(on: Connected, standing: Standing, images: list[Image], *, update: bool) -> None:
    columns = standing.table.definition.column_names
    head = f"INSERT INTO {standing.sql} ({names(columns)}) VALUES "
    tail = ""
    if update:
        key = standing.table.definition.primary_key
        changed = [column for column in columns if column not in key or not standing.has_exact_key] or list(key)
        settings = ", ".join(f"{quoted(column)} = VALUES({quoted(column)})" for column in changed)
        tail = f" ON DUPLICATE KEY UPDATE {settings}"
    if not images:
        return
    for some in _packets(on, standing.carrier.listed(images)):
        on.run(f"{head}{', '.join(some)}{tail}")


def _packets(on: Connected, listed: list[str]) -> Iterator[list[str]]:
    """As many rows together as one statement may have bytes, four to a character; one at least."""
    most = min(_LARGEST, on.largest_packet // 4 - 10_000)
    some: list[str] = []
    size = 0
    for row in listed:
        if some and size + len(row) > most:
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row) + 2
    if some:
        yield some


def delete_keys(on: Connected, standing: Standing, keys: Collection[Key]) -> None:
    if not standing.has_exact_key:
        keys = list(read_images(on, standing, keys))
    columns = standing.table.definition.primary_key
    for some in chunks(unpack_keys(keys), CHUNK):
        # An alias is only taken where several tables may be named.
        _locking(on, standing, columns, some, lambda where: f"DELETE t FROM {standing.sql} t WHERE {where}")


# --- looking ----------------------------------------------------------------------------------------------------------


def scan(on: Connected, standing: Standing) -> Iterator[list[Image]]:
    """Page by page after the last key, so that the caller may write in between."""
    columns = standing.table.definition.primary_key
    places = standing.table.definition.key_indexes
    size, order = PageSize(CHUNK * 2), f"ORDER BY {', '.join(_ordered(standing, column) for column in columns)} LIMIT"
    page = on.fetch(_select(standing, "TRUE", f"{order} {size.rows}"))
    while page:
        rows = standing.carrier.read(page)
        yield rows
        if not size.note(page):
            return
        last = Carrier(standing.pairs(columns)).sought([rows[-1][place] for place in places])
        page = on.fetch(_select(standing, _behind(standing, columns, last), f"{order} {size.rows}"))


def _ordered(standing: Standing, column: str) -> str:
    """What rows are ordered by. Members of enumerations stand in the order of their numbers, but compare as texts."""
    local = standing.pairs([column])[0].local
    name = f"t.{quoted(column)}"
    return f"CAST({name} AS CHAR)" if local.data_type in ("enum", "set") else name


def _behind(standing: Standing, columns: Sequence[str], last: list[str]) -> str:
    """(a, b) > (1, 2), as the optimizer finds by index: a > 1 OR (a = 1 AND b > 2)."""
    expressions = [_ordered(standing, column) for column in columns]
    terms = []
    for place, (expression, value) in enumerate(zip(expressions, last, strict=True)):
        equal = [f"{before} = {other}" for before, other in zip(expressions[:place], last[:place], strict=True)]
        terms.append(f"({' AND '.join([*equal, f'{expression} > {value}'])})")
    return " OR ".join(terms)


def count(on: Connected, standing: Standing) -> int:
    return int(on.fetch(f"SELECT count(*) FROM {standing.sql}")[0][0])


def find_keys(
    on: Connected, standing: Standing, columns: Sequence[str], wanted: Collection[tuple[Value, ...]], *, hold: bool
) -> dict[Hashable, Key]:
    definition = standing.table.definition
    compare, key_of = _comparable(on, standing, columns), key_packer(definition)
    places = definition.indexes_of(columns)
    asked = [values for values in wanted if None not in values]
    _prime(on, standing, columns, asked)
    found: dict[Hashable, Key] = {}
    for some in chunks(_held(standing, columns, asked), CHUNK):
        if hold:
            read = _locking(on, standing, columns, some, lambda where: _select(standing, where, "LOCK IN SHARE MODE"))
        else:
            read = on.fetch(_select(standing, _among(standing, columns, some)))
        rows = standing.carrier.read(read)
        values = [[row[place] for place in places] for row in rows]
        _prime(on, standing, columns, values)
        found.update((compare(each), key_of(row)) for each, row in zip(values, rows, strict=True))
    return found


def count_rows(
    on: Connected, standing: Standing, columns: Sequence[str], wanted: Collection[tuple[Value, ...]]
) -> dict[Hashable, int]:
    compare = _comparable(on, standing, columns)
    asked = [values for values in wanted if None not in values]
    _prime(on, standing, columns, asked)
    found: dict[Hashable, int] = {}
    for some in chunks(_held(standing, columns, asked), CHUNK):
        rows = on.fetch(
            f"SELECT count(*), {standing.select_list(columns)} FROM {standing.sql} t"
            f" WHERE {_among(standing, columns, some)} GROUP BY {names(columns, 't.')}"
        )
        values = Carrier(standing.pairs(columns)).read(row[1:] for row in rows)
        _prime(on, standing, columns, values)
        for row, each in zip(rows, values, strict=True):
            key = compare(each)
            found[key] = found.get(key, 0) + row[0]
    return found


def _held(standing: Standing, columns: Sequence[str], wanted: list[tuple[Value, ...]]) -> Iterator[tuple[Value, ...]]:
    """Those that the columns could hold: of others there is no row, and no SQL."""
    carrier = Carrier(standing.pairs(columns))
    for values in wanted:
        try:
            carrier.literals(values)
        except ConstraintViolation:
            continue
        yield values


def _comparable(
    on: Connected, standing: Standing, columns: Sequence[str]
) -> Callable[[Sequence[Value]], Hashable | None]:
    return comparable(on.weights, lambda: standing.pairs(columns))


def _prime(on: Connected, standing: Standing, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Have the weights of all texts asked for together."""
    pairs = standing.pairs(columns)
    collations = {place: collation for place, pair in enumerate(pairs) if (collation := weighed(pair.local))}
    if not collations:
        return
    listed = list(rows)
    for place, collation in collations.items():
        on.weights.prime(collation, [row[place] for row in listed if isinstance(row[place], str)])
