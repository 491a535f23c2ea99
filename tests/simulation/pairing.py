"""All pairs of faults, each with seeds in which these two happen and nothing else: a table of what was played."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from itertools import combinations
from multiprocessing import get_context

from tests.simulation import running
from tests.simulation.running import Focus, Result, run_seed
from tests.simulation.world import FAULTS, LATER

TOGETHER = {"wide-rules": ("rules",), "tool": ("rules",)}
"""What makes sense with others only."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.pairing", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="seeds of each pair")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--with", dest="one", default="", help="only pairs with one of these faults, comma separated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    wanted = set(arguments.one.split(",")) if arguments.one else {*FAULTS, *LATER}
    pairs = [pair for pair in combinations((*FAULTS, *LATER), 2) if wanted & set(pair)]
    running.prepare()
    try:
        return _play(pairs, range(arguments.first, arguments.first + arguments.seeds), arguments.jobs)
    finally:
        running.clean()


Pair = tuple[str, str]


def _play(pairs: list[Pair], seeds: range, jobs: int) -> int:
    """Each pair has seeds of its own, so that not every pair sees the same worlds."""
    began, bad = time.monotonic(), 0
    totals: Counter[str] = Counter()
    tasks = [(pair, place * 1000 + seed) for place, pair in enumerate(pairs) for seed in seeds]
    failed: Counter[Pair] = Counter()
    with get_context("fork").Pool(jobs) as pool:
        for (pair, seed), result in zip(tasks, pool.imap(_one, tasks, 4), strict=True):
            totals.update(steps=result.steps, writes=result.writes, mails=result.mails)
            if result.bad:
                bad += 1
                failed[pair] += 1
                print(f"bad: --faults {','.join(focus_of(pair))} --show {seed}: {'; '.join(result.bad)}", flush=True)
    print(_table(pairs, failed, len(seeds)))
    print(
        f"\n{len(pairs)} pairs, {len(tasks)} seeds, {totals['steps']} steps, {totals['writes']} writes, "
        f"{totals['mails']} mails, {bad} bad, {time.monotonic() - began:.0f} s"
    )
    return int(bad > 0)


def focus_of(pair: Pair) -> tuple[str, ...]:
    more = [each for fault in pair for each in TOGETHER.get(fault, ())]
    return tuple(dict.fromkeys((*pair, *more)))


def _one(task: tuple[Pair, int]) -> Result:
    pair, seed = task
    return run_seed(seed, focus=Focus(focus_of(pair)))


def _table(pairs: list[Pair], failed: Counter[Pair], seeds: int) -> str:
    """A line a fault: with how many others, how many seeds, how many bad, and with which."""
    lines = ["| fault | with | seeds | bad |", "|---|---|---|---|"]
    for fault in dict.fromkeys(each for pair in pairs for each in pair):
        mine = [pair for pair in pairs if fault in pair]
        bad = sum(failed[pair] for pair in mine)
        lines.append(f"| {fault} | {len(mine)} others | {len(mine) * seeds} | {bad} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", "tests.simulation.pairing", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})
    sys.exit(main())
