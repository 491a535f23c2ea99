"""Where a passphrase comes from: REPLICATOR_PASSPHRASE, or a question that shows nothing. Never from an option."""

from __future__ import annotations

import typer

from replicator.cli.session import Session


def new_passphrase(session: Session) -> str:
    """For an invitation that is made now: asked for twice."""
    return _from_environment(session) or str(
        typer.prompt("Passphrase for the invitation", hide_input=True, confirmation_prompt="Once more", err=True)
    )


def existing_passphrase(session: Session) -> str:
    return _from_environment(session) or str(typer.prompt("Passphrase of the invitation", hide_input=True, err=True))


def _from_environment(session: Session) -> str | None:
    secret = session.environment.passphrase
    return None if secret is None else secret.get_secret_value()
