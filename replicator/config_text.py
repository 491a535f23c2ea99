"""The configuration as text: replicator.toml with its comments, and its JSON Schema, both made from config.py."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import BaseModel

from replicator import config
from replicator.config import Configuration
from replicator.errors import ConfigurationError

MAILBOX = "MAILBOX"
"""Of the sections [MAILBOX.NAME]."""

_HEAD = """\
# Configuration of a replicator node. Change it with any editor; 'replicator doctor' checks it.
# Passwords never stand here: they come from the keyring, REPLICATOR_PASSWORD or a file that only you can read.
# Lines that begin with '#' and a setting show its default.
"""


def render(configuration: Configuration) -> str:
    """The text of replicator.toml; `config.parse` reads it back to an equal configuration."""
    lines = [_HEAD, *_settings(configuration, defaults=True)]
    for name, field in Configuration.model_fields.items():
        section = getattr(configuration, name)
        if isinstance(section, BaseModel):
            lines += ["", f"[{field.alias or name}]", *_comment(type(section).__doc__ or "")]
            lines += _settings(section, defaults=False)
    for mailbox in configuration.further:
        lines += _mailbox_section(configuration, mailbox)
    return "\n".join(lines) + "\n"


def _mailbox_section(configuration: Configuration, name: str) -> list[str]:
    box = configuration.further[name]
    return ["", f"[{MAILBOX}.{name}]", *_comment(type(box).__doc__ or ""), *_settings(box, defaults=False)]


def changed_text(text: str, wanted: Configuration, section: str, keys: Collection[str]) -> str:
    """A replicator.toml that says `wanted`: `text` with the lines of some keys of a section set anew.

    What people wrote besides stays as it is, comments included. Where the file is written in a way that this can't be
    done by (inline tables, values over several lines), it is rendered anew.
    """
    values = _values_of(wanted, section)
    # Not splitlines: it knows more ends of a line than TOML does.
    lines = text.split("\n")
    for key in (name for name in type(values).model_fields if name in keys):
        _set_line(lines, section, key, getattr(values, key))
    return _fitting("\n".join(lines), wanted)


def added_text(text: str, wanted: Configuration, mailbox: str) -> str:
    """A replicator.toml that says `wanted`: `text` with the section of one more mailbox at its end."""
    end = _line_end(text)
    return _fitting(text.rstrip("\r\n") + end + end.join(_mailbox_section(wanted, mailbox)) + end, wanted)


def removed_text(text: str, wanted: Configuration, mailbox: str) -> str:
    """A replicator.toml that says `wanted`: `text` without the section of this mailbox."""
    lines = text.split("\n")
    begin, end = _section_lines(lines, f"{MAILBOX}.{mailbox}")
    if begin:
        # A comment behind an empty line belongs to the section that follows.
        blank = max((n for n in range(begin, end) if not lines[n].strip()), default=end)
        if blank < end < len(lines) and all(line.lstrip().startswith("#") for line in lines[blank + 1 : end]):
            end = blank + 1
        del lines[begin - 1 : end]
    return _fitting("\n".join(lines).rstrip("\r\n") + _line_end(text), wanted)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _fitting(text: str, wanted: Configuration) -> str:
    try:
        fits = config.parse(text, "") == wanted
    except ConfigurationError:
        fits = False
    return text if fits else render(wanted)


def _set_line(lines: list[str], section: str, key: str, value: Any) -> None:
    """Put `key = value` where the key stands in its section, or where it is commented out, or at the section's head."""
    begin, end = _section_lines(lines, section)
    if not begin:
        return
    end_of_line = "\r" if lines[begin - 1].endswith("\r") else ""
    new = (f"# {key} =" if value is None else f"{key} = {_value(value)}") + end_of_line
    for form in (rf"\s*{key}\s*=", rf"\s*#\s*{key}\s*="):
        for number in range(begin, end):
            if re.match(form, lines[number]):
                lines[number] = new
                return
    lines.insert(begin, new)


def _section_lines(lines: list[str], section: str) -> tuple[int, int]:
    """Where a section's lines begin, after its head, and where the next section does; (0, 0) where it is not found."""
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]")
    begin = next((number for number, line in enumerate(lines, 1) if header.match(line)), 0)
    if not begin:
        return 0, 0
    return begin, next((n for n in range(begin, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))


def _values_of(configuration: Configuration, section: str) -> BaseModel:
    kind, dot, name = section.partition(".")
    if dot:
        return configuration.further[name]
    field = next(name for name, field in Configuration.model_fields.items() if kind in (field.alias, name))
    found: BaseModel = getattr(configuration, field)
    return found


def schema_text() -> str:
    """The JSON Schema of replicator.toml (draft 2020-12), as kept in schemas/configuration.schema.json."""
    schema = Configuration.model_json_schema(by_alias=True)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made from the models in replicator/config.py; 'make test' holds the two against each other.",
    }
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def _settings(section: BaseModel, *, defaults: bool) -> Iterator[str]:
    """A comment and a line for each value; what equals its default is commented out, unless `defaults`."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel | dict) or (field.alias and value is None):
            continue
        yield from _comment(field.description or "")
        if value is None:
            yield f"# {name} ="
        else:
            at_default = not defaults and not field.is_required() and value == field.default
            yield f"{'# ' if at_default else ''}{name} = {_value(value)}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, width=110, initial_indent="# ", subsequent_indent="# ")


def _value(value: Any) -> str:
    """A TOML value. JSON's strings are TOML's, but for DEL, which TOML wants escaped."""
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
