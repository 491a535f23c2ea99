"""All that differs between databases, one package each, behind `base.Database`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from replicator.databases.base import Database
from replicator.databases.sqlite import SqliteDatabase
from replicator.errors import ConfigurationError
from replicator.runtime import Runtime

# Drivers are loaded when they are used: they are extras, and take a moment.


def _postgresql(url: URL, runtime: Runtime, *, create: bool = True) -> Database:
    _require_driver("psycopg", "PostgreSQL", "postgresql")
    from replicator.databases.postgresql.database import PostgresqlDatabase

    return PostgresqlDatabase(url, runtime, create=create)


def _mariadb(url: URL, runtime: Runtime, *, create: bool = True) -> Database:
    """Of `mariadb://`, too, for which SQLAlchemy would take another driver than ours."""
    if url.drivername not in ("mariadb", "mariadb+pymysql"):
        raise ConfigurationError(f"For MariaDB write mariadb://USER@HOST/DATABASE, not {url.drivername}://.")
    _require_driver("pymysql", "MariaDB", "mariadb")
    from replicator.databases.mariadb.database import MariadbDatabase

    return MariadbDatabase(url, runtime, create=create)


def _require_driver(module: str, name: str, extra: str) -> None:
    if find_spec(module) is None:
        raise ConfigurationError(
            f"The driver for {name} is missing: install it with pip install 'replicator[{extra}]'."
        )


_DATABASES: dict[str, Callable[..., Database]] = {
    "mariadb": _mariadb,
    "postgresql": _postgresql,
    "sqlite": SqliteDatabase,
}
"""By the dialect's name in a database URL. Each takes the URL, the runtime and `create`."""

_PORTS = {"postgresql": 5432, "mariadb": 3306}


def open_database(url: str, runtime: Runtime, *, create: bool = True, password: SecretStr | None = None) -> Database:
    """The database behind an SQLAlchemy URL such as `sqlite:///path/to/file.db`; nothing is opened yet.

    `create`: whether `prepare` may make a database that isn't there. `password`: for the URL's user; the driver may
    know other ways to one (`~/.pgpass`), or need none.

    Raises ConfigurationError for a URL that can't be read or a database that isn't supported. The URL may hold a
    password and is never repeated in an error.
    """
    parsed = _parsed(url)
    make = _DATABASES.get(parsed.get_backend_name())
    if parsed.get_backend_name() == "mysql":
        raise ConfigurationError(
            "MySQL is another database, which isn't supported. For a MariaDB server write mariadb://USER@HOST/DATABASE."
        )
    if make is None:
        raise ConfigurationError(
            f"The database {parsed.get_backend_name()} isn't supported: use one of {_supported()}."
        )
    if password is not None:
        parsed = parsed.set(password=password.get_secret_value())
    return make(parsed, runtime, create=create)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"The database URL can't be read: write it like sqlite:///PATH (supported: {_supported()})."
        ) from None


def _supported() -> str:
    return ", ".join(sorted(_DATABASES))


def login_of(url: str) -> str | None:
    """By which name a keyring may know the password: `postgresql://user@host:port/database`. None: there is no login.

    Raises ConfigurationError as `open_database`.
    """
    parsed = _parsed(url)
    name = parsed.get_backend_name()
    if name == "sqlite" or parsed.username is None:
        return None
    where = f"{(parsed.host or 'localhost').lower()}:{parsed.port or _PORTS.get(name, 0)}"
    return f"{name}://{parsed.username}@{where}/{parsed.database or parsed.username}"


def own_schema(url: str) -> str | None:
    """Name of the schema that our tables stand in, in the database of this URL; None: beside the application's.

    Raises ConfigurationError as `open_database`.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "postgresql":
        return None
    from replicator.databases.postgresql import schemas

    return schemas.ours_beside(schemas.named_in(parsed))


def absolute_url(url: str) -> str:
    """The URL with a file's path made absolute, so that it means the same from whatever folder a run is started.

    Raises ConfigurationError as `open_database`.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    return str(parsed.set(database=str(Path(parsed.database).expanduser().absolute())))


__all__ = ["Database", "absolute_url", "login_of", "open_database", "own_schema"]
