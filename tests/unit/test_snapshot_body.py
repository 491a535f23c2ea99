"""What a load tells: versions between the first and today's come through, and nothing malformed does."""

from __future__ import annotations

from typing import Any

import pytest
from small_tables import table

from replicator.errors import PeerFault
from replicator.protocol.control_bodies import snapshot_body, tables_in
from replicator.protocol.definitions import table_to_plain

ITEM = table_to_plain(table(1, "item", "id integer!, name text"))
BODY = {"version": [1, 2], "epoch": [0, 1], "judged": 3, "rules": [], "tables": [ITEM], "content": 0}


def test_versions_come_before_the_tables_as_they_are() -> None:
    assert snapshot_body(BODY).forms == []
    body = BODY | {"forms": [ITEM]}
    assert len(snapshot_body(body).forms) == 1
    assert tables_in("snap", body) == [*snapshot_body(body).forms, *snapshot_body(body).rule.tables]


@pytest.mark.parametrize("forms", [7, None, [7], [{}], [ITEM, b"x"], {"item": ITEM}])
def test_what_is_malformed_is_the_peers_fault(forms: Any) -> None:
    with pytest.raises(PeerFault, match="is malformed"):
        snapshot_body(BODY | {"forms": forms})
