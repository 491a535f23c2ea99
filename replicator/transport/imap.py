"""Fetching by IMAP: the inbox, and of the junk folder what looks like ours."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from threading import Event

from replicator.errors import LoginRefused, MailboxTrouble, NotTrusted
from replicator.runtime import Runtime
from replicator.transport.base import LARGEST_MAIL, Absence, Fetched
from replicator.transport.imap_connection import ImapConnection
from replicator.transport.imap_errors import Broken, Refused, sorted_trouble
from replicator.transport.imap_folders import INBOX, junk_folder
from replicator.transport.imap_idle import wait_for_news
from replicator.transport.imap_moving import move
from replicator.transport.login import Login, with_fresh_token
from replicator.transport.refusals import Server
from replicator.transport.urls import ServerUrl

REOPENED = 3
"""Times a session is taken up again after its connection broke: a mail at which it breaks must not hide the others."""
RECONNECT_SECONDS = 2.0
"""Until a server that hung up while we waited for mail is connected to again; doubled each time."""
LONGEST_PAUSE_SECONDS = 300.0
DELETED_AT_ONCE = 100
"""Mails whose deletion may be outstanding; the rest goes at the session's end."""

_OURS_IN_JUNK = ("OR", "HEADER", "Auto-Submitted", "auto-generated", "SUBJECT", '"Replicator"')
"""Other people's junk is not for us to read, and would be reported as foreign mail."""


@dataclass(frozen=True, slots=True)
class _Place:
    folder: str
    validity: int
    uid: int

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.validity}/{self.uid}"

    def hint(self, size: int) -> str:
        """With the size that the server tells, as one that was set back gives its numbers a second time."""
        return f"{self.name}/{size}"


class ImapFetcher:
    """Fetches from one account. See `Mailbox` for the methods."""

    has_folders = True

    def __init__(self, url: ServerUrl, login: Login, context: ssl.SSLContext, runtime: Runtime) -> None:
        self.user = url.user or login.user
        self._url = url
        self._login = login
        self._context = context
        self._runtime = runtime
        self._server = Server(url)
        self._connection: ImapConnection | None = None
        self._places: dict[str, _Place] = {}
        self._doomed: dict[str, _Place] = {}
        self._reopened = 0
        self._seen = (0, 1)
        """UIDVALIDITY of the inbox, and the UID from which on a mail is new to us."""

    def fetch(self, *, largest: int = LARGEST_MAIL, skip: Container[str] = frozenset()) -> Iterator[Fetched]:
        """See `Mailbox.fetch`. A mail at which the connection breaks is unreadable, and the others follow."""
        self._end_session()
        self._reopened = 0
        with self._errors_sorted():
            inbox = self._sizes_of_inbox()
        yield from self._read_all(inbox, largest, skip)
        with self._errors_sorted():
            junk = self._sizes_of_junk()
        yield from self._read_all(junk, largest, skip)

    def delete(self, fetched_ids: Iterable[str]) -> None:
        """See `Mailbox.delete`. Done for some at a time, and for all at the session's end."""
        for name in fetched_ids:
            place = self._places.pop(name, None)
            if place is not None:
                self._doomed[name] = place
        if len(self._doomed) >= DELETED_AT_ONCE:
            with self._errors_sorted():
                self._delete_doomed()

    def move(self, fetched_ids: Iterable[str], folder: str) -> dict[str, MailboxTrouble]:
        """See `Mailbox.move`."""
        places = {name: self._places[name] for name in fetched_ids if name in self._places}
        places = {name: place for name, place in places.items() if place.folder == INBOX}
        if not places:
            return {}
        self._runtime.reached("move:before")
        with self._errors_sorted():
            try:
                refused = self._move(places, folder)
            except Broken as broken:
                self._reopen(broken)
                refused = self._move(places, folder)
        self._runtime.reached("move:after")
        for name in places.keys() - refused.keys():
            del self._places[name]
        return refused

    def close(self) -> None:
        """See `Mailbox.close`."""
        self._end_session()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.quit()

    def wait(self, seconds: float, stop: Event) -> bool:
        """See `Mailbox.wait`. A server that hangs up is connected to anew, again and again, with longer and longer
        pauses; one that does not let us in, or can't be asked, is left alone: the next run says what is wrong."""
        until = self._runtime.now() + int(seconds * 1_000_000)
        pause = RECONNECT_SECONDS
        while not stop.is_set() and self._runtime.now() < until:
            began = self._runtime.now()
            try:
                return self._await_news(until, stop)
            except (LoginRefused, NotTrusted):
                self._drop()
                break
            except MailboxTrouble:
                self._drop()
            lasted = (self._runtime.now() - began) / 1_000_000
            pause = RECONNECT_SECONDS if lasted > LONGEST_PAUSE_SECONDS else pause
            stop.wait(min(pause, self._left(until)))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        stop.wait(self._left(until))
        return False

    def _await_news(self, until: int, stop: Event) -> bool:
        self._end_session()
        with self._errors_sorted():
            connection = self._opened()
            if "IDLE" in connection.capabilities:
                return wait_for_news(connection, self._is_news, until, stop, self._runtime)
        stop.wait(self._left(until))
        return False

    def _left(self, until: int) -> float:
        """Seconds until then."""
        return max(0.0, (until - self._runtime.now()) / 1_000_000)

    # --- what lies there --------------------------------------------------------------------------------------------

    def _sizes_of_inbox(self) -> dict[_Place, int]:
        connection = self._opened()
        sizes = connection.sizes("1:*") if connection.select(INBOX) else {}
        self._seen = (connection.validity, max(sizes, default=0) + 1)
        return {_Place(INBOX, connection.validity, uid): size for uid, size in sizes.items()}

    def _sizes_of_junk(self) -> dict[_Place, int]:
        connection = self._opened()
        folder = junk_folder(connection.folders())
        if folder is None:
            return {}
        try:
            uids = connection.search(*_OURS_IN_JUNK) if connection.select(folder) else []
            sizes = connection.sizes(",".join(map(str, uids))) if uids else {}
        except Refused:
            # It may be there and not be open to us: the inbox is what counts.
            return {}
        return {_Place(folder, connection.validity, uid): size for uid, size in sizes.items()}

    def _is_news(self, connection: ImapConnection) -> bool:
        """Whether mail has come to the inbox since it was last looked through."""
        if connection.selected != INBOX:
            connection.select(INBOX)
        else:
            # A search alone looks at what the server told us last.
            connection.look()
        validity, first = self._seen
        if validity != connection.validity:
            first = 1
        # 'n:*' always names the last mail, also when its UID is less than n.
        return any(uid >= first for uid in connection.search("UID", f"{first}:*"))

    # --- reading and deleting ---------------------------------------------------------------------------------------

    def _read_all(self, sizes: dict[_Place, int], largest: int, skip: Container[str]) -> Iterator[Fetched]:
        for number, (place, size) in enumerate(sizes.items(), start=1):
            if place.hint(size) in skip:
                continue
            self._places[place.name] = place
            fetched = self._read(place, size, largest)
            if fetched is not None:
                yield replace(fetched, behind=len(sizes) - number)

    def _read(self, place: _Place, size: int, largest: int) -> Fetched | None:
        """The mail; None when it has gone."""
        absent = Fetched(place.name, place.hint(size), size, None, Absence.UNREADABLE, junk=place.folder != INBOX)
        if size > largest:
            return replace(absent, absence=Absence.TOO_LARGE)
        try:
            connection = self._at(place)
            raw = connection.content(place.uid) if connection else None
        except Refused:
            return absent
        except Broken as broken:
            self._reopen(broken)
            return absent
        if raw is None:
            return None
        if len(raw) > largest:
            return replace(absent, size=len(raw), absence=Absence.TOO_LARGE)
        return replace(absent, size=len(raw), raw=raw, absence=None)

    def _at(self, place: _Place) -> ImapConnection | None:
        """The connection with the place's folder selected; None when the server has numbered it anew."""
        connection = self._opened()
        if connection.selected != place.folder:
            connection.select(place.folder)
        return connection if connection.validity == place.validity else None

    def _delete_doomed(self) -> None:
        self._runtime.reached("delete:before")
        try:
            self._delete_in_folders()
        except Broken as broken:
            # Servers hang up on one who is silent for half an hour, which a long apply may be.
            self._reopen(broken)
            self._delete_in_folders()
        self._runtime.reached("delete:after")

    def _delete_in_folders(self) -> None:
        failure: Refused | None = None
        for folder in sorted({place.folder for place in self._doomed.values()}):
            names = [name for name, place in self._doomed.items() if place.folder == folder]
            places = [self._doomed[name] for name in names]
            try:
                for validity in sorted({place.validity for place in places}):
                    chosen = [place for place in places if place.validity == validity]
                    connection = self._at(chosen[0])
                    if connection is not None:
                        connection.delete([place.uid for place in chosen])
            except Refused as refused:
                failure = failure or refused
            for name in names:
                del self._doomed[name]
        if failure is not None:
            raise failure

    def _move(self, places: dict[str, _Place], folder: str) -> dict[str, MailboxTrouble]:
        connection = self._at(next(iter(places.values())))
        if connection is None:
            return {}
        # What the server has numbered anew since is not to be found by these numbers any more.
        uids = {place.uid: name for name, place in places.items() if place.validity == connection.validity}
        return move(connection, self._server, uids, folder)

    def _end_session(self) -> None:
        """Carry out what is left to delete. Where that fails the mails come again, as duplicates."""
        if self._doomed and self._connection is not None:
            with contextlib.suppress(MailboxTrouble), self._errors_sorted():
                self._delete_doomed()
        self._doomed = {}
        self._places = {}

    # --- connections --------------------------------------------------------------------------------------------------

    def _opened(self) -> ImapConnection:
        if self._connection is None:
            self._connection = with_fresh_token(
                self._login, lambda: ImapConnection(self._url, self.user, self._login, self._context, self._server)
            )
        return self._connection

    def _reopen(self, broken: Broken) -> None:
        """Connect anew; a UID goes on naming its mail. Raises MailboxTrouble when it has broken too often."""
        self._drop()
        self._reopened += 1
        if self._reopened > REOPENED:
            raise self._server.trouble(broken.cause) from None
        with self._errors_sorted():
            self._opened()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    @contextlib.contextmanager
    def _errors_sorted(self) -> Iterator[None]:
        try:
            yield
        except (Refused, Broken) as error:
            if isinstance(error, Broken):
                self._drop()
            raise sorted_trouble(self._server, error) from None
