"""A record and a request of every kind, with every field in use, beside what their readers make of them.

They are part of the golden messages: what format version 1 says, a later program still has to understand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from replicator.protocol import comparing, control_bodies, number_bodies, succession
from replicator.protocol.comparing import AnswerBody, CompareBody, ResultBody
from replicator.protocol.control_bodies import (
    CopyBody,
    HorizonBody,
    OpenBody,
    ResyncBody,
    RewindBody,
    RuleBody,
    SnapshotBody,
)
from replicator.protocol.definitions import table_from_plain, table_to_plain
from replicator.protocol.keys import pack_key
from replicator.protocol.messages import ControlRecord, GroupHead, Segment
from replicator.protocol.number_bodies import Grant, NumberRequest, NumberReturn
from replicator.protocol.numbers import Block, Empty, Form, NumberRange, Share, Way
from replicator.protocol.succession import Item, JudgedGroup, StateBody, Successor
from replicator.types import Kinds, Rule

KEY = pack_key((5,))
CHANGED = {
    "id": 4,
    "area": "sales",
    "policy": "merge",
    "definition": {
        "name": "customers",
        "columns": [
            {"name": "id", "type": {"kind": "integer"}, "not_null": True},
            {"name": "town", "type": {"kind": "text", "length": 80}},
            {"name": "points", "type": {"kind": "integer"}, "not_null": True, "default": {"literal": 7}},
        ],
        "primary_key": ["id"],
    },
    "version": [2, 1],
    "columns": [1, 2, 2 * 2**20 + 1],
}
TABLE = table_from_plain(CHANGED)
RULES = {4: Rule(Kinds.ALL, Kinds.NEW | Kinds.CHANGED), 5: Rule(Kinds.NONE, Kinds.DELETED)}
PLAIN_RULES = [[4, 7, 3], [5, 0, 4]]
GRANT = Grant(
    NumberRange(3, 4, "number", Way.FILLED, Empty.NULL, 1000, Form.parse("RE-2026-{n:05}")),
    "invoices",
    2**31 - 1,
    Share(50, 20, closed=False),
    (Block(1050, 1099, 7), Block(1200, 1249, 9)),
    (1, 3),
)
SUCCESSORS = [Successor("backup", bytes(range(32))), Successor("Köln-2", bytes(range(1, 33)))]


class Told(NamedTuple):
    body: Any
    read: Callable[[Any], Any]
    """Its reader."""
    meaning: Any


RECORDS: dict[str, Told] = {
    "ack": Told([[0, 3], 41], control_bodies.acknowledgement_body, ((0, 3), 41)),
    "compare": Told(
        [9, 2, 4, [1], bytes(range(64))],
        comparing.compare_body,
        CompareBody(9, 2, 4, (1,), bytes(range(64))),
    ),
    "compared": Told(
        [2, "", [[4, 1, 2, 3]]],
        comparing.result_body,
        ResultBody(2, "", ((4, 1, 2, 3),)),
    ),
    "grant": Told(GRANT.plain(), number_bodies.grant_body, GRANT),
    "horizon": Told(
        {"epoch": [0, 3], "n": 40, "forgotten": [1, 90]},
        control_bodies.horizon_body,
        HorizonBody((0, 3), 40, (1, 90)),
    ),
    "judged": Told(
        [[108, 1_790_000_000_000_000], [109, 1_790_000_000_000_001, 2, b"\x01" * 16, 1, 7]],
        succession.judged_body,
        [
            JudgedGroup(108, 1_790_000_000_000_000),
            JudgedGroup(109, 1_790_000_000_000_001, 2, b"\x01" * 16, (1, 7)),
        ],
    ),
    "repair": Told([4, [KEY]], comparing.repair_body, (4, [KEY])),
    "resync": Told(
        {
            "ends": [[1, 1, 77], [2, 1, 90]],
            "stream": [2, 1, 17, b"\x66" * 32],
            "inbound": [0, 3, 41, None, 400],
        },
        control_bodies.resync_body,
        ResyncBody({1: (1, 77), 2: (1, 90)}, (2, 1), 17, b"\x66" * 32, (0, 3), 41, None, 400),
    ),
    "rewind": Told({"position": [2, 80], "number": 3}, control_bodies.rewind_body, RewindBody((2, 80), 3)),
    "rule": Told(
        {"rules": PLAIN_RULES, "tables": [CHANGED], "content": 2, "scope": [4]},
        control_bodies.rule_body,
        RuleBody(RULES, [TABLE], 2, [4]),
    ),
    "schema": Told({"tables": [CHANGED]}, control_bodies.schema_body, [TABLE]),
    "snap": Told(
        {
            "version": [2, 60],
            "epoch": [0, 3],
            "judged": 400,
            "rules": PLAIN_RULES,
            "tables": [CHANGED],
            "content": 7,
            "numbers": [GRANT.plain()],
            "successors": succession.successors_plain(SUCCESSORS),
            "forms": [CHANGED],
        },
        control_bodies.snapshot_body,
        SnapshotBody((2, 60), (0, 3), 400, RuleBody(RULES, [TABLE], 7, []), [GRANT.plain()], SUCCESSORS, [TABLE]),
    ),
    "state": Told(
        [1, [["rule", b"\x91\x04", b"\x92\x01\x02"], ["link", b"\x91\x05", None]]],
        succession.state_body,
        StateBody(True, [Item("rule", b"\x91\x04", b"\x92\x01\x02"), Item("link", b"\x91\x05", None)]),
    ),
    "successors": Told(succession.successors_plain(SUCCESSORS), succession.successors_body, SUCCESSORS),
    "whole": Told([100, 2, 108, 1], control_bodies.whole_body, {100, 101, 108}),
}
"""The host's, by kind."""

HELD = [(3, Block(1060, 1099, 7))]
REQUESTS: dict[str, Told] = {
    "compare": Told([2, [4], 1], comparing.tables_body, (2, [4], True)),
    "compared": Told(
        [9, 4, b"\x77" * 16, [2, 80], 0, 1, b"\x05", [KEY], b"\x88" * 8, [pack_key((6,))]],
        comparing.answer_body,
        AnswerBody(9, 4, b"\x77" * 16, (2, 80), 0, True, b"\x05", (KEY,), b"\x88" * 8, (pack_key((6,)),)),
    ),
    "copy": Told(
        {"seen": [2, 80], "resent": 31, "forms": [CHANGED]},
        control_bodies.copy_body,
        CopyBody((2, 80), 31, [TABLE]),
    ),
    "horizon": Told([[1, 7], [2, 80]], control_bodies.backed_up_body, ((1, 7), (2, 80))),
    "open": Told(
        {"stream": [2, 1], "seen": [2, 80], "resent": 31, "held": [[3, [1060, 1099, 7]]], "forms": [CHANGED]},
        control_bodies.open_body,
        OpenBody((2, 1), (2, 80), 31, HELD, [TABLE]),
    ),
    "refresh": Told(
        [4, KEY, 4, pack_key((6,))],
        lambda body: control_bodies.refresh_body(body, {4: TABLE}),
        [(4, KEY), (4, pack_key((6,)))],
    ),
    "reload": Told([4, 5], control_bodies.reload_body, [4, 5]),
    "req": Told([3, 9, 1099], number_bodies.request_body, NumberRequest(3, 9, 1099)),
    "ret": Told([3, [[1090, 1099]]], number_bodies.return_body, NumberReturn(3, ((1090, 1099),))),
}
"""A station's, by kind."""

SEGMENT_RECORDS = Segment(
    host_epoch=2,
    controls=[ControlRecord(200 + place, 0, kind, told.body) for place, (kind, told) in enumerate(RECORDS.items())],
)
SEGMENT_REQUESTS = Segment(
    groups=[
        GroupHead(
            30 + place, bytes([place]) * 16, (1, 30 + place), (2, 90), 1_790_000_000_000_000, control=(kind, told.body)
        )
        for place, (kind, told) in enumerate(REQUESTS.items())
    ],
)

assert table_to_plain(TABLE) == CHANGED, "what is written is what is read"
