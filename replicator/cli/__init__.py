"""The command line: parse, one operation, print."""
