"""`database password`, and asking for the password of the database's user when a node is set up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import typer
from pydantic import SecretStr

from replicator.cli.formats import say
from replicator.cli.session import session_of
from replicator.errors import DatabaseWantsPassword, WrongUse
from replicator.operations import database_login

Done = TypeVar("Done")

app = typer.Typer(help="The login at the application's database.", no_args_is_help=True)


def with_database_password(url: str, step: Callable[[], Done]) -> Done:
    """What `step` gives. Where the server wants a password, and there is a terminal and a keyring, it is asked for and
    kept, and the step is tried again."""
    try:
        return step()
    except DatabaseWantsPassword:
        login = database_login.keyring_login(url)
        if login is None or not sys.stdin.isatty():
            raise
        _ask(login)
    return step()


@app.command("password")
def password(context: typer.Context) -> None:
    """Ask for the password of the database's user, and keep it in the keyring in place of the last one."""
    login = database_login.login_of_node(session_of(context).node_home())
    if not sys.stdin.isatty():
        raise WrongUse(f"there is no terminal to ask at: {database_login.OTHER_WAYS}")
    _ask(login)


def _ask(login: str) -> None:
    secret = SecretStr(str(typer.prompt(f"Password for {login}", hide_input=True, err=True)))
    database_login.keep_password(login, secret)
    say(f"The password for {login} is in the keyring.")


def join(program: typer.Typer) -> None:
    program.add_typer(app, name="database")
