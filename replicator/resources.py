"""Files that come along with the program: migrations and schemas, in a wheel or in a checkout.

A wheel holds them inside the package (see `force-include` in pyproject.toml); in a checkout, and so in an editable
installation, they stand beside it.
"""

from __future__ import annotations

from pathlib import Path

from replicator.errors import ReplicatorError

_PACKAGE = Path(__file__).resolve().parent


def migrations_folder() -> Path:
    """The Alembic folder of the replicator's own tables. Raises ReplicatorError when the installation is incomplete."""
    return _folder("migrations")


def schemas_folder() -> Path:
    """JSON Schemas of configuration and messages, with golden messages. Raises ReplicatorError as above."""
    return _folder("schemas")


def _folder(name: str) -> Path:
    """Wheel before checkout: beside an installed package anything may stand under that name."""
    for folder in (_PACKAGE / f"_{name}", _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise ReplicatorError(f"The replicator's own {name} are missing from {_PACKAGE}: install the replicator again.")
