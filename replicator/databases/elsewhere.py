"""What the database of another place can take of a table, by its kind: nothing of it has to be installed here."""

from __future__ import annotations

from collections.abc import Callable

from replicator.databases.limits import Others, Outlook
from replicator.databases.mariadb.limits import limits as of_mariadb
from replicator.databases.postgresql.limits import limits as of_postgresql
from replicator.databases.sqlite.limits import limits as of_sqlite
from replicator.types import TableDefinition

_LIMITS: dict[str, Callable[[TableDefinition, Others], Outlook]] = {
    "mariadb": of_mariadb,
    "postgresql": of_postgresql,
    "sqlite": of_sqlite,
}
KINDS = tuple(_LIMITS)
_TITLES = {"mariadb": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite"}


def title_of(kind: str) -> str:
    """As people write it."""
    return _TITLES.get(kind, kind)


def counts_on_its_own(kind: str | None) -> bool:
    """Keys that a database of this kind counts go on from the last one that it gave, whatever stands in the table; else
    they go on from the highest one there."""
    return kind == "postgresql"


def outlook(kind: str, definition: TableDefinition, others: Others) -> Outlook:
    """What a database of this kind refuses and alters of the table. One that is not known here refuses nothing: the
    station looks for itself."""
    limits = _LIMITS.get(kind)
    return Outlook() if limits is None else limits(definition, others)
