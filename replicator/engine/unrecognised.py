"""Mail in the mailbox that is not the replicator's: left, moved to a folder or forwarded, as the node is set.

A mail that is left is known again by its hint, so that it is told once and not transferred at every run. A hint decides
nothing else: should a server give it to a mail of ours, that mail counts as lost, and is sent again. What waits to be
forwarded is looked at anew when its turn comes (`forwarding`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from replicator.engine.mailboxes import NodeMailbox
from replicator.engine.node import Node, Unit
from replicator.store import notices, outgoing
from replicator.transport import mime
from replicator.transport.base import Absence, Fetched
from replicator.transport.forwarding import barred, refers_to_forwarded
from replicator.transport.origin import ACCOUNT_TEST, Head, Origin, read_head

LEFT = "foreign-mail"
"""Kinds of notices; their subjects are hints. A mail that is left because the node is set so."""
UNFORWARDED = "unforwarded-mail"
"""One that is never forwarded and can't be moved."""
WAITING = "waiting-mail"
"""One that is to be forwarded."""
LARGE = "large-mail"
"""One that is too large to be looked at."""
IN_MAILBOX = (LEFT, UNFORWARDED, WAITING, LARGE)
MOVED = "moved-mail"
UNMOVED = "unmoved-mail"
"""Mail can't be moved to this folder: a person has to see to it."""

AT_ONCE = 100
"""Mails that are moved, and put on record, together."""
TOLD_SINGLY = 5
"""Moved at once; of more, only how many."""
MOVES_KEPT = 90 * 24 * 60 * 60 * 1_000_000
"""Microseconds for which it is on record what was moved or forwarded."""

_KNOWN = {"leave": (LEFT, UNFORWARDED, WAITING), "forward": (UNFORWARDED, WAITING), "move": ()}
"""What needs not be looked at again, by what is done with such mail."""


class Known(Container[str]):
    """Hints of a mailbox's mails that need not be looked at; notes the subjects of those that lie there."""

    def __init__(self, box: NodeMailbox, subjects: set[str]) -> None:
        self._box = box
        self._subjects = subjects
        self.met: set[str] = set()

    def __contains__(self, hint: object) -> bool:
        subject = subject_of(self._box, str(hint))
        if subject not in self._subjects:
            return False
        self.met.add(subject)
        return True


def subject_of(box: NodeMailbox, hint: str) -> str:
    """Of a notice about a mail in this mailbox: what every database takes as text, whatever a file is called."""
    text = hint.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
    plain = box.is_main and not text.startswith(_FURTHER)
    return (text if plain else f"{_prefix(box)}{text}")[: notices.SUBJECT_LENGTH]


def lie_in(box: NodeMailbox, subjects: set[str]) -> set[str]:
    """Those of mails in this mailbox."""
    own = {each for each in subjects if each.startswith(_prefix(box))}
    return own | {each for each in subjects if not each.startswith(_FURTHER)} if box.is_main else own


_FURTHER = "mailbox "


def _prefix(box: NodeMailbox) -> str:
    return f"{_FURTHER}{box.number}: "


@dataclass(frozen=True, slots=True)
class _Stranger:
    fetched: Fetched
    title: str
    """Of whom, about what."""
    reason: str
    """Why it is not forwarded, where it would be moved else; empty otherwise."""


class Strangers:
    """The strangers that one look into a mailbox meets."""

    def __init__(self, node: Node, box: NodeMailbox) -> None:
        self._node, self._box, self._mailbox = node, box, box.mailbox
        self._set = node.settings.unrecognised
        # What can't be moved here is left.
        way = "leave" if self._set.way == "move" and not box.mailbox.has_folders else self._set.way
        with node.database.transaction(write=False) as connection:
            self._on_record = {kind: lie_in(box, notices.known(connection, kind)) for kind in IN_MAILBOX}
        self.known = Known(box, set().union(*(self._on_record[kind] for kind in _KNOWN[way])))
        self._seen: set[str] = set()
        self._to_move: list[_Stranger] = []
        self._to_note: list[tuple[str, str, str]] = []
        """Kind, subject, message."""
        self.moved = 0

    @property
    def count(self) -> int:
        """How many lie there, or lay there."""
        return len(self._seen) + len(self.known.met)

    def absent(self, fetched: Fetched) -> None:
        """One that comes without its content."""
        self._seen.add(subject_of(self._box, fetched.hint))
        if fetched.absence is not Absence.TOO_LARGE:
            return
        title = f"a mail of {fetched.size:,} bytes"
        if self._set.way != "leave" and self._movable(fetched):
            self._move(_Stranger(fetched, title, "it is too large to be looked at"))
        else:
            self._note(LARGE, fetched.hint, f"{title} is too large and stays unread")

    def met(self, fetched: Fetched, reason: str) -> None:
        """One with its content, which is not ours for this reason."""
        raw = fetched.raw or b""
        head, own = read_head(raw), self._mailbox.address
        if head.is_from(own) and mime.extract(raw, ACCOUNT_TEST).payloads:
            return
        self._seen.add(subject_of(self._box, fetched.hint))
        answers = answers_us(self._node, head)
        title = Head(Origin.ANSWER, head.sender, head.subject).title if answers and _is_automatic(head) else head.title
        way = "leave" if fetched.junk else self._set.way
        why_not = (
            barred(head, raw, recipient=self._set.to, sender=own, answers_us=answers) if way == "forward" else None
        )
        if way == "forward" and why_not is None:
            self._note(WAITING, fetched.hint, f"{title} waits to be forwarded to {self._set.to}")
        elif way != "leave" and self._movable(fetched):
            self._move(_Stranger(fetched, title, why_not or ""))
        elif why_not is not None:
            self._note(UNFORWARDED, fetched.hint, f"{title} is left alone and never forwarded: {why_not}")
        else:
            self._note(LEFT, fetched.hint, f"{title} is left alone: {reason}")

    def done(self) -> None:
        """The whole mailbox was looked through: finish, and forget those that somebody has taken away."""
        self._flush_moves()
        self._flush_notes()
        gone = set().union(*self._on_record.values()) - self._seen - self.known.met
        if gone:
            with self._node.unit() as unit:
                notices.settle_all(unit.connection, IN_MAILBOX, gone)

    # --- one by one, and then together ------------------------------------------------------------------------------

    def _movable(self, fetched: Fetched) -> bool:
        return self._mailbox.has_folders and not fetched.junk

    def _note(self, kind: str, hint: str, message: str) -> None:
        subject = subject_of(self._box, hint)
        if subject in self._on_record[kind]:
            return
        self._to_note.append((kind, subject, message))
        if len(self._to_note) >= AT_ONCE:
            self._flush_notes()

    def _flush_notes(self) -> None:
        noted, self._to_note = self._to_note, []
        if noted:
            with self._node.unit() as unit:
                for kind, subject, message in noted:
                    unit.notice(kind, subject, message)

    def _move(self, stranger: _Stranger) -> None:
        self._to_move.append(stranger)
        if len(self._to_move) >= AT_ONCE:
            self._flush_moves()

    def _flush_moves(self) -> None:
        """Move first, then tell: what a crash between the two leaves untold lies in the folder that is set."""
        batch, self._to_move = self._to_move, []
        if not batch:
            return
        folder = self._set.folder
        refused = self._mailbox.move([each.fetched.id for each in batch], folder)
        moved = [each for each in batch if each.fetched.id not in refused]
        self.moved += len(moved)
        with self._node.unit() as unit:
            _tell_moved(unit, moved, folder)
            for each in batch:
                if (trouble := refused.get(each.fetched.id)) is not None:
                    unit.notice(
                        LEFT, subject_of(self._box, each.fetched.hint), f"{each.title} is left alone: it can't be moved"
                    )
                    sentence = f"mail that is not the replicator's can't be moved to {folder}: {trouble}"
                    unit.notice(UNMOVED, folder, sentence, waiting=True)
            if not refused:
                notices.settle(unit.connection, (UNMOVED,), folder)


def answers_us(node: Node, head: Head) -> bool:
    """Whether the mail refers to one of ours."""
    if refers_to_forwarded(head):
        return True
    if not head.refers_to:
        return False
    with node.database.transaction(write=False) as connection:
        return any(outgoing.sent_mail(connection, each) is not None for each in head.refers_to)


def _is_automatic(head: Head) -> bool:
    return head.origin not in (Origin.MAIL, Origin.UNREADABLE, Origin.BOUNCE)


def _tell_moved(unit: Unit, moved: list[_Stranger], folder: str) -> None:
    if not moved:
        return
    notices.forget(unit.connection, (MOVED,), unit.now - MOVES_KEPT)
    if len(moved) > TOLD_SINGLY:
        message = f"{len(moved)} mails that are not the replicator's were moved to the folder {folder}"
        unit.notice(MOVED, f"{unit.now}/{moved[0].fetched.hint}", message)
        return
    for each in moved:
        reason = f": {each.reason}" if each.reason else ""
        unit.notice(MOVED, f"{unit.now}/{each.fetched.hint}", f"{each.title} was moved to the folder {folder}{reason}")
