"""Files that come along: in a wheel inside the package, in a checkout beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from replicator import resources
from replicator.errors import ReplicatorError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site" / "replicator"
    folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", folder)
    return folder


def test_a_checkout_has_them_beside_the_package(package: Path) -> None:
    (package.parent / "migrations").mkdir()
    (package.parent / "schemas").mkdir()
    assert resources.migrations_folder() == package.parent / "migrations"
    assert resources.schemas_folder() == package.parent / "schemas"


def test_a_wheel_has_them_inside(package: Path) -> None:
    (package.parent / "migrations").mkdir()
    (package / "_migrations").mkdir()
    assert resources.migrations_folder() == package / "_migrations"


def test_an_incomplete_installation_is_told(package: Path) -> None:
    with pytest.raises(ReplicatorError, match="install the replicator again"):
        resources.schemas_folder()
