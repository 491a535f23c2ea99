"""The simulation of the real engine: SQLite files, folder mailboxes, one seeded clock and dice, faults and invariants.

    python -m tests.simulation --seeds 1000         run these, print what failed
    python -m tests.simulation --show 17            the story of one seed
    python -m tests.simulation.mutate               which rule, switched off, is caught after how many seeds

See docs/simulation.md.
"""
