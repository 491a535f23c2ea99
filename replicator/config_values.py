"""Single values of the configuration: what a name, an address, a URL or a folder must look like.

No message quotes a value that might hold a password.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator

FETCH_SCHEMES = ("folder", "pop3", "pop3s", "imap", "imaps")
SEND_SCHEMES = ("folder", "smtp", "smtps")
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_MAILBOX_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_ADDRESS_CHARACTER = r"[^\s@/\\\x00-\x1f\x7f<>\"(),:;]"
_ADDRESS = re.compile(rf"(?!\.){_ADDRESS_CHARACTER}{{1,64}}@(?!\.){_ADDRESS_CHARACTER}{{1,253}}")
_USER_AND_SECRET = re.compile(r":(?!\d+(/|$)).*@")
"""A colon that does not begin a port, and an at sign after it: urlsplit misses secrets with a slash in them."""
_FOLDER_LEVEL = re.compile(r"[^\W_](?:[\w -]{0,60}[\w-])?")
_OF_FOLDER_MAILBOXES = ("new", "tmp", "cur")
_SECRET_PARAMETERS = ("password", "passwd", "pwd", "pass", "token", "secret")


def checked_name(text: str) -> str:
    """A node's name, which is also part of file names and mails. Raises ValueError with what is allowed."""
    name = unicodedata.normalize("NFC", text)
    if not _NAME.fullmatch(name):
        raise ValueError("a name has 1 to 64 letters, digits, '-', '_' or '.', and begins with a letter or digit")
    return name


def checked_address(text: str) -> str:
    """A plain e-mail address, without a display name. Raises ValueError."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not an e-mail address of the form name@example.com")
    return text


def _checked_url(text: str, schemes: tuple[str, ...]) -> str:
    scheme, _, rest = text.partition(":")
    if not rest or (scheme not in schemes if schemes else not re.fullmatch(r"[a-z][a-z0-9+]*", scheme)):
        examples = ", ".join(f"{each}:" for each in schemes or ("sqlite",))
        raise ValueError(f"not a URL that begins with {examples}")
    if scheme == "folder":
        return text
    try:
        host, query = urlsplit(text).hostname, parse_qsl(urlsplit(text).query, keep_blank_values=True)
    except ValueError:
        raise ValueError("not a valid URL") from None
    if not rest.startswith("//") or (schemes and not host):
        raise ValueError(f"not a valid URL; it begins with {scheme}://")
    in_authority = not rest.startswith("///") and _USER_AND_SECRET.search(rest)
    if in_authority or any(key.lower() in _SECRET_PARAMETERS for key, _ in query):
        raise ValueError("a URL must not hold a password, as it would stand in the file in the clear; leave it out")
    return text


def checked_database(text: str) -> str:
    return _checked_url(text, ())


def checked_mailbox(text: str) -> str:
    return _checked_url(text, FETCH_SCHEMES)


def checked_send(text: str) -> str:
    return _checked_url(text, SEND_SCHEMES)


def checked_authority(text: str) -> str:
    """The address of a token server, such as https://login.microsoftonline.com/TENANT. Raises ValueError."""
    checked = _checked_url(text, ("https",))
    if not urlsplit(checked).path.strip("/"):
        raise ValueError("an authority names its tenant: https://login.microsoftonline.com/TENANT")
    return checked


def checked_folder(text: str) -> str:
    """The name of a mail folder, levels with '/' between them, that any mail server and any disk takes.

    Not one that mail is fetched from: what is moved there would come again. Raises ValueError.
    """
    name = unicodedata.normalize("NFC", text)
    levels = name.split("/")
    if len(name) > 100 or not all(_FOLDER_LEVEL.fullmatch(level) for level in levels):
        raise ValueError("not the name of a folder: take letters, digits, spaces, '-' and '_', with '/' between levels")
    if levels[0].lower() in _OF_FOLDER_MAILBOXES or name.lower() == "inbox":
        raise ValueError("this folder has another use already: name one such as Unrecognised")
    return name


def _checked_path(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("not the path of a file")
    return text


def checked_mailbox_name(text: str) -> str:
    """The name of a further mailbox: also part of a file's name and of an environment variable's. Raises ValueError."""
    if not _MAILBOX_NAME.fullmatch(text):
        raise ValueError(
            "a mailbox's name has 1 to 32 letters from a to z, digits, '-' or '_', and begins with a letter"
        )
    return text


Name: TypeAlias = Annotated[str, AfterValidator(checked_name)]
MailboxName: TypeAlias = Annotated[str, AfterValidator(checked_mailbox_name)]
Address: TypeAlias = Annotated[str, AfterValidator(checked_address)]
AddressOrNone: TypeAlias = Annotated[str, AfterValidator(lambda text: text and checked_address(text))]
FolderName: TypeAlias = Annotated[str, AfterValidator(checked_folder)]
FilePath: TypeAlias = Annotated[str, AfterValidator(_checked_path)]
