"""Nodes for tests that want them on several databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.integration.command_line import Place

NewPlace = Callable[[str, str], Place]


@pytest.fixture
def new_place(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[NewPlace]:
    """`new_place(kind, name)` is a computer with an empty database; kind is sqlite, postgresql or mariadb.

    A server is started when the first place wants it; the test is skipped, visibly, where there is none.
    """
    made: list[Any] = []

    def new(kind: str, name: str) -> Place:
        if kind == "sqlite":
            return Place(tmp_path, name, capsys)
        server = request.getfixturevalue(f"{kind}_server")
        if not server.server.is_running:
            server.start()
        # Tests of the keyring leave theirs behind in this process: nobody shall ask it.
        monkeypatch.setenv("REPLICATOR_DATABASE_PASSWORD", "replicator")
        # Drivers are imported only where a test needs them.
        from tests.integration import server_places

        place: Any = getattr(server_places, f"{kind.capitalize()}Place")(tmp_path, name, capsys)
        place.server, place.database = server, server.create_database()
        made.append(place)
        place.allow()
        return cast(Place, place)

    yield new
    for place in made:
        if place.server.server.is_running:
            place.server.drop_database(place.database)
