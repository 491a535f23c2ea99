"""The replicator's own tables: node, links, journal, batches, row versions.

They stand here as this revision makes them, whatever becomes of `replicator.store.tables` later; a test holds the two
against each other. Times are microseconds since 1970 UTC.

Revision ID: 0001
Revises:
Create Date: 2026-11-25
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from replicator.store.column_types import BYTES, FLAG, LARGE_BYTES, NUMBER, TEXT, short_bytes
from replicator.store.migrate import create_table, refuse_downgrade

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _node_and_peers()
    _links_and_rules()
    _journal()
    _slices()
    _batches_out()
    _batches_in()
    _rows()
    _for_people()


def downgrade() -> None:
    refuse_downgrade()


def _required(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def _counts(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in names]


def _position(name: str) -> list[Column[int]]:
    return _counts(f"{name}_epoch", f"{name}_n")


def _keys(kind: type[Integer], *names: str) -> list[Column[int]]:
    """Parts of a primary key, or all of it, that are given and never counted by the database."""
    return [Column(name, kind, primary_key=True, autoincrement=False) for name in names]


def _node_and_peers() -> None:
    create_table(
        "replicator_node",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("role", String(10), nullable=False),
        Column("name", String(200), nullable=False),
        Column("address", String(320), nullable=False),
        *_counts("run"),
        Column("host_epoch", BigInteger, nullable=False),
        *_counts("last_n", "open_group", "open_through"),
        Column("next_table", Integer, nullable=False, server_default="1"),
        Column("next_peer", Integer, nullable=False, server_default="1"),
        Column("created_at", BigInteger, nullable=False),
    )
    create_table(
        "replicator_table",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", String(200), nullable=False, unique=True),
        Column("area", String(200)),
        Column("policy", String(10), nullable=False),
        Column("definition", TEXT, nullable=False),
        Column("added_at", BigInteger, nullable=False),
    )
    create_table(
        "replicator_peer",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", String(200), nullable=False, unique=True),
        Column("title", String(200)),
        Column("address", String(320), nullable=False),
        Column("enabled", FLAG, nullable=False, server_default="1"),
        Column("public_key", short_bytes(32)),
        Column("bootstrap_key", short_bytes(32)),
        Column("invitation", String(64)),
        Column("created_at", BigInteger, nullable=False),
        Column("heard_at", BigInteger),
        Column("sent_at", BigInteger),
    )


def _links_and_rules() -> None:
    create_table(
        "replicator_link",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("mode", String(10), nullable=False, server_default=""),
        *_position("out_epoch"),
        *_counts("out_n", "out_acknowledged"),
        Column("out_digest", short_bytes(32)),
        *_position("out_high"),
        *_counts("out_bytes", "out_probe", "out_probe_at", "out_probe_wait"),
        *_position("in_epoch"),
        *_counts("in_n"),
        Column("in_digest", short_bytes(32)),
        *_counts("in_high"),
        Column("acknowledgement_due", FLAG, nullable=False, server_default="0"),
        *_counts("in_probe", "cut_slice", "applied_n", "judged_n"),
        *_position("seen"),
        *_counts("resent_until"),
        *_position("rule"),
    )
    create_table(
        "replicator_rule",
        *_keys(Integer, "peer", "table_id"),
        *_keys(BigInteger, "version_epoch", "version_n"),
        Column("to_remote", Integer, nullable=False),
        Column("to_host", Integer, nullable=False),
    )


def _journal() -> None:
    create_table(
        "replicator_outbox_control",
        Column("id", NUMBER, primary_key=True),
        Column("uid", short_bytes(16), nullable=False),
        Column("kind", String(20), nullable=False),
        Column("body", BYTES),
        sqlite_autoincrement=True,
    )
    create_table(
        "replicator_journal",
        Column("n", NUMBER, primary_key=True, autoincrement=False),
        Column("host_epoch", BigInteger, nullable=False),
        Column("uid", short_bytes(16), nullable=False),
        *_position("born"),
        Column("origin", Integer, nullable=False),
        *_position("origin"),
        Column("control", String(20)),
        Column("body", BYTES),
        Column("merged", FLAG, nullable=False),
        *_position("rule"),
        Column("schema_version", Integer, nullable=False, server_default="1"),
        *_required("at", "entries"),
    )
    create_table(
        "replicator_journal_key",
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("row_key", short_bytes(3000), primary_key=True),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    create_table(
        "replicator_recipients",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("stations", TEXT, nullable=False),
    )


def _slices() -> None:
    create_table(
        "replicator_slice",
        Column("id", NUMBER, primary_key=True, autoincrement=False),
        *_required("host_epoch", "first_n", "last_n"),
        Column("whole", FLAG, nullable=False),
    )
    op.create_index("replicator_slice_last_n", "replicator_slice", ["last_n"])
    create_table(
        "replicator_slice_segment",
        Column("slice", BigInteger, primary_key=True, autoincrement=False),
        Column("ordinal", Integer, primary_key=True, autoincrement=False),
        Column("recipients", Integer),
        Column("peer", Integer),
        Column("origin", Integer, nullable=False),
        Column("kind", String(10), nullable=False),
        Column("digest", short_bytes(32), nullable=False),
        *_required("size", "raw_size", "row_count"),
        Column("frame", LARGE_BYTES),
        Column("detail", LARGE_BYTES),
    )
    op.create_index("replicator_slice_segment_digest", "replicator_slice_segment", ["digest"])
    create_table(
        "replicator_content",
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        Column("ordinal", Integer, primary_key=True, autoincrement=False),
        Column("digest", short_bytes(32), nullable=False),
        *_required("size", "raw_size", "row_count"),
    )
    op.create_index("replicator_content_digest", "replicator_content", ["digest"])


def _batches_out() -> None:
    create_table(
        "replicator_batch_out",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        Column("digest", short_bytes(32), nullable=False),
        Column("manifest", BYTES, nullable=False),
        Column("opener", String(20)),
        *_position("peer_epoch"),
        *_position("high"),
        *_required("size", "window_size", "row_count", "sent_probe"),
        Column("repeated", FLAG, nullable=False, server_default="0"),
        Column("created_at", BigInteger, nullable=False),
    )
    create_table(
        "replicator_batch_segment",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        Column("ordinal", Integer, primary_key=True, autoincrement=False),
        Column("digest", short_bytes(32), nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("in_journal", FLAG, nullable=False),
    )
    op.create_index("replicator_batch_segment_digest", "replicator_batch_segment", ["digest"])
    create_table(
        "replicator_send_queue",
        Column("id", NUMBER, primary_key=True),
        Column("peer", Integer, nullable=False),
        *_required("n", "start", "length"),
        sqlite_autoincrement=True,
    )
    create_table(
        "replicator_digest",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("direction", String(4), primary_key=True),
        Column("n", BigInteger, primary_key=True, autoincrement=False),
        Column("digest", short_bytes(32), nullable=False),
    )


def _batches_in() -> None:
    create_table(
        "replicator_batch_in",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        *_keys(BigInteger, "epoch_epoch", "epoch_n", "n"),
        *_required("total", "received"),
    )
    create_table(
        "replicator_part_in",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        *_keys(BigInteger, "epoch_epoch", "epoch_n", "n", "start"),
        Column("length", BigInteger, nullable=False),
    )


def _rows() -> None:
    create_table(
        "replicator_row_version",
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("row_key", short_bytes(3000), primary_key=True),
        *_required("epoch", "n"),
        Column("deleted", Integer, nullable=False),
        Column("writer", Integer, nullable=False),
        Column("writer_epoch", BigInteger, nullable=False),
        Column("clean", Integer, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("tie", String(1), nullable=False),
        Column("image", BYTES),
        sqlite_with_rowid=False,
    )
    create_table(
        "replicator_link_row",
        *_keys(Integer, "peer", "table_id"),
        Column("row_key", short_bytes(3000), primary_key=True),
        sqlite_with_rowid=False,
    )
    create_table(
        "replicator_seen_group",
        Column("peer", Integer, primary_key=True, autoincrement=False),
        Column("uid", short_bytes(16), primary_key=True),
        *_position("born"),
        sqlite_with_rowid=False,
    )
    create_table(
        "replicator_skipped",
        Column("table_id", Integer, primary_key=True, autoincrement=False),
        Column("row_key", short_bytes(3000), primary_key=True),
        *_position("at"),
        Column("image", BYTES),
        sqlite_with_rowid=False,
    )
    create_table(
        "replicator_scope_key",
        *_keys(Integer, "kind", "table_id"),
        Column("row_key", short_bytes(3000), primary_key=True),
        sqlite_with_rowid=False,
    )


def _for_people() -> None:
    create_table(
        "replicator_conflict",
        Column("id", NUMBER, primary_key=True),
        *_required("at", "host_epoch", "n"),
        Column("peer", Integer, nullable=False),
        Column("uid", short_bytes(16)),
        Column("table_id", Integer, nullable=False),
        Column("row_key", short_bytes(3000), nullable=False),
        Column("kind", String(40), nullable=False),
        Column("host_image", BYTES),
        Column("station_image", BYTES),
        Column("result_image", BYTES),
        Column("column_names", TEXT),
        sqlite_autoincrement=True,
    )
    create_table(
        "replicator_notice",
        Column("id", NUMBER, primary_key=True),
        Column("at", BigInteger, nullable=False),
        Column("kind", String(40), nullable=False),
        Column("subject", String(500), nullable=False),
        Column("message", TEXT, nullable=False),
        Column("waiting", FLAG, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("replicator_notice_subject", "replicator_notice", ["kind", "subject"])
