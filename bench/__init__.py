"""`make bench`: the figures that the replicator is held to, as ratios measured in one run (docs/bench.md).

data       the rows: customers and order items, from a seed
places     a host and its stations in a temporary folder, set up by the real operations
sites      databases on PostgreSQL and MariaDB, for nodes and for the bare work (postgresql_site, mariadb_site)
measuring  CPU and wall time, medians of interleaved repetitions, figures
stages     what the time of a run is spent on
capture · flow · keyed · fanout · mails · fetching · memory · waiting · comparing · servers · mixed · logical ·
           pgbench
           one file a subject; each has `measure`
"""
