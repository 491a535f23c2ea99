"""The replicator's own tables (protocol.md section 3), beside the application's in the same database.

`migrations/` makes the same tables; a test holds the two against each other. The outbox is not here: it belongs to the
database class that captures (databases/*). Positions are two columns, `..._epoch` and `..._n`. Times are microseconds
since 1970 UTC. `peer` is a station's number at the host, 0 (the host) at a station.
"""

from __future__ import annotations

from replicator.store.column_types import TABLE_OPTIONS
from replicator.store.tables.bases import base, base_segment
from replicator.store.tables.columns import metadata
from replicator.store.tables.comparisons import comparison, comparison_row, comparison_table
from replicator.store.tables.journals import (
    content,
    journal,
    journal_key,
    outbox_control,
    recipients,
    slice_,
    slice_origin,
    slice_segment,
    slice_table,
)
from replicator.store.tables.links import batch_in, batch_out, batch_segment, contact, digest, link, part_in, timeline
from replicator.store.tables.mails import batch_trail, mail_trail, mailbox, route, send_queue, sent_mail
from replicator.store.tables.migrations import request, revision
from replicator.store.tables.nodes import node, notice, peer
from replicator.store.tables.numbers import (
    number_event,
    number_node,
    number_pace,
    number_range,
    number_share,
    number_span,
    number_stock,
)
from replicator.store.tables.retention import horizon, mark, mark_link, retention, tombstone
from replicator.store.tables.rows import (
    conflict,
    link_row,
    quarantine,
    reload,
    row_version,
    rule,
    salvaged,
    scope_key,
    seen_group,
    skipped,
    table,
    table_version,
)
from replicator.store.tables.succession import former_host, host_state, successor, told

__all__ = [
    "base",
    "base_segment",
    "batch_in",
    "batch_out",
    "batch_segment",
    "batch_trail",
    "comparison",
    "comparison_row",
    "comparison_table",
    "conflict",
    "contact",
    "content",
    "digest",
    "former_host",
    "horizon",
    "host_state",
    "journal",
    "journal_key",
    "link",
    "link_row",
    "mail_trail",
    "mailbox",
    "mark",
    "mark_link",
    "metadata",
    "node",
    "notice",
    "number_event",
    "number_node",
    "number_pace",
    "number_range",
    "number_share",
    "number_span",
    "number_stock",
    "outbox_control",
    "part_in",
    "peer",
    "quarantine",
    "recipients",
    "reload",
    "request",
    "retention",
    "revision",
    "route",
    "row_version",
    "rule",
    "salvaged",
    "scope_key",
    "seen_group",
    "send_queue",
    "sent_mail",
    "skipped",
    "slice_",
    "slice_origin",
    "slice_segment",
    "slice_table",
    "successor",
    "table",
    "table_version",
    "timeline",
    "told",
    "tombstone",
]

for _each in metadata.tables.values():
    _each.dialect_kwargs.update(TABLE_OPTIONS)
