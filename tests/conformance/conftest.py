"""What the conformance suites run against."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from database_places import SqlitePlace

from replicator.errors import DatabaseTrouble
from replicator.store import migrate, sql
from replicator.store.tables import metadata

if TYPE_CHECKING:
    from store_places import Store

PLENTY = 2_000_000_000
"""Bytes."""


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is plenty: nobody cuts the power here, and waiting for a disk is half of it."""
    memory = Path("/dev/shm")
    if not (os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > PLENTY):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def place(quick_path: Path) -> Iterator[SqlitePlace]:
    """Suites of another database, or of several, have a fixture of this name of their own."""
    made = SqlitePlace(quick_path)
    yield made
    made.close()


@pytest.fixture
def new_place(request: pytest.FixtureRequest, quick_path: Path) -> Iterator[Callable[[str], Any]]:
    """`new_place(kind)` is a node's database of this kind, and an application with a connection of its own."""
    made: list[Any] = []

    def new(kind: str) -> Any:
        if kind == "sqlite":
            place: Any = SqlitePlace(quick_path)
        else:
            # The server first: where it is missing, its driver may be, too.
            server, name = request.getfixturevalue(f"{kind}_server"), request.getfixturevalue(f"{kind}_database")
            place = getattr(import_module(f"{kind}_places"), f"{kind.capitalize()}Place")(server, name)
        made.append(place)
        return place

    yield new
    for place in made:
        place.close()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def each_place(request: pytest.FixtureRequest, new_place: Callable[[str], Any]) -> Any:
    """A database of each kind in turn."""
    return new_place(request.param)


@pytest.fixture(params=["postgresql", "mariadb"])
def server_place(request: pytest.FixtureRequest, new_place: Callable[[str], Any]) -> Any:
    """A database of each kind that several programs write to at a time."""
    return new_place(request.param)


@pytest.fixture(scope="session", params=["sqlite", "postgresql", "mariadb"])
def kept_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A database with the replicator's own tables, made once: thirty tables cost a server more than a test."""
    kind = request.param
    url = ""
    if kind != "sqlite":
        # The server first: where it is missing, its driver may be, too.
        server = request.getfixturevalue(f"{kind}_server")
        url = server.url(server.create_database())
    import store_places

    made = {
        "sqlite": lambda: store_places.SqliteStore(tmp_path_factory.mktemp("store")),
        "postgresql": lambda: store_places.PostgresqlStore(url),
        "mariadb": lambda: store_places.MariadbStore(url),
    }[kind]()
    with made.transaction() as connection, pytest.raises(DatabaseTrouble, match="are missing"):
        migrate.require_ours(connection)
    with made.transaction() as connection:
        assert migrate.upgrade(connection)
    yield made
    made.close()


@pytest.fixture
def store(kept_store: Store) -> Iterator[Store]:
    """The replicator's own tables, all of them empty."""
    yield kept_store
    with kept_store.transaction() as connection:
        for name in metadata.tables:
            sql.run(connection, f"DELETE FROM {name}")
