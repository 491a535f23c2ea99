"""Hostile input for all that reads what came by mail: by hand with coverage guidance, a short share in the tests.

A *target* takes bytes, runs them through one reader and raises when anything happens that must not. Its seeds are sound
inputs; its mutator knows their structure. `python -m tests.fuzzing TARGET --minutes 30` runs one under atheris.
"""
