"""All that differs between databases, one package each, behind `base.Database`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from replicator.databases.base import Database
from replicator.databases.sqlite import SqliteDatabase
from replicator.errors import ConfigurationError
from replicator.runtime import Runtime

_DATABASES: dict[str, type[SqliteDatabase]] = {"sqlite": SqliteDatabase}
"""By the dialect's name in a database URL."""


def open_database(url: str, runtime: Runtime, *, create: bool = True) -> Database:
    """The database behind an SQLAlchemy URL such as `sqlite:///path/to/file.db`; nothing is opened yet.

    `create`: whether `prepare` may make a database that isn't there.

    Raises ConfigurationError for a URL that can't be read or a database that isn't supported. The URL may hold a
    password and is never repeated in an error.
    """
    supported = ", ".join(sorted(_DATABASES))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"The database URL can't be read: write it like sqlite:///PATH (supported: {supported})."
        ) from None
    make = _DATABASES.get(parsed.get_backend_name())
    if make is None:
        raise ConfigurationError(f"The database {parsed.get_backend_name()} isn't supported: use one of {supported}.")
    return make(parsed, runtime, create=create)


def absolute_url(url: str) -> str:
    """The URL with a file's path made absolute, so that it means the same from whatever folder a run is started.

    Raises ConfigurationError as `open_database`.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("The database URL can't be read: write it like sqlite:///PATH.") from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    return str(parsed.set(database=str(Path(parsed.database).expanduser().absolute())))


__all__ = ["Database", "absolute_url", "open_database"]
