"""Errors that a person sees: one clear line, what to do, and the exit code that goes with it.

Errors are sorted where they enter (SQLite code, errno, later SQLSTATE and SMTP reply codes), never by message text.
Exit codes: 1 failed, nothing lost, try again; 2 wrong use; 3 done, but something waits for a person.
"""

from __future__ import annotations

import errno


class ReplicatorError(Exception):
    """Base of all errors that end a command with one line on stderr."""

    exit_code = 1


class WrongUse(ReplicatorError):
    """The command can't be carried out as it was given; nothing was changed."""

    exit_code = 2


class UnknownName(WrongUse):
    """A station, table, area or peer that doesn't exist."""


class UnfitTable(WrongUse):
    """A table that can't be replicated, with the reason."""


class ConfigurationError(WrongUse):
    """replicator.toml, the home folder or an option is not usable."""


class InvitationError(WrongUse):
    """A damaged, foreign or used invitation, or a wrong passphrase."""


class Transient(ReplicatorError):
    """The cause will pass by itself: everything is rolled back and tried again."""


class DatabaseBusy(Transient):
    """Somebody else holds a lock that we need."""


class ChangedMeanwhile(DatabaseBusy):
    """The application has changed what we decided on between our look and our write: collect, and decide anew."""


class DatabaseTrouble(ReplicatorError):
    """The database can't be used: missing, damaged, full, no permission, our tables missing."""


class DatabaseWantsPassword(DatabaseTrouble):
    """The database's server asks for a password, and none was given."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The database {where} wants a password: put it into the keyring with 'replicator database password', set "
            "REPLICATOR_DATABASE_PASSWORD, or name a file of mode 0600 as database_password_file in replicator.toml."
        )


class ConstraintViolation(ReplicatorError):
    """The database refuses a row: a unique key, NOT NULL, CHECK or a type. Only that row is at fault."""


class Dependent(ConstraintViolation):
    """A change that can't be applied before another one is that was set aside."""

    def __init__(self, message: str, cause: int) -> None:
        super().__init__(message)
        self.cause = cause
        """Number of the other one in quarantine."""


class GoesWhole(ConstraintViolation):
    """A transaction of which a part stands already can't stand as a whole: it is decided anew with this known."""


class MailboxTrouble(ReplicatorError):
    """The mailbox can't be read or written right now."""


class MailTooLarge(MailboxTrouble):
    """A mail that the mailbox will never take: cut its batch into smaller parts, and remember the limit."""

    def __init__(self, message: str, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        """The mailbox's limit in bytes, where it is known."""


class Unreachable(MailboxTrouble):
    """The mail server can't be spoken to: unknown host, connection refused, no answer, another protocol."""


class NotTrusted(MailboxTrouble):
    """The mail server's certificate is not trusted, or it is another host's, or it offers no encryption."""


class LoginRefused(MailboxTrouble):
    """The mail server does not let this user in: password, token or way of logging in. A person has to act."""


class TryLater(MailboxTrouble):
    """The mail server refuses for now: greylisting, rate limits, trouble of its own. The next run tries again."""


class MailRefused(MailboxTrouble):
    """The mail server refuses this one mail for what is in it: a rule or a spam filter. Other mails may go."""


class RecipientLater(TryLater):
    """Mail to this one address is refused for now, as by greylisting; mail to others may go."""


class RecipientRefused(MailboxTrouble):
    """Mail to this one address is refused; mail to others may go."""

    def __init__(self, message: str, address: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.address = address
        self.full = full
        """The mailbox at that address is full: it passes once somebody makes room there."""


class StorageTrouble(ReplicatorError):
    """The home folder can't be read or written: no permission, disk full."""


class AlreadyRunning(ReplicatorError):
    """Another process works on this node."""


class Halted(ReplicatorError):
    """The node found that its history has forked and waits for a person (protocol.md 4.1, 5.12, 5.13)."""

    exit_code = 3


class PeerFault(ReplicatorError):
    """What came by mail breaks the protocol: it is set aside with this reason and never stops the rest."""


class Unauthentic(PeerFault):
    """Not sealed by a key that we know, or for another receiver, sender or direction."""


class NewerFormat(PeerFault):
    """The mail speaks a newer format version than this program."""


class SpoolLoss(StorageTrouble):
    """A spool file that the database names is gone or shorter than noted: what was in it must be sent again."""


def os_reason(error: OSError) -> str:
    """What an errno means and what to do about it, to follow 'cannot write PATH: '. Told by number, never by text."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "the disk is full; make room and try again, nothing is lost"
        case errno.EACCES | errno.EPERM:
            return "no permission; run as the owner, or give this user the right to read and write there"
        case errno.EROFS:
            return "the file system is read-only; mount it writable, or choose another folder"
        case errno.ENOENT:
            return "it does not exist"
        case errno.EEXIST | errno.ENOTDIR:
            return "a file stands where a folder is needed; move it away, or choose another folder"
        case errno.EISDIR:
            return "a folder stands where a file is needed; move it away, or choose another folder"
        case errno.EFBIG:
            return "a file may not grow so large here; raise the limit on file sizes, or use another file system"
        case errno.EIO:
            return "the disk reports a fault; check it"
        case errno.EMFILE | errno.ENFILE:
            return "too many files are open; close other programs and try again"
        case _:
            return error.strerror or type(error).__name__
