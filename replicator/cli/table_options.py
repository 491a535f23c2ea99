"""Options of `table add` and `migrate new-table`: the one takes tables in, the other writes that down."""

from __future__ import annotations

from typing import Annotated

import typer

from replicator.types import Policy

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Names of tables.")]
Area = Annotated[str | None, typer.Option("--area", help="Group of tables that a rule can be set for.")]
PolicyChoice = Annotated[Policy, typer.Option("--policy", help="Who wins a conflict.")]
ReplaceCascades = Annotated[
    bool,
    typer.Option(
        "--replace-cascades",
        help="MariaDB: let triggers do what foreign keys do on delete, which it would do unnoticed.",
    ),
]
