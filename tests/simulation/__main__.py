"""Run seeds and tell what failed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from multiprocessing import get_context

from tests.simulation import running
from tests.simulation.mutations import MUTATIONS, switch_off
from tests.simulation.running import Focus, Result, run_seed
from tests.simulation.schema import SPECS
from tests.simulation.world import FAULTS, LATER


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument(
        "--off", default="", help="rules of the engine to switch off, comma separated (see mutations.py)"
    )
    parser.add_argument("--faults", default="", help=f"these in every run and no others: {' '.join((*FAULTS, *LATER))}")
    parser.add_argument("--besides", default="", help="these in every run, besides those that the dice give")
    parser.add_argument("--without", default="", help="these in no run, though the dice give them")
    parser.add_argument("--tables", default="", help=f"the applications write to these only: {' '.join(SPECS)}")
    parser.add_argument("--without-numbers", action="store_true", help="as seeds were before there were number ranges")
    parser.add_argument("--show", type=int, metavar="SEED", help="tell the story of this seed")
    arguments = parser.parse_args()
    for name in _names(arguments.off, MUTATIONS):
        switch_off(name)
    known = (*FAULTS, *LATER)
    focus = Focus(
        tuple(_names(arguments.faults, known)),
        tuple(_names(arguments.besides, known)),
        tuple(_names(arguments.without, known)),
        tuple(_names(arguments.tables, SPECS)),
        numbered=not arguments.without_numbers,
    )
    running.prepare()
    try:
        if arguments.show is not None:
            return _show(arguments.show, focus)
        return _many(range(arguments.first, arguments.first + arguments.seeds), arguments.jobs, focus)
    finally:
        running.clean()


def _names(given: str, known: Iterable[str]) -> list[str]:
    names = [name for name in given.split(",") if name]
    if unknown := set(names) - set(known):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}")
    return names


def _show(seed: int, focus: Focus) -> int:
    result = run_seed(seed, show=True, focus=focus)
    print("\n".join(result.story))
    print()
    print("\n".join(f"VIOLATED: {what}" for what in result.bad) or "nothing violated")
    return int(bool(result.bad))


def _many(seeds: range, jobs: int, focus: Focus) -> int:
    began, processor = time.monotonic(), time.process_time()
    kinds: Counter[str] = Counter()
    examples: dict[str, list[int]] = {}
    totals, failed = Counter[str](), 0
    with get_context("fork").Pool(jobs) as pool:
        for result in pool.imap_unordered(partial(run_seed, focus=focus), seeds, 4):
            totals.update(steps=result.steps, writes=result.writes, mails=result.mails)
            failed += bool(result.bad)
            if result.bad:
                print(f"seed {result.seed}: {'; '.join(result.bad)}", flush=True)
            _count(result, kinds, examples)
    seconds = time.monotonic() - began
    processor = time.process_time() - processor
    print(
        f"{len(seeds)} seeds, {totals['steps']} steps, {totals['writes']} writes, {totals['mails']} mails, "
        f"{failed} bad, {seconds:.0f} s"
    )
    for what, number in kinds.most_common():
        print(f"  {number:5}  {what}   (seeds {', '.join(map(str, sorted(examples[what])[:20]))})")
    return int(failed > 0)


def _count(result: Result, kinds: Counter[str], examples: dict[str, list[int]]) -> None:
    for what in result.bad:
        kinds[what] += 1
        examples.setdefault(what, []).append(result.seed)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets must not change what a seed does.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
