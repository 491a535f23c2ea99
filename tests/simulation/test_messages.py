"""What nodes really say to each other fits the published schema, whatever its kind."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from replicator.protocol import codec
from replicator.protocol.describe import plain
from replicator.protocol.messages import Segment
from replicator.protocol.tape import TapeWriter
from replicator.resources import schemas_folder
from tests.simulation.running import Focus, run_seed

SCHEMA = json.loads((schemas_folder() / "message-1.schema.json").read_text())
RECORDS = {"ack", "snap", "rule", "rewind", "resync", "horizon", "whole", "grant", "compare", "compared", "repair"}
RECORDS |= {"successors", "state", "judged", "schema"}
REQUESTS = {"refresh", "open", "copy", "horizon", "req", "ret", "compare", "compared", "reload"}
FAULTS = (
    ("numbers", "purge", "horizon"),
    ("poison", "clone", "compare"),
    ("host-restore", "numbers", "restore"),
    ("promotion",),
    ("schema",),
)
MOST = 60
"""Runs until everything has been said; a dozen are enough as a rule."""


def kinds(definition: str) -> set[str]:
    told: list[str] = SCHEMA["$defs"][definition]["properties"]["kind"]["enum"]
    return set(told)


def test_all_that_is_said_fits_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    segment, record, request = (
        Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})
        for name in ("segment", "record", "request")
    )
    seen: dict[str, set[str]] = {"records": set(), "requests": set()}
    put, count = codec.put_segment, itertools.count()

    def checked(tape: TapeWriter, content: Segment) -> None:
        put(tape, content)
        said: Any = plain(content)
        if next(count) % 10 == 0:
            segment.validate(said)
        for one in said["controls"]:
            record.validate(one)
            seen["records"].add(one["kind"])
        for head in said["groups"]:
            if head["control"] is not None:
                request.validate(head["control"])
                seen["requests"].add(head["control"][0])

    monkeypatch.setattr(codec, "put_segment", checked)
    wanted = {"records": RECORDS, "requests": REQUESTS}
    for seed, faults in itertools.islice(enumerate(itertools.cycle(FAULTS)), MOST):
        bad = run_seed(seed, focus=Focus(besides=faults)).bad
        assert not [what for what in bad if "ValidationError" in what]
        if seen == wanted:
            break
    assert seen == wanted
    assert kinds("record") == RECORDS
