"""An application that keeps its own migrations with Alembic: env.py, a template, and scripts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

ENVIRONMENT = """
from alembic import context
from sqlalchemy import create_engine, text

import replicator.alembic

attributes = context.config.attributes
options = {"target_metadata": attributes["metadata"], **attributes["options"]}

if context.is_offline_mode():
    context.configure(url=attributes["url"], literal_binds=True, dialect_opts={"paramstyle": "named"}, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(attributes["url"])
    with engine.connect() as connection:
        for statement in attributes["before"]:
            connection.execute(text(statement))
            connection.commit()
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
"""

TEMPLATE = '''
"""${message}"""
from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


class AlembicSite:
    """`options` go to `context.configure`; `before` are statements on each connection of a migration."""

    def __init__(self, folder: Path, url: str, *, before: tuple[str, ...] = (), **options: Any) -> None:
        self.folder = folder
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(ENVIRONMENT, encoding="utf-8")
        (folder / "script.py.mako").write_text(TEMPLATE.lstrip(), encoding="utf-8")
        self.metadata = MetaData()
        self.url, self.before, self.options = url, before, options
        self.ini: dict[str, str] = {}
        """Of the section [alembic] in alembic.ini."""

    def _config(self, output: io.StringIO | None = None) -> Config:
        attributes = {"url": self.url, "before": self.before, "metadata": self.metadata, "options": self.options}
        config = Config(attributes=attributes, output_buffer=output) if output else Config(attributes=attributes)
        for name, value in {"script_location": str(self.folder), **self.ini}.items():
            config.set_main_option(name, value.replace("%", "%%"))
        return config

    def write(self, number: str, upgrade: str, downgrade: str = "pass") -> None:
        """A script by hand, after those that are there."""
        before = ScriptDirectory.from_config(self._config()).get_current_head()
        lines = [
            "from alembic import op",
            "import sqlalchemy as sa",
            f"revision = {number!r}",
            f"down_revision = {before!r}",
            "def upgrade():",
            *(f"    {line}" for line in upgrade.strip().splitlines()),
            "def downgrade():",
            *(f"    {line}" for line in downgrade.strip().splitlines()),
        ]
        (self.folder / "versions" / f"{number}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def generate(self, number: str) -> str:
        """`alembic revision --autogenerate`: the script's text."""
        made: Any = command.revision(self._config(), message=number, rev_id=number, autogenerate=True)
        return Path(made.path).read_text(encoding="utf-8")

    def upgrade(self, to: str = "head") -> None:
        command.upgrade(self._config(), to)

    def downgrade(self, to: str) -> None:
        command.downgrade(self._config(), to)

    def script(self, span: str) -> str:
        """`alembic upgrade --sql`."""
        output = io.StringIO()
        command.upgrade(self._config(output), span, sql=True)
        return output.getvalue()
