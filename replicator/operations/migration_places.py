"""Steps of an application's own migration: on which node they are carried out, and how.

In the migration's transaction where the database and the connection allow it; on MariaDB, where every definition
commits by itself, at once and beside it. Else, and in a migration that is only written as SQL, the step becomes a row
of `replicator_request` in that transaction, and the node's next run carries it out. Nothing is lost by that: a table's
rows are read when it is taken over, and what was written to a changed table is found then (engine/upgrading.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Column, Connection, MetaData, Table, Text, insert

from replicator.config import Environment
from replicator.databases import own_schema
from replicator.databases.joining import Joining
from replicator.engine.node import Node
from replicator.errors import AlreadyRunning, ReplicatorError
from replicator.operations import replicating
from replicator.operations.migration_requests import sentence, written
from replicator.operations.opening import open_unlocked
from replicator.operations.replicating import Step
from replicator.runtime import Runtime
from replicator.store.files import Files
from replicator.store.home import Home

OPTION = "replicator_home"
"""Of `context.configure`, of the configuration's attributes, or of the section [alembic] of alembic.ini."""
NONE = "none"
"""In its place: there is no node, and our operations do nothing."""
_PATIENCE, _PAUSE = 60, 0.5
"""Seconds that we wait for a run to end, and between two looks."""

_log = logging.getLogger("replicator.alembic")


def carry_out(operations: Operations, step: Step) -> None:
    """Raises Alembic's CommandError with our sentence."""
    context = operations.get_context()
    with told_by_alembic():
        if context.as_sql:
            _write(operations, step)
            return
        home = home_of(context)
        if home is None:
            _log.warning("%s: there is no node here (%s = %s)", sentence(step), OPTION, NONE)
            return
        for line in _do(operations, home, step):
            _log.info("%s", line)


@contextmanager
def told_by_alembic() -> Iterator[None]:
    """Within: our errors come out as Alembic's, which its command line tells in one line."""
    try:
        yield
    except ReplicatorError as error:
        raise CommandError(str(error)) from error


# --- which node -------------------------------------------------------------------------------------------------------


def home_of(context: MigrationContext) -> Home | None:
    """None: it was said that there is none. Raises CommandError where nothing was said."""
    said = _said(context)
    if said is None:
        raise CommandError(
            f"it is not known which node replicates this database: give {OPTION} to context.configure() in env.py, or "
            f"set REPLICATOR_HOME; {OPTION} = {NONE} where there is none"
        )
    if said == NONE:
        return None
    home = Home(Path(said).expanduser(), Files(Runtime()))
    with told_by_alembic():
        home.require()
    return home


def _said(context: MigrationContext) -> str | None:
    config = context.config
    places: list[Any] = [context.opts.get(OPTION)]
    if config is not None:
        places += [config.attributes.get(OPTION), config.get_main_option(OPTION)]
    places.append(Environment().home)
    return next((str(place) for place in places if place), None)


# --- at once ----------------------------------------------------------------------------------------------------------


def _do(operations: Operations, home: Home, step: Step) -> list[str]:
    connection: Connection = operations.get_bind()
    runtime = Runtime()
    with _lock(home, runtime), open_unlocked(home, runtime) as node:
        match node.database.way_by(connection):
            case Joining.TOGETHER:
                with node.database.joined(connection):
                    return replicating.carry_out(node, step)
            case Joining.BESIDE:
                # A definition would have done the same. What the migration has written so far holds nothing up then.
                connection.exec_driver_sql("COMMIT")
                return replicating.carry_out(node, step)
            case Joining.LATER:
                return _ask(operations, node, step)


@contextmanager
def _lock(home: Home, runtime: Runtime) -> Iterator[None]:
    """A run may be under way; it will not be for long."""
    with ExitStack() as held:
        for left in range(int(_PATIENCE / _PAUSE), -1, -1):
            try:
                held.enter_context(home.lock())
                break
            except AlreadyRunning:
                if not left:
                    raise
            runtime.pause(_PAUSE)
        yield


# --- later ------------------------------------------------------------------------------------------------------------


def _ask(operations: Operations, node: Node, step: Step) -> list[str]:
    operations.execute(_request(step, node.database.own_schema))
    return [f"{sentence(step)}: the next run does it, or at once, when this is committed: replicator migrate upgrade"]


def _write(operations: Operations, step: Step) -> None:
    context = operations.get_context()
    context.impl.static_output(
        f"-- {sentence(step)}: the node does it with its next run, or at once: replicator migrate upgrade"
    )
    if isinstance(step, replicating.Refreshed):
        context.impl.static_output(
            "-- until then what is written to these tables may be refused, where columns were renamed or dropped"
        )
    operations.execute(_request(step, _schema(context)))


def _schema(context: MigrationContext) -> str | None:
    """Where our tables stand. The node need not be on the computer that writes the script."""
    said = _said(context)
    if said is not None and said != NONE:
        home = Home(Path(said).expanduser(), Files(Runtime()))
        if home.holds_node():
            return own_schema(home.load_configuration().database)
    return own_schema(f"{context.dialect.name}://")


def _request(step: Step, schema: str | None) -> Any:
    # Not the table of our metadata: it stands in another schema for each node, and its number is the database's matter.
    table = Table("replicator_request", MetaData(), Column("body", Text), schema=schema)
    # Drivers that mark parameters with it would have it doubled, also in a script.
    return insert(table).values(body=written(step).replace("%", "\\u0025"))
