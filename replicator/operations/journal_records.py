"""The journal as JSON lines: a stable form for other programs (schemas/journal-1.schema.json)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from replicator.operations.journal_lines import Describing
from replicator.operations.journal_pages import Found
from replicator.operations.writing import moment, position_text
from replicator.protocol.describe import plain
from replicator.store.journal_reading import definition_then
from replicator.types import Value

VERSION = 1


def json_line(describing: Describing, found: Found) -> str:
    """One line, without its end. Values are exact: what JSON has no form for is an object with one key."""
    group, change = found.group, found.change
    entry = describing.request_entry(group) if change is None else describing.entry(group, change)
    line = entry.line
    at = moment(line.at)
    record: dict[str, Any] = {
        "version": VERSION,
        "position": position_text((line.epoch, line.n)),
        "epoch": line.epoch,
        "n": line.n,
        "order": line.order,
        "at": None if at is None else at.isoformat(),
        "origin": line.origin,
        "origin_sequence": group.origin_n or None,
        "transaction": group.uid.hex(),
        "merged": bool(group.merged),
        "kind": line.kind,
    }
    if change is None or line.table is None:
        record["record"] = plain(entry.record)
    else:
        names = definition_then(change, describing.definitions).primary_key
        record |= {
            "table": line.table,
            "key": dict(zip(names, map(_exact, line.key or ()), strict=True)),
            "columns": list(line.columns),
            "verdict": line.verdict,
            "before": _fields(entry.before),
            "after": _fields(entry.after),
        }
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # a name that is not valid UTF-8
        text = json.dumps(record, separators=(",", ":"))
    return text


def _fields(row: Mapping[str, Value] | None) -> dict[str, Any] | None:
    return None if row is None else {name: _exact(value) for name, value in row.items()}


def _exact(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"real": repr(value)}
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"text_hex": value.encode("utf-8", "surrogateescape").hex()}
    return value
