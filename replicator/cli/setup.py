"""`host-init` and `remote-init`: a folder, a database and a mailbox become a node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from replicator.cli.account_options import (
    Auth,
    Authority,
    CaFile,
    ClientId,
    PasswordFile,
    ProviderName,
    SendUrl,
    after_set_up,
)
from replicator.cli.database import with_database_password
from replicator.cli.formats import say
from replicator.cli.passphrase import existing_passphrase
from replicator.cli.promoting import promote
from replicator.cli.session import session_of
from replicator.errors import WrongUse
from replicator.operations import node_setup
from replicator.operations.account_options import LoginOptions
from replicator.operations.node_setup import SetUp

_DATABASE = typer.Option(
    "--database",
    metavar="URL",
    help="The application's database: sqlite:////absolute/path.db, postgresql://USER@HOST/DATABASE or "
    "mariadb://USER@HOST/DATABASE.",
)
DatabaseUrl = Annotated[str, _DATABASE]
HostDatabaseUrl = Annotated[str | None, _DATABASE]
DatabasePasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--database-password-file",
        metavar="FILE",
        readable=False,
        help="A file of yours, mode 0600, that holds the password of the database's user.",
    ),
]
MailboxUrl = Annotated[
    str | None,
    typer.Option("--mailbox", metavar="URL", help="Where mail is fetched; else the address's provider tells it."),
]
Title = Annotated[str, typer.Option("--title", help="A title for people.")]


def host_init(
    context: typer.Context,
    database: HostDatabaseUrl = None,
    address: Annotated[
        str | None, typer.Option("--address", metavar="ADDRESS", help="The host's own e-mail address.")
    ] = None,
    mailbox: MailboxUrl = None,
    send: SendUrl = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The host's name, as its stations see it; else host.")
    ] = None,
    title: Title = "",
    provider: ProviderName = None,
    ca: CaFile = None,
    password_file: PasswordFile = None,
    auth: Auth = None,
    client_id: ClientId = None,
    authority: Authority = None,
    database_password_file: DatabasePasswordFile = None,
    from_backup: Annotated[
        Path | None,
        typer.Option(
            "--from-backup",
            metavar="HOME",
            readable=False,
            help="After a fire: make the backup station in this folder the host.",
        ),
    ] = None,
    sure: Annotated[bool, typer.Option("--yes", help="The host is lost, though it was heard of today.")] = False,
) -> None:
    """Make this computer the host, with the application's database and a mailbox."""
    session = session_of(context)
    login = LoginOptions(provider, ca, password_file, auth, client_id, authority)
    if from_backup is not None:
        given = {"--database": database, "--name": name, "--database-password-file": database_password_file}
        if unfit := [option for option, value in given.items() if value is not None]:
            raise WrongUse(f"a backup station keeps its database, and takes the host's name: leave out {unfit[0]}")
        promote(session, from_backup, address, mailbox, send, title, login, sure)
        return
    if database is None or address is None:
        raise WrongUse("a new host needs --database URL and --address ADDRESS; see 'replicator host-init --help'")
    home = session.home()
    done = with_database_password(
        database,
        lambda: node_setup.host_init(
            home,
            session.runtime,
            database=database,
            address=address,
            mailbox=mailbox,
            send=send,
            name=name or "host",
            title=title,
            login=login,
            database_password_file=database_password_file,
        ),
    )
    _tell(done)
    after_set_up(home)
    say("Next: replicator table add NAME…, replicator station add NAME --address ADDRESS")


def remote_init(
    context: typer.Context,
    invitation: Annotated[Path, typer.Argument(metavar="INVITATION", readable=False, help="The head office's file.")],
    database: DatabaseUrl,
    mailbox: MailboxUrl = None,
    send: SendUrl = None,
    title: Title = "",
    provider: ProviderName = None,
    ca: CaFile = None,
    password_file: PasswordFile = None,
    auth: Auth = None,
    client_id: ClientId = None,
    authority: Authority = None,
    database_password_file: DatabasePasswordFile = None,
) -> None:
    """Make this computer a station, by the host's invitation. Its database may be missing or empty."""
    session = session_of(context)
    home = session.home()
    passphrase = existing_passphrase(session) if node_setup.passphrase_needed(home, invitation) else None
    done = with_database_password(
        database,
        lambda: node_setup.remote_init(
            home,
            session.runtime,
            invitation,
            passphrase=passphrase,
            database=database,
            mailbox=mailbox,
            send=send,
            title=title,
            login=LoginOptions(provider, ca, password_file, auth, client_id, authority),
            database_password_file=database_password_file,
        ),
    )
    _tell(done)
    after_set_up(home)
    say("Next: replicator remote-run")


def _tell(done: SetUp) -> None:
    for sentence in done.sentences:
        say(sentence)
    whose = f" of the host {done.host}" if done.host else ""
    say(f"The {done.role} {done.name} <{done.address}>{whose} is set up in {done.home}.")


def join(app: typer.Typer) -> None:
    app.command("host-init")(host_init)
    app.command("remote-init")(remote_init)
