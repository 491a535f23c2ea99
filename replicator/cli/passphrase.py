"""Where a passphrase comes from: REPLICATOR_PASSPHRASE, or a question that shows nothing. Never from an option."""

from __future__ import annotations

import sys

import typer

from replicator.cli.session import Session
from replicator.errors import WrongUse


def new_passphrase(session: Session) -> str:
    """For an invitation that is made now: asked for twice."""
    return _from_environment(session) or _ask("Passphrase for the invitation", confirmation="Once more")


def existing_passphrase(session: Session) -> str:
    return _from_environment(session) or _ask("Passphrase of the invitation")


def _from_environment(session: Session) -> str | None:
    secret = session.environment.passphrase
    return None if secret is None else secret.get_secret_value()


def _ask(question: str, confirmation: str | None = None) -> str:
    if not sys.stdin.isatty():
        raise WrongUse("a passphrase is needed: set REPLICATOR_PASSPHRASE, or run this at a terminal")
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=confirmation or False, err=True))
