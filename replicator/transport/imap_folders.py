"""Names of folders at an IMAP server: the one for junk, and the one that we may move mail to.

A folder's full name depends on the server: what stands between two levels ('/', '.'), and what the names of one's own
folders begin with (often 'INBOX.'). Both are told by NAMESPACE (RFC 2342), or can be seen in the list of folders.
"""

from __future__ import annotations

import re

Folder = tuple[str, str, tuple[str, ...]]
"""Name, delimiter, and flags in lower case."""

INBOX = "INBOX"

_JUNK_NAMES = frozenset(
    ["junk", "junk e-mail", "junk email", "junk-e-mail", "junk mail", "spam", "bulk", "bulk mail", "spamverdacht"]
)
"""Of folders whose server doesn't tell their use, in lower case."""
_OWN = re.compile(rb'\(\(("(?:[^"\\]|\\.)*"|NIL) ("\\?."|NIL)[ )]', re.IGNORECASE)


def junk_folder(folders: list[Folder]) -> str | None:
    """The folder for junk: by its special use (RFC 6154), or by a well-known name."""
    open_ones = [each for each in folders if _is_open(each)]
    for name, _, flags in open_ones:
        if "\\junk" in flags:
            return name
    for name, delimiter, _ in open_ones:
        last = name.rpartition(delimiter)[2] if delimiter else name
        if last.lower() in _JUNK_NAMES:
            return name
    return None


def own_namespace(answer: bytes) -> tuple[str, str] | None:
    """What one's own folders begin with, and the delimiter, from the answer to NAMESPACE; None: it doesn't tell."""
    found = _OWN.match(answer)
    if found is None or b"NIL" in (found[1].upper(), found[2].upper()):
        return None
    return _unquoted(found[1]), _unquoted(found[2])


def full_names(name: str, folders: list[Folder], namespace: tuple[str, str] | None) -> tuple[str | None, list[str]]:
    """(the folder's full name where it is there already, else None; names to make it by, the likeliest first).

    `name` has '/' between its levels.
    """
    prefix, delimiter = namespace or _seen(folders)
    wanted = (delimiter or "-").join(name.split("/"))
    at_root = prefix and wanted.lower().startswith(prefix.lower())
    candidates = [wanted if at_root else prefix + wanted]
    if not prefix and delimiter and not wanted.upper().startswith(INBOX + delimiter):
        candidates.append(INBOX + delimiter + wanted)
    there = {each[0] for each in folders if _is_open(each)}
    return next((each for each in candidates if each in there), None), candidates


def _seen(folders: list[Folder]) -> tuple[str, str]:
    """Prefix and delimiter as the names of the folders show them."""
    delimiter = next((each[1] for each in folders if each[0].upper() == INBOX and each[1]), "")
    delimiter = delimiter or next((each[1] for each in folders if each[1]), "")
    others = [each[0] for each in folders if each[0].upper() != INBOX]
    prefix = INBOX + delimiter
    if delimiter and others and all(each.upper().startswith(prefix) for each in others):
        return others[0][: len(prefix)], delimiter
    return "", delimiter


def _is_open(folder: Folder) -> bool:
    return not {"\\noselect", "\\nonexistent"} & set(folder[2])


def _unquoted(quoted: bytes) -> str:
    return re.sub(rb"\\(.)", rb"\1", quoted[1:-1]).decode("utf-8", "replace")
