"""Messages as plain JSON data: for `mail show`, the schemas and the golden messages. Never read back."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def plain(value: Any) -> Any:
    """The message, or a part of it, as JSON-able data.

    A dataclass becomes an object with its field names, a tuple an array. What JSON lacks becomes an object of one
    field: bytes {"bytes": hex}, text that is not UTF-8 {"text": hex}, infinities and NaN {"real": "inf"}, and a map
    whose keys aren't all text {"map": [[key, value], ...]}.
    """
    if is_dataclass(value) and not isinstance(value, type):
        shown = {field: getattr(value, field.name) for field in fields(value)}
        return {
            field.name: plain(held)
            for field, held in shown.items()
            if not (field.metadata.get("only_if_set") and held == field.default)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value if _is_unicode(value) else {"text": value.encode("utf-8", "surrogateescape").hex()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"real": repr(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) and _is_unicode(key) for key in value):
            return {key: plain(item) for key, item in value.items()}
        return {"map": [[plain(key), plain(item)] for key, item in value.items()]}
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
