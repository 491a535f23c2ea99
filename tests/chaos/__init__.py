"""The simulation's chaos on real databases: applications write from several connections of their own while nodes run.

What the simulation orders with one clock and one dice is left to real servers here: transactions that begin early and
commit late, locks, deadlocks, a node's death in the middle. So a seed does not repeat what it did; it says which mix.
"""
