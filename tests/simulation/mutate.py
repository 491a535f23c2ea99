"""Switch off one rule after the other, and tell after how many seeds the simulation catches it."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from functools import partial
from multiprocessing import get_context

from tests.simulation import running
from tests.simulation.mutations import MUTATIONS, switch_off
from tests.simulation.running import Focus, run_seed

CHUNK = 16


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutate", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which rules (default: all): {' '.join(MUTATIONS)}")
    parser.add_argument("--seeds", type=int, default=300, help="seeds to run at most")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    running.prepare()
    missed = 0
    try:
        print("| rule | switched off | caught after | by |\n|---|---|---|---|")
        for name in arguments.names or MUTATIONS:
            after, kinds = _catch(name, arguments.first, arguments.seeds, arguments.jobs)
            by = "; ".join(f"{kind} (seed {seed})" for kind, seed in list(kinds.items())[:3])
            caught = f"{after} seed{'s' if after != 1 else ''}" if after else f"never, in {arguments.seeds} seeds"
            print(f"| {name} | {MUTATIONS[name].what} | {caught} | {by} |", flush=True)
            missed += not after
    finally:
        running.clean()
    return int(missed > 0)


def _catch(name: str, first: int, most: int, jobs: int) -> tuple[int, dict[str, int]]:
    """(seeds run until the first that fails, 0 for none; what failed in its chunk of seeds, with the first seed)."""
    run = partial(run_seed, focus=Focus(besides=MUTATIONS[name].faults))
    with get_context("fork").Pool(jobs, initializer=switch_off, initargs=(name,)) as pool:
        for start in range(first, first + most, CHUNK):
            seeds = range(start, min(start + CHUNK, first + most))
            bad = {result.seed: result.bad for result in pool.imap_unordered(run, seeds) if result.bad}
            if bad:
                counted = Counter(kind for kinds in bad.values() for kind in kinds)
                kinds = {kind: min(seed for seed in bad if kind in bad[seed]) for kind, _ in counted.most_common()}
                return min(bad) - first + 1, kinds
    return 0, {}


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        arguments = [sys.executable, "-m", "tests.simulation.mutate", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(main())
