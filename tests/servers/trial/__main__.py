"""Run one trial and tell how it went: python -m tests.servers.trial --megabytes 200."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.servers.trial.course import hold


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.trial", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=5, help="of the initial load, to each of four stations")
    parser.add_argument("--seed", type=int, default=1, help="of the dice that choose the troubles")
    parser.add_argument("--rounds", type=int, default=0, help="with troubles (default: by the size)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trial-", dir="/var/tmp") as folder:
        print("\n".join(hold(Path(folder), arguments.megabytes, seed=arguments.seed, troubled=arguments.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
