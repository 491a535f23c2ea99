"""The node's own revisions: files in `revisions` of its home that say step by step what it replicates.

Alembic reads them and orders them; each is carried out in one transaction with the note that it was, where the database
has definitions in transactions, else again from its beginning if it was interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.engine import bases
from replicator.engine.node import Node
from replicator.engine.progress import Progress, Silent
from replicator.errors import ConfigurationError, ReplicatorError, StorageTrouble, UnknownName, WrongUse, os_reason
from replicator.operations.opening import View, require_host
from replicator.operations.replicating import Replicated
from replicator.operations.table_admin import look_at_new
from replicator.operations.table_fitness import ALL
from replicator.operations.writing import day
from replicator.store import revisions, state
from replicator.store.home import Home
from replicator.types import Policy, Rule, Table, TableDefinition

if TYPE_CHECKING:
    from alembic.script import Script, ScriptDirectory

HEAD = "head"
_DIGITS = 4
_SLUG = 40
"""Characters of a file's name that tell its tables."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A file of the folder."""

    number: str
    text: str
    """The first line of what it says of itself."""
    path: Path
    applied: bool


@dataclass(frozen=True, slots=True)
class CarriedOut:
    number: str
    text: str
    remarks: tuple[str, ...]
    """What a person should know, a sentence each."""


@dataclass(frozen=True, slots=True)
class Written:
    revision: Revision
    tables: tuple[str, ...]
    remarks: tuple[str, ...]
    """What of the tables stays behind when they travel, a sentence each."""


def list_revisions(view: View) -> list[Revision]:
    """In their order. Raises ConfigurationError for a file that can't be read."""
    return _listed(view.home, revisions.heads(view.connection))


def _listed(home: Home, heads: set[str]) -> list[Revision]:
    scripts = _scripts(home)
    if scripts is None:
        return []
    with _alembic_errors(home):
        found = list(scripts.walk_revisions())[::-1]
        known = {script.revision for script in found}
        applied = _applied(scripts, heads & known)
    return [
        Revision(script.revision, _first_line(script), Path(script.path), script.revision in applied)
        for script in found
    ]


def _first_line(script: Script) -> str:
    return next(iter((script.longdoc or script.doc or "").strip().splitlines()), "").rstrip(".")


def _applied(scripts: ScriptDirectory, heads: set[str]) -> set[str]:
    return {script.revision for script in scripts.iterate_revisions(tuple(heads), "base")} if heads else set()


def _scripts(home: Home) -> ScriptDirectory | None:
    """None: there is no revision."""
    folder = home.revisions_folder
    if not folder.is_dir():
        return None
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(folder), version_locations=[str(folder)])


@contextmanager
def _alembic_errors(home: Home) -> Iterator[None]:
    """Within: what is wrong with the files of the folder comes out as one sentence."""
    from alembic.util import CommandError

    try:
        yield
    except ReplicatorError:
        raise
    except CommandError as error:
        raise ConfigurationError(f"the revisions in {home.revisions_folder} can't be used: {error}") from error
    except Exception as error:
        # The files are Python that a person may have edited: anything may come of them.
        raise ConfigurationError(
            f"a revision in {home.revisions_folder} can't be run: {type(error).__name__}: {error}; mend the file"
        ) from error


# --- carrying out -----------------------------------------------------------------------------------------------------


def upgrade(node: Node, home: Home, to: str = HEAD, progress: Progress | None = None) -> list[CarriedOut]:
    """Carry out the revisions that were not yet, up to this one.

    Raises UnknownName, ConfigurationError, and what the operations raise: those before stay carried out.
    """
    from alembic.util import to_tuple

    from replicator.operations import migration_steps  # which loads Alembic

    done: list[CarriedOut] = []
    for script in _pending(node, home, to):
        require_host(node, "revisions are carried out")
        told: list[str] = []
        with _alembic_errors(home), _one_transaction(node):
            migration_steps.run(node, script.module.upgrade, told, progress)
            with node.unit() as unit:
                revisions.note(unit.connection, script.revision, to_tuple(script.down_revision, default=()))
        done.append(CarriedOut(script.revision, _first_line(script), tuple(told)))
    if done:
        bases.keep(node, progress or Silent())
    return done


def _pending(node: Node, home: Home, to: str) -> list[Script]:
    with node.database.transaction(write=False) as connection:
        heads = revisions.heads(connection)
    scripts = _scripts(home)
    if scripts is None:
        if to != HEAD:
            raise UnknownName(f"there is no revision {to}; see: replicator migrate status")
        return []
    with _alembic_errors(home):
        known = {script.revision for script in scripts.walk_revisions()}
        if to != HEAD and to not in known:
            raise UnknownName(f"there is no revision {to}; see: replicator migrate status")
        missing = sorted(heads - known)
        if missing:
            raise ConfigurationError(
                f"revision {missing[0]} was carried out, but its file is gone from {home.revisions_folder}; bring it "
                f"back from a backup"
            )
        applied = _applied(scripts, heads)
        wanted = list(scripts.iterate_revisions("heads" if to == HEAD else to, "base"))[::-1]
        return [script for script in wanted if script.revision not in applied]


@contextmanager
def _one_transaction(node: Node) -> Iterator[None]:
    database = node.database
    if not database.capabilities.transactional_definitions:
        yield
        return
    with database.transaction() as connection, database.joined(connection):
        yield


# --- writing ----------------------------------------------------------------------------------------------------------


def new_table(
    view: View,
    names: Sequence[str],
    *,
    area: str | None = None,
    policy: Policy = Policy.HOST,
    rules: Mapping[str, Rule] | None = None,
    replace_cascades: bool = False,
) -> Written:
    """Write a revision that has these tables replicated, with their definition as it stands, for a person to read and
    edit. Nothing else is changed.

    Raises UnknownName, UnfitTable, WrongUse, StorageTrouble.
    """
    require_host(view, "revisions are written")
    for station in rules or {}:
        if station != ALL:
            state.find_peer(view.connection, station)
    tables, remarks = _looked_at(view, names, area, policy, replace_cascades)
    known = _listed(view.home, revisions.heads(view.connection))
    number = _next_number([each.number for each in known])
    steps = [
        Replicated((table.name,), area, policy, rules or {}, table.definition.column_names, replace_cascades)
        for table in tables
    ]
    heads = _heads(view.home)
    if len(heads) > 1:
        raise WrongUse(f"the revisions {', '.join(heads)} both come last; have one of them name the other before it")
    text = _text(number, next(iter(heads), None), tables, steps, day(view.now))
    slug = re.sub(r"\W+", "_", "_".join(table.name for table in tables), flags=re.ASCII).strip("_").lower()[:_SLUG]
    path = view.home.revisions_folder / f"{number}_{slug or 'tables'}.py"
    _write(view.home, path, text)
    revision = Revision(number, _title(tables), path, applied=False)
    return Written(revision, tuple(table.name for table in tables), tuple(remarks))


def _looked_at(
    view: View, names: Sequence[str], area: str | None, policy: Policy, replace_cascades: bool
) -> tuple[list[Table], list[str]]:
    found = [
        Table(place, each.name, each, area, policy)
        for place, each in enumerate(look_at_new(view, names, area=area, replace_cascades=replace_cascades), 1)
    ]
    return found, [remark for table in found for remark in view.database.remarks(view.connection, table.name)]


def _heads(home: Home) -> list[str]:
    scripts = _scripts(home)
    if scripts is None:
        return []
    with _alembic_errors(home):
        return sorted(scripts.get_heads())


def _next_number(numbers: Sequence[str]) -> str:
    return f"{max((int(each) for each in numbers if each.isascii() and each.isdigit()), default=0) + 1:0{_DIGITS}}"


def _title(tables: Sequence[Table]) -> str:
    return f"Replicate {', '.join(table.name for table in tables)}"


def _text(number: str, before: str | None, tables: Sequence[Table], steps: Sequence[Replicated], today: str) -> str:
    from replicator.operations import migration_steps  # which loads Alembic

    calls = "\n".join(migration_steps.call_text(step, indent="    ") for step in steps)
    described = "\n\n".join(_described(table.definition) for table in tables)
    return f'''"""{_docstring(_title(tables))}.

{_docstring(described)}

Written {today}. Edit it as you like before it is carried out: replicator migrate upgrade
"""

from alembic import op

revision = "{number}"
down_revision = {f'"{before}"' if before else None}


def upgrade() -> None:
{calls}
'''


def _docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")


def _described(definition: TableDefinition) -> str:
    """The table as it travels, a line each column."""
    wide = max(len(column.name) for column in definition.columns)
    lines = [definition.name]
    for column in definition.columns:
        words = [column.type.declared or column.type.kind.value]
        words += ["key"] if column.name in definition.primary_key else []
        words += [] if column.nullable else ["not null"]
        lines.append(f"    {column.name.ljust(wide)}  {', '.join(words)}")
    lines += [f"    refers to {key.parent} by {', '.join(key.columns)}" for key in definition.foreign_keys]
    return "\n".join(lines)


def _write(home: Home, path: Path, text: str) -> None:
    if path.exists():
        raise WrongUse(f"{path} is there already; move it away")
    try:
        home.revisions_folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageTrouble(f"cannot write {path}: {os_reason(error)}") from error
    home.files.write(path, text.encode())
