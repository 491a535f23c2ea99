"""`replicator.toml` and the environment: read by the command line and handed down (design.md 3).

The models' field descriptions are the comments of the file that we write and of the JSON Schema
(`schemas/configuration.schema.json`). Passwords have no place in the file: URLs that hold one are refused, and no
message quotes a value that might be one.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from replicator.config_values import (
    Address,
    AddressOrNone,
    FilePath,
    FolderName,
    MailboxName,
    Name,
    checked_authority,
    checked_database,
    checked_mailbox,
    checked_send,
)
from replicator.errors import ConfigurationError, UnknownName
from replicator.types import Role

FORMAT = 1
FILE_LIMIT = 1_000_000
"""Bytes; a longer replicator.toml is not read."""

NO_FOLDERS = 'unrecognised = "move" needs folders, and POP3 knows none: fetch by IMAP, or choose "leave" or "forward"'


# --- the file -----------------------------------------------------------------------------------------------------


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, str_max_length=2000)


class MailAccess(_Section):
    """A mailbox: where it is, and how one gets at it."""

    title: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        default="", description="A title for people."
    )
    enabled: bool = Field(default=True, description="false: this node neither fetches nor sends.")
    address: Address = Field(description="This node's own e-mail address.")
    mailbox: Annotated[str, AfterValidator(checked_mailbox)] = Field(
        description="Where mail is fetched: folder:PATH, pop3s://USER@HOST or imaps://USER@HOST; without USER@ the "
        "address is the user. Never with a password."
    )
    send: Annotated[str, AfterValidator(checked_send)] | None = Field(
        default=None, description="Where mail is sent: smtps://USER@HOST or smtp://USER@HOST. Not needed with a folder."
    )
    ca: FilePath | None = Field(
        default=None, description="A file with certificates (PEM) to trust besides the system's: of a private CA."
    )
    auth: Literal["password", "oauth2"] = Field(
        default="password", description="How one logs in: password, or oauth2 (Microsoft 365)."
    )
    password_file: FilePath | None = Field(
        default=None, description="A file of yours, mode 0600, that holds the password, where no keyring does."
    )
    oauth_client_id: Annotated[str, Field(pattern=r"^[\w.-]{1,200}$")] | None = Field(
        default=None, description="oauth2: the application's id, as registered with the provider."
    )
    oauth_authority: Annotated[str, AfterValidator(checked_authority)] = Field(
        default="https://login.microsoftonline.com/organizations",
        description="oauth2: who gives the tokens. Put your tenant in place of organizations where it is the only one.",
    )
    stations: list[Name] = Field(
        default=[], description="At a host: the stations that are sent to by this mailbox; empty: all of them."
    )

    @property
    def name(self) -> str:
        """Of a further mailbox; empty: the account's own."""
        return ""

    @property
    def is_folder(self) -> bool:
        return self.mailbox.startswith("folder:")

    @property
    def sends(self) -> bool:
        return self.is_folder or self.send is not None

    @model_validator(mode="after")
    def _complete(self) -> MailAccess:
        if self.auth == "oauth2" and self.oauth_client_id is None:
            raise ValueError("the key 'oauth_client_id' is missing: auth = \"oauth2\" needs it, see docs/mail.md")
        return self


class Account(MailAccess):
    """The mail account of this node."""

    unrecognised: Literal["leave", "move", "forward"] = Field(
        default="leave",
        description="What becomes of mail that is not the replicator's: leave it in the mailbox, move it to a folder "
        "there (not over POP3), or forward it to an address and delete it. Automatic answers and bounces are never "
        "forwarded: they are moved to the folder where there is one, else left.",
    )
    unrecognised_folder: FolderName = Field(
        default="Unrecognised", description="The folder it is moved to; made where it is missing."
    )
    unrecognised_to: Address | None = Field(
        default=None, description="The address it is forwarded to: a mailbox that a person reads."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Account:
        if not self.sends:
            raise ValueError("the key 'send' is missing: where mail is sent, such as smtps://USER@HOST")
        if self.unrecognised == "move" and self.mailbox.startswith("pop3"):
            raise ValueError(NO_FOLDERS)
        if self.unrecognised == "forward" and self.unrecognised_to is None:
            raise ValueError("the key 'unrecognised_to' is missing: the address that unrecognised mail is forwarded to")
        if self.unrecognised_to is not None and self.unrecognised_to.casefold() == self.address.casefold():
            raise ValueError("unrecognised_to is this node's own address: mail would go in a circle; name another one")
        return self


class FurtherMailbox(MailAccess):
    """One more mailbox: what is sent goes by each of them. Without send, a server's is only fetched from."""

    address: AddressOrNone = Field(default="", description="Its own e-mail address; the account's where none is given.")
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        return self._name


class Run(_Section):
    """When things are done."""

    probe_minutes: int = Field(default=15, ge=1, le=1440, description="Minutes of silence before we ask for news.")
    probe_limit_hours: int = Field(default=24, ge=1, le=720, description="The wait doubles up to this many hours.")
    hello_hours: int = Field(default=24, ge=1, le=720, description="A sign of life at most once in so many hours.")
    journal_days: int = Field(default=90, ge=0, le=3650, description="Days the journal is kept after all have it.")
    journal_base: bool = Field(
        default=True,
        description="Whether the rows of each table are kept where the journal begins, so that it can be replayed.",
    )
    backup_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Where backups are not announced (replicator backup done): no backup that is put back is older.",
    )
    conflict_days: int = Field(
        default=400, ge=1, le=36500, description="Days that conflicts stay on record, settled or not."
    )
    retry_limit_seconds: int = Field(default=60, ge=1, le=3600, description="Longest wait when the database is locked.")
    settle_seconds: int = Field(
        default=2,
        ge=0,
        le=3600,
        description="With --every: seconds from the application's writing to the run that sends it; 0: the interval's.",
    )
    busy_seconds: int = Field(
        default=60,
        ge=1,
        le=86400,
        description="While it writes on, such runs are further and further apart, up to so many seconds.",
    )


class Tables(_Section):
    """What 'replicator migrate check' need not ask about."""

    excluded: list[Annotated[str, Field(max_length=200)]] = Field(
        default=[],
        description='Tables that are not to be replicated; * in a name stands for anything: ["sessions", "tmp_*"].',
    )


class Limits(_Section):
    """How big things may be, and how many; in bytes unless they say otherwise."""

    part_bytes: int = Field(default=1_000_000, ge=10_000, le=50_000_000, description="Most content of one mail.")
    mail_bytes: int = Field(default=10_000_000, ge=100_000, le=200_000_000, description="Bigger mails stay unread.")
    batch_bytes: int = Field(default=800_000, ge=10_000, le=100_000_000, description="Size aimed at for one batch.")
    window_bytes: int = Field(default=20_000_000, ge=100_000, le=2_000_000_000, description="Most under way at once.")
    parked_windows: int = Field(default=4, ge=1, le=100, description="Windows kept of what came ahead of its turn.")
    mails_per_run: int = Field(default=0, ge=0, le=1_000_000, description="Most mails that one run sends; 0: all.")
    mails_per_hour: int = Field(
        default=0, ge=0, le=1_000_000, description="Most mails sent in an hour, as the provider allows; 0: all."
    )
    journal_percent: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="Of the database's size: how much of the journal absent stations may hold back before they are let "
        "go, to be loaded anew when they are back; 0: any amount.",
    )
    reserve_bytes: int = Field(default=50_000_000, ge=0, description="Disk space that is left free.")

    @model_validator(mode="after")
    def _ordered(self) -> Limits:
        # Base64 and the mail around it add 37 %.
        if self.part_bytes * 1.4 + 10_000 > self.mail_bytes:
            raise ValueError("mail_bytes must be at least one and a half times part_bytes")
        if self.batch_bytes > self.window_bytes:
            raise ValueError("window_bytes must not be less than batch_bytes")
        return self


class Configuration(_Section):
    """replicator.toml: what a node is told by people. What it learns stands in its database."""

    format: Literal[1] = Field(default=1, description="Version of this file's format.")
    role: Role = Field(strict=False, description="host or station.")
    name: Name = Field(description="This node's name. Not to be changed: the other side knows it by this name.")
    database: Annotated[str, AfterValidator(checked_database)] = Field(
        description="The application's database, as a URL: sqlite:////absolute/path.db or "
        "postgresql://USER@HOST/DATABASE. Never with a password."
    )
    database_password_file: FilePath | None = Field(
        default=None,
        description="A file of yours, mode 0600, with the password of the database's user, where no keyring has it.",
    )
    host_account: Account | None = Field(default=None, alias="SERVER", description="The mail account of a host.")
    station_account: Account | None = Field(default=None, alias="REMOTE", description="The mail account of a station.")
    further: dict[MailboxName, FurtherMailbox] = Field(
        default={}, alias="MAILBOX", description="Further mailboxes, each a section [MAILBOX.NAME]."
    )
    run: Run = Run()
    limits: Limits = Limits()
    tables: Tables = Tables()

    @model_validator(mode="after")
    def _account_of_role(self) -> Configuration:
        wanted, other = ("SERVER", "REMOTE") if self.role is Role.HOST else ("REMOTE", "SERVER")
        accounts = {"SERVER": self.host_account, "REMOTE": self.station_account}
        if accounts[wanted] is None:
            raise ValueError(f"the section [{wanted}] is missing: it holds the mail account of a {self.role}")
        if accounts[other] is not None:
            raise ValueError(f"the section [{other}] does not belong to a {self.role}; take it out")
        for name, box in self.further.items():
            box._name = name
        if self.role is Role.STATION and any(account.stations for account in (self.account, *self.further.values())):
            raise ValueError("the key 'stations' belongs to a host; a station sends to its host only: take it out")
        to = self.account.unrecognised_to
        circle = next((name for name, box in self.further.items() if to and box.address.lower() == to.lower()), None)
        if circle is not None:
            raise ValueError(f"unrecognised_to is the address of the mailbox {circle}: mail would go in a circle")
        return self

    def account_of(self, name: str) -> MailAccess:
        """The account's own mailbox for '', else a further one, its address filled in. Raises UnknownName."""
        if not name:
            return self.account
        found = self.further.get(name)
        if found is None:
            raise UnknownName(f"there is no mailbox '{name}'; see: replicator account show")
        return found.model_copy(update={"address": found.address or self.account.address})

    @property
    def accounts(self) -> list[MailAccess]:
        """Of all mailboxes, the account's own first."""
        return [self.account, *(self.account_of(name) for name in self.further)]

    @property
    def account(self) -> Account:
        account = self.host_account or self.station_account
        if account is None:  # pragma: no cover - the validator saw to it
            raise ConfigurationError("the configuration has no mail account")
        return account


class Environment(BaseSettings):
    """What the environment says, for all commands. Printed, the password shows as stars."""

    model_config = SettingsConfigDict(
        env_prefix="REPLICATOR_", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    home: Path | None = Field(default=None, description="The node's home folder, where --home is not given.")
    password: SecretStr | None = Field(default=None, description="The mailbox's password, where no keyring holds it.")
    passphrase: SecretStr | None = Field(default=None, description="Of an invitation, where it is not asked for.")


# --- reading ------------------------------------------------------------------------------------------------------


def make(content: dict[str, Any]) -> Configuration:
    """A checked configuration from the keys of the file, as `host-init` gathers them. Raises ConfigurationError."""
    return _validated(content, "the configuration")


def parse(text: str, source: str) -> Configuration:
    """Read the text of a replicator.toml; `source` is its path, for the sentences. Raises ConfigurationError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source} is not valid TOML: {error}") from None
    version = content.get("format", FORMAT)
    if isinstance(version, int) and version > FORMAT:
        raise ConfigurationError(f"{source} was written by a newer version of the program; update this one")
    return _validated(content, source)


def _validated(content: dict[str, Any], source: str) -> Configuration:
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        # Without the cause: it knows the values, and a traceback in the log must not show a secret.
        faults = error.errors(include_url=False, include_input=False)
        # A misspelt key is also a missing one: the first of the two says more.
        first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
        raise ConfigurationError(_sentence(first["type"], first["loc"], first["msg"], source)) from None


def _sentence(kind: str, location: tuple[int | str, ...], message: str, source: str) -> str:
    key = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        return f"{source}: the key '{key}' is unknown; {_suggestion(str(location[-1]))}"
    if kind == "missing":
        return f"{source}: the key '{key}' is missing; add it"
    message = message.removeprefix("Value error, ")
    return f"{source}, {key}: {message[:1].lower()}{message[1:]}" if key else f"{source}: {message}"


def _suggestion(word: str) -> str:
    known = [
        field.alias or name
        for section in (Configuration, Account, FurtherMailbox, Run, Limits, Tables)
        for name, field in section.model_fields.items()
    ]
    close = get_close_matches(word, known, n=1)
    return f"did you mean '{close[0]}'?" if close else "take it out"
