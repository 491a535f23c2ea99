"""The replicator's own tables, spool and side file: what a node knows."""
