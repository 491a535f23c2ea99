"""Errors that a person sees: one clear line, what to do, and the exit code that goes with it.

Errors are sorted where they enter (SQLite code, errno, later SQLSTATE and SMTP reply codes), never by message text.
Exit codes: 1 failed, nothing lost, try again; 2 wrong use; 3 done, but something waits for a person.
"""

from __future__ import annotations


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


class DatabaseTrouble(ReplicatorError):
    """The database can't be used: missing, damaged, full, no permission, our tables missing."""


class MailboxTrouble(ReplicatorError):
    """The mailbox can't be read or written right now."""


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
