"""What a kind of database can take of a table, told from its definition alone: no connection, and no driver.

Each kind's own `limits` fills an `Outlook`. It decides in two places: at a host, which can't see a station's database
(`elsewhere.outlook`), and where a table is made from its definition. A table that stands there already is looked at
where it stands (`Database.differences`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from replicator.errors import UnfitTable
from replicator.types import ColumnType, ForeignKey, TableDefinition, TypeKind

Others = Mapping[str, TableDefinition]
"""Definitions of the replicated tables by name, as far as they are known: parents are among them."""


@dataclass(slots=True)
class Outlook:
    """A sentence each."""

    refused: list[str] = field(default_factory=list)
    """Why rows of the table can't be kept there, in whatever form it stands."""
    unmade: list[str] = field(default_factory=list)
    """Why the replicator can't make the table there. Somebody may have made it in another form."""
    altered: list[str] = field(default_factory=list)
    """What is kept there otherwise than people would expect."""

    def require_makeable(self) -> None:
        """Raises UnfitTable with all that stands in the way."""
        if self.refused or self.unmade:
            raise UnfitTable(" ".join([*self.refused, *self.unmade]))


def keys_of(definition: TableDefinition) -> list[tuple[str, tuple[str, ...]]]:
    """(what it is, its columns) of every key, the primary one first. Plain indexes are none: they decide nothing, and
    one that can't be made is left out."""
    return [
        ("primary key", definition.primary_key),
        *(("unique key", key.columns) for key in definition.unique_keys),
        *(("foreign key", key.columns) for key in definition.foreign_keys),
    ]


def same_names(names: Iterable[str], fold: Callable[[str], str]) -> list[tuple[str, ...]]:
    """Names that are one to a database that does not tell them apart."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[fold(name)].append(name)
    return [tuple(group) for group in found.values() if len(group) > 1]


def column_name_clashes(definition: TableDefinition, fold: Callable[[str], str], title: str) -> list[str]:
    return [
        f"The columns {' and '.join(group)} of table {definition.name} have one name on {title}, where capitals don't "
        "count: rename one."
        for group in same_names(definition.column_names, fold)
    ]


def too_many(definition: TableDefinition, most: int) -> list[str]:
    if len(definition.columns) <= most:
        return []
    return [f"Table {definition.name} has more than {most} columns: split it."]


def reserved_names(definition: TableDefinition, prefixes: tuple[str, ...], title: str) -> list[str]:
    """`prefixes` in small letters."""
    if not definition.name.lower().startswith(prefixes):
        return []
    return [f"The name {definition.name} belongs to {title} or to the replicator itself there: rename the table."]


def loose_parents(definition: TableDefinition, others: Others, title: str) -> list[str]:
    """Foreign keys to columns that are not unique, as only MariaDB allows."""
    found = []
    for key in definition.foreign_keys:
        parent = parent_of(definition, key, others)
        if parent is None:
            continue
        unique = [set(parent.primary_key), *(set(each.columns) for each in parent.unique_keys)]
        if set(key.parent_columns) not in unique:
            found.append(
                f"The foreign key {', '.join(key.columns)} of table {definition.name} refers to {key.parent} by "
                f"{', '.join(key.parent_columns)}, which {title} wants to be its primary key or unique: make it unique."
            )
    return found


_NUMBERS = {TypeKind.INTEGER, TypeKind.NUMERIC, TypeKind.REAL, TypeKind.BOOLEAN}
_BYTES = {TypeKind.BLOB}


def foreign_types(
    definition: TableDefinition, others: Others, allowed: Callable[[TypeKind, TypeKind], bool], title: str
) -> Outlook:
    """Foreign keys to columns of another type. `allowed`: whether a column of the first kind may refer to one of the
    second. Where both are numbers, or texts of some form, tables that stand there may have one type for both."""
    found = Outlook()
    for key in definition.foreign_keys:
        parent = parent_of(definition, key, others)
        for own, theirs in zip(key.columns, key.parent_columns, strict=True) if parent is not None else ():
            kind, parents = kind_of(definition, own), kind_of(parent, theirs)
            if kind is None or parents is None or kind is parents or allowed(kind, parents):
                continue
            alike = all((kind in family) == (parents in family) for family in (_NUMBERS, _BYTES))
            (found.unmade if alike else found.refused).append(
                f"Column {definition.name}.{own} ({kind}) refers to {key.parent}.{theirs} ({parents}), and {title} "
                "wants one type: give them one."
            )
    return found


def kind_of(definition: TableDefinition | None, column: str) -> TypeKind | None:
    if definition is None or column not in definition.column_names:
        return None
    return definition.columns[definition.index_of(column)].type.kind


def many_columned(definition: TableDefinition, most: int, title: str) -> list[str]:
    return [
        f"The {what} of table {definition.name} has {len(columns)} columns: {title} takes {most}."
        for what, columns in keys_of(definition)
        if len(columns) > most
    ]


def parent_of(definition: TableDefinition, key: ForeignKey, others: Others) -> TableDefinition | None:
    return definition if key.parent == definition.name else others.get(key.parent)


def one_column(definition: TableDefinition) -> ColumnType | None:
    """Type of the column that counts by itself; None: none does."""
    if not definition.autoincrement or len(definition.primary_key) != 1:
        return None
    return definition.columns[definition.key_indexes[0]].type


def counting_misfit(definition: TableDefinition, kinds: set[TypeKind], title: str) -> list[str]:
    counting = one_column(definition)
    if counting is None or counting.kind in kinds:
        return []
    return [
        f"Column {definition.name}.{definition.primary_key[0]} counts by itself, which only a whole number does on "
        f"{title}."
    ]


def listed(definition: TableDefinition, columns: Iterable[str]) -> str:
    """'Column orders.a', or 'Columns a, b of table orders'."""
    names = list(columns)
    if len(names) == 1:
        return f"Column {definition.name}.{names[0]}"
    return f"Columns {', '.join(names)} of table {definition.name}"
