"""Applications that know nothing of replication, as programs of their own."""
