"""A day at a small company, played on real nodes: what `replicator demo` shows."""
