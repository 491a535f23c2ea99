"""`host-init --from-backup`: a backup station becomes the host, and says what could not be recovered."""

from __future__ import annotations

from pathlib import Path

from replicator.cli.account_options import after_set_up
from replicator.cli.console import moment
from replicator.cli.formats import counted, position_text, say
from replicator.cli.session import Session
from replicator.engine.promoting import Promoted
from replicator.operations import promoting
from replicator.operations.account_options import LoginOptions
from replicator.operations.promoting import NewHost
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
    if done.told is not None:
        _tell(done, done.told)
    if address is not None:
        after_set_up(home)
    say(f"Next: replicator --home {home.path} host-run. It asks the stations for what is missing here.")


def _tell(done: NewHost, told: Promoted) -> None:
    at = moment(told.heard_at)
    heard = "never heard of" if at is None else f"heard of last on {at.astimezone():%Y-%m-%d %H:%M}"
    say(f"The former host was {heard}; its log is known here up to {position_text(told.position)}.")
    say("What it wrote behind that comes back from the stations that have it; the rest is lost: enter it again.")
    if done.mailbox_trouble is not None:
        say(f"The mailbox could not be emptied before, so that mail of the host may lie there: {done.mailbox_trouble}")
    if told.partly:
        say("What of the former host's mail had come in part only is not used.")
    say("Not recovered: the former host's conflicts on record, its quarantine and its journal of the past.")
    if told.local.count:
        say(
            f"What was written here is the host's now: {told.local.new} new, {told.local.changed} changed, "
            f"{told.local.deleted} deleted rows."
        )
    if told.refused:
        say(f"{counted(told.refused, 'row')} of the former host could not be stored here and stand in 'conflict list'.")
    if told.missing:
        say(f"Not here, and no longer replicated: {', '.join(sorted(told.missing))}.")
    if told.lost_numbers:
        say(
            f"Of {counted(told.lost_numbers, 'number')} nobody knows whether they were used; they are lost, "
            f"so that none comes twice."
        )
    if told.unaware:
        say(
            f"Not known to accept this host: {', '.join(told.unaware)}. If mail of theirs does not come, invite them "
            f"anew: replicator station invite NAME"
        )
