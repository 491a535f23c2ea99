"""Making, upgrading and checking the replicator's own tables (`migrations/`, Alembic).

Revisions are numbered in a line, 0001, 0002 and so on, so that older and newer can be told without reading the scripts:
every run checks, and Alembic is loaded only when there is something to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import Column, Connection, inspect

from replicator.errors import DatabaseTrouble
from replicator.resources import migrations_folder
from replicator.store import sql
from replicator.store.column_types import TABLE_OPTIONS
from replicator.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

REVISION = "0022"
"""Of the tables that this program works with: the last one in migrations/versions."""

VERSION_TABLE = "replicator_version"

_DIGITS = len(REVISION)


def check(connection: Connection) -> None:
    """Do the replicator's tables stand here as this program needs them? Two queries, well below a millisecond.

    Raises DatabaseTrouble with what to do.
    """
    present = _present(connection)
    found = _require_revision(connection, present)
    _refuse_newer(found)
    if found != REVISION:
        raise DatabaseTrouble(
            "the replicator's tables in this database are older than this program: replicator upgrade"
        )
    _refuse_gaps(present)


def require_ours(connection: Connection) -> None:
    """Raises DatabaseTrouble where no tables of the replicator stand, of whatever revision."""
    _require_revision(connection, _present(connection))


def upgrade(connection: Connection, *, in_part: bool = False) -> bool:
    """Make the tables in an empty database, or bring older ones up to date, within the caller's transaction.

    `in_part`: some may be there of an attempt that was killed, and that is carried on (`Database.migrating`).

    Tables of the application are not touched. True when anything was done. Raises DatabaseTrouble when the tables are
    newer than this program or only some of them are there.
    """
    present = _present(connection)
    found = _revision(connection, present)
    if found is None and present and not in_part:
        raise DatabaseTrouble(_HALF_MADE.format(name=min(present)))
    if found is not None:
        _refuse_newer(found)
    if found == REVISION:
        _refuse_gaps(present)
        return False
    _run_scripts(connection)
    return True


def create_table(name: str, *columns: Column[Any], **options: Any) -> None:
    """For revisions: Alembic's, with what some databases have to be told about every table of ours."""
    from alembic import op

    op.create_table(name, *columns, **{**TABLE_OPTIONS, **options})


def refuse_downgrade() -> NoReturn:
    """What every revision's `downgrade` does: data that the older tables have no place for would be lost."""
    raise DatabaseTrouble(
        "the replicator's tables can't be taken back to an older form: restore the backup that was made before the "
        "upgrade, and tell the node with: replicator restored"
    )


_HALF_MADE = (
    "{name} stands in this database without a sign of which revision it is; restore the database from a backup, "
    "or use another one"
)


def _present(connection: Connection) -> set[str]:
    """Those of our tables that are there."""
    return (metadata.tables.keys() | {VERSION_TABLE}) & set(inspect(connection).get_table_names())


def _revision(connection: Connection, present: set[str]) -> str | None:
    if VERSION_TABLE not in present:
        return None
    row = sql.one(connection, f"SELECT max(version_num) FROM {VERSION_TABLE}")
    return None if row is None else row[0]


def _require_revision(connection: Connection, present: set[str]) -> str:
    found = _revision(connection, present)
    if found is not None:
        return found
    if present:
        raise DatabaseTrouble(_HALF_MADE.format(name=min(present)))
    raise DatabaseTrouble(
        "the replicator's tables are missing from this database; see that the database URL is right, "
        "or make a node of it: replicator host-init or remote-init"
    )


def _refuse_newer(found: str) -> None:
    # Compared as numbers; what is no number comes from a program that this one can't know.
    if not (found.isascii() and found.isdigit() and len(found) == _DIGITS) or found > REVISION:
        raise DatabaseTrouble(
            f"the replicator's tables in this database are newer than this program (revision {found}, it knows "
            f"{REVISION}): install the program's newer version"
        )


def _refuse_gaps(present: set[str]) -> None:
    missing = sorted(metadata.tables.keys() - present)
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DatabaseTrouble(
            f"the replicator's table {missing[0]}{others} is missing from this database; restore it from a backup"
        )


def _run_scripts(connection: Connection) -> None:
    from alembic import command

    command.upgrade(scripts(connection), REVISION)


def scripts(connection: Connection) -> Config:
    """Alembic's configuration for the scripts, with the connection that they are to run on."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config
