"""From what a person gives of a mail account to the keys of its section: by the table of providers, checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replicator.errors import WrongUse
from replicator.store.credentials import read_password_file
from replicator.transport import tls
from replicator.transport.folder_files import folder_path
from replicator.transport.providers import PROVIDERS, Provider, provider_named, provider_of
from replicator.transport.urls import ServerUrl

FOLDER = "folder:"


@dataclass(frozen=True, slots=True)
class LoginOptions:
    """How to log in to the mail servers, and whom to trust; None: as it is, or the default. '' takes a value out."""

    provider: str | None = None
    """Name of a line in the table of providers, where the address doesn't tell it."""
    ca: str | None = None
    password_file: str | None = None
    auth: str | None = None
    oauth_client_id: str | None = None
    oauth_authority: str | None = None


NOTHING = LoginOptions()


@dataclass(frozen=True, slots=True)
class UnrecognisedOptions:
    """What becomes of mail that is not the replicator's; None: as it is. '' puts back the default."""

    way: str | None = None
    """leave, move or forward."""
    folder: str | None = None
    to: str | None = None


AS_IT_IS = UnrecognisedOptions()


def section(address: str, mailbox: str | None, send: str | None, title: str, options: LoginOptions) -> dict[str, Any]:
    """The keys of a new account's section; an address that is none is left for config.py to refuse. Raises WrongUse."""
    found = servers(address, mailbox, send, options)
    return {"title": title, "address": address, **found, **login_keys(options)}


def servers(address: str, mailbox: str | None, send: str | None, options: LoginOptions) -> dict[str, Any]:
    """The keys `mailbox` and `send`, and `auth` where the provider wants one, for an account that is set up.

    Raises WrongUse where neither the options nor the address tell the servers, ConfigurationError for a bad URL.
    """
    provider = _named(options.provider) if options.provider else provider_of(address)
    if mailbox is None:
        if provider is None:
            raise WrongUse(
                f"the mail servers of {address} are not known here: give --mailbox and --send, or --provider with "
                f"one of {', '.join(each.name for each in PROVIDERS)}"
            )
        mailbox = provider.fetch_url(address)
    content: dict[str, Any] = {"mailbox": mailbox_url(mailbox)}
    if send is None and provider is not None and not mailbox.startswith(FOLDER):
        send = provider.send_url(address)
    if send:
        content["send"] = send_url(send)
    if provider is not None and not mailbox.startswith(FOLDER):
        content["auth"] = provider.auth
    return content


def provider_servers(name: str, address: str) -> dict[str, Any]:
    """All that a provider's line says, for an account that moves there. Raises WrongUse."""
    provider = _named(name)
    return {"mailbox": provider.fetch_url(address), "send": provider.send_url(address), "auth": provider.auth}


def login_keys(options: LoginOptions) -> dict[str, Any]:
    """The other keys that were given, files as absolute paths; '' becomes None. Raises ConfigurationError."""
    content: dict[str, Any] = {}
    if options.ca is not None:
        content["ca"] = _absolute(options.ca)
        if content["ca"] is not None:
            tls.context(content["ca"])  # only for its sentence, where it is none
    if options.password_file is not None:
        content["password_file"] = _absolute(options.password_file)
        if content["password_file"] is not None:
            read_password_file(Path(content["password_file"]))
    for key in ("auth", "oauth_client_id", "oauth_authority"):
        if (value := getattr(options, key)) is not None:
            content[key] = value or None
    return content


def unrecognised_keys(options: UnrecognisedOptions) -> dict[str, Any]:
    """The keys that were given; '' becomes None."""
    given = {
        "unrecognised": options.way,
        "unrecognised_folder": options.folder,
        "unrecognised_to": options.to,
    }
    return {key: value or None for key, value in given.items() if value is not None}


def mailbox_url(text: str) -> str:
    """The URL as it is written down: a folder's path absolute, as commands run in other folders than this one, too."""
    if text.startswith(FOLDER):
        return f"{FOLDER}{folder_path(text)}"
    return _checked_server(text)


def send_url(text: str) -> str:
    return text if text.startswith(FOLDER) else _checked_server(text)


def _checked_server(text: str) -> str:
    """Told by the transport's own sentence where it is a scheme of a mail server; all else is config.py's to refuse."""
    if text.partition(":")[0] in ("smtp", "smtps", "pop3", "pop3s", "imap", "imaps"):
        ServerUrl.parse(text)
    return text


def _named(name: str) -> Provider:
    provider = provider_named(name)
    if provider is None:
        raise WrongUse(f"there is no provider '{name}': give one of {', '.join(each.name for each in PROVIDERS)}")
    return provider


def _absolute(path: str) -> str | None:
    return os.path.abspath(os.path.expanduser(path)) if path else None
