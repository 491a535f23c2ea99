"""`host-init --from-backup`: a backup station becomes the host, and says what could not be recovered."""

from __future__ import annotations

from pathlib import Path

from replicator.cli.account_options import after_set_up
from replicator.cli.formats import say
from replicator.cli.session import Session
from replicator.operations import promoting
from replicator.operations.account_options import LoginOptions
from replicator.store.files import Files
from replicator.store.home import Home


def promote(
    session: Session,
    folder: Path,
    address: str | None,
    mailbox: str | None,
    send: str | None,
    title: str,
    login: LoginOptions,
    sure: bool,
) -> None:
    """Carry out the command. Raises what `operations.promoting.promote` raises."""
    home = Home(folder.expanduser(), Files(session.runtime))
    home.require()
    session.start_log(home)
    done = promoting.promote(
        home,
        session.runtime,
        address=address,
        mailbox=mailbox,
        send=send,
        title=title,
        login=login,
        sure=sure,
    )
    say(f"The backup station {done.former} is the host {done.name} <{done.address}> now, in {home.path}.")
    for sentence in done.told:
        say(sentence)
    if address is not None:
        after_set_up(home)
    say(f"Next: replicator --home {home.path} host-run. It asks the stations for what is missing here.")
