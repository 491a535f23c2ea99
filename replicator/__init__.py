"""Keeps the SQL databases of a head office and its stations equal by ordinary e-mail."""

__version__ = "0.1.0"
