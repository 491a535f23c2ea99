"""How far a node's migrations are, and what a look at its database finds: `migrate status` and `migrate check`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from replicator.engine.node import Node
from replicator.operations import revisions, table_admin
from replicator.operations.migration_requests import Waiting, waiting_of
from replicator.operations.opening import View, view_of
from replicator.operations.revisions import Revision
from replicator.store import catalogue, table_versions
from replicator.store.home import Home

OTHERS_OWN = ("alembic_version", "django_migrations")
"""Tables in which migrations of applications keep how far they are: each place has its own."""


@dataclass(frozen=True, slots=True)
class Status:
    revisions: list[Revision]
    requests: list[Waiting]


class Kind(StrEnum):
    REVISION = "revision"
    REQUEST = "request"
    TABLE = "table"
    """A table of the database that is neither replicated nor excluded."""
    CAPTURE = "capture"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    subject: str
    """A revision's or request's number, or a table."""
    text: str


def status(view: View) -> Status:
    """Raises ConfigurationError for a revision that can't be read."""
    return Status(revisions.list_revisions(view), waiting_of(view.connection))


def check(node: Node, home: Home) -> list[Finding]:
    """What is not as it should be. What waited for a person over a table's capture is settled where all is well now.

    Raises ConfigurationError for a revision that can't be read.
    """
    captures = table_admin.check_tables(node)
    with view_of(home, home.load_configuration(), node.database, node.runtime) as view:
        found = [
            Finding(Kind.REVISION, each.number, f"{each.text}: not carried out; replicator migrate upgrade")
            for each in revisions.list_revisions(view)
            if not each.applied
        ]
        found += [
            Finding(Kind.REQUEST, str(each.id), f"a migration asked to {each.text}: {each.error or 'not tried yet'}")
            for each in waiting_of(view.connection)
        ]
        if view.is_host:
            found += [
                Finding(
                    Kind.TABLE,
                    name,
                    "neither replicated nor excluded; replicator migrate new-table, or name it "
                    "under [tables] in replicator.toml",
                )
                for name in _left_out(view)
            ]
        found += _held(view)
    return found + [Finding(Kind.CAPTURE, each.name, "; ".join(each.faults)) for each in captures if each.faults]


def _left_out(view: View) -> list[str]:
    replicated = {table.name for table in catalogue.load_tables(view.connection).values()}
    excluded = (*OTHERS_OWN, *view.configuration.tables.excluded)
    return [
        name
        for name in view.database.table_names(view.connection)
        if name not in replicated and not any(fnmatchcase(name, pattern) for pattern in excluded)
    ]


def _held(view: View) -> list[Finding]:
    if view.is_host:
        return []
    tables = catalogue.load_tables(view.connection)
    return [
        Finding(Kind.HELD, each.table.name, "the host has another version of it; replicator table upgrade says why")
        for each in table_versions.held(view.connection, tables)
    ]
