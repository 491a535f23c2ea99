"""What the conformance suites run against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from database_places import SqlitePlace


@pytest.fixture(params=["sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlitePlace]:
    made = {"sqlite": SqlitePlace}[request.param](tmp_path)
    yield made
    made.close()
