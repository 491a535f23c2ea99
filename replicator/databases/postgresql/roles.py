"""What the replicator's role must be allowed to do, and what to say where it isn't."""

from __future__ import annotations

from replicator.databases.postgresql.schemas import Schemas
from replicator.databases.postgresql.statements import Driver, execute, fetch, quoted, scalar
from replicator.errors import ConfigurationError

OLDEST = 14
_GRANTABLE = 15
"""Since this version a role that is no superuser can be given a setting."""


_OWNERS = """
SELECT pg_get_userbyid(owner)::text FROM (
  SELECT relowner AS owner FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace(%s)
  UNION SELECT nspowner FROM pg_namespace WHERE oid = to_regnamespace(%s)) o
WHERE NOT pg_has_role(owner, current_user, 'MEMBER') AND owner <> 'pg_database_owner'::regrole
  AND has_schema_privilege(%s, 'USAGE WITH GRANT OPTION')
"""


def allow_requests(raw: Driver, schemas: Schemas) -> None:
    """Who owns the application's tables may ask for what its migrations want, and see nothing of ours."""
    application = quoted(schemas.application)
    for (role,) in fetch(raw, _OWNERS, (application, application, schemas.ours)):
        execute(raw, f"GRANT USAGE ON SCHEMA {schemas.ours_sql} TO {quoted(role)}")
        execute(raw, f"GRANT INSERT ON {schemas.own('replicator_request')} TO {quoted(role)}")


def require_fit(raw: Driver, schemas: Schemas, where: str) -> None:
    """Raises ConfigurationError with what an administrator has to do."""
    version = int(scalar(raw, "SHOW server_version_num")) // 10000
    if version < OLDEST:
        raise ConfigurationError(
            f"The server of {where} is PostgreSQL {version}: the replicator needs {OLDEST} or newer."
        )
    if scalar(raw, "SHOW server_encoding") != "UTF8":
        raise ConfigurationError(
            f"The database {where} does not keep its text as UTF-8: copy it into one with ENCODING 'UTF8'."
        )
    if scalar(raw, "SELECT to_regnamespace(%s)", (quoted(schemas.application),)) is None:
        raise ConfigurationError(
            f"There is no schema {schemas.application} in the database {where}: check the URL, or create it."
        )
    role, superuser = fetch(raw, "SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user")[0]
    if superuser:
        return
    if version < _GRANTABLE:
        raise ConfigurationError(
            f"The role {role} must be a superuser of {where}: before PostgreSQL {_GRANTABLE} no other may keep "
            "triggers silent while changes of other places are written."
        )
    if not scalar(raw, "SELECT has_parameter_privilege('session_replication_role', 'SET')"):
        raise ConfigurationError(
            f"The role {role} of {where} may not keep triggers silent while changes of other places are written. Let "
            f'an administrator say: GRANT SET ON PARAMETER session_replication_role TO "{role}"'
        )
    if scalar(raw, "SELECT to_regnamespace(%s)", (schemas.ours_sql,)) is None and not scalar(
        raw, "SELECT has_database_privilege(current_database(), 'CREATE')"
    ):
        raise ConfigurationError(
            f"The role {role} may not make the schema {schemas.ours} in {where}. Let an administrator say: "
            f'CREATE SCHEMA {schemas.ours_sql} AUTHORIZATION "{role}"'
        )
