"""`python -m bench [NAME...] [--quick] [--json]`: measure, print the figures and what the time is spent on.

Ends with 1 when a figure misses its limit, so that a script can tell; small sizes (`--quick`) are never held to one.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import (
    adding,
    audit,
    capture,
    comparing,
    conflicts,
    fanout,
    fetching,
    flow,
    journal,
    keyed,
    logical,
    mails,
    memory,
    mixed,
    numbers,
    pgbench,
    purging,
    replaying,
    servers,
    waiting,
)
from bench.flow import Spent
from bench.measuring import QUICK, Figure, Size

NAMES = (
    "capture", "flow", "keyed", "fanout", "mails", "fetching", "memory", "waiting", "purging",
    "comparing", "conflicts", "journal", "servers", "numbers", "mixed", "logical", "pgbench", "audit",
    "adding", "replaying",
)  # fmt: skip
SUBJECTS = {
    "adding": adding,
    "replaying": replaying,
    "capture": capture,
    "keyed": keyed,
    "fanout": fanout,
    "mails": mails,
    "fetching": fetching,
    "memory": memory,
    "waiting": waiting,
    "purging": purging,
    "comparing": comparing,
    "conflicts": conflicts,
    "journal": journal,
    "servers": servers,
    "numbers": numbers,
    "mixed": mixed,
    "logical": logical,
    "pgbench": pgbench,
    "audit": audit,
}
SHOWN = 0.05
"""Stages below so many microseconds a change are not listed."""


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    size = QUICK if options.quick else Size()
    figures, spent = measure(options.names or list(NAMES), size, _tell)
    if options.json:
        print(json.dumps(as_plain(figures, spent), indent=1, ensure_ascii=False))
    else:
        print_figures(figures)
        print_spent(spent)
        if options.quick:
            print("\nSmall sizes: fixed costs weigh more, so the limits say nothing here.")
    return int(not options.quick and any(figure.met is False for figure in figures))


def measure(names: list[str], size: Size, tell: Callable[[str], None]) -> tuple[list[Figure], Spent]:
    """The figures of these subjects, and what the whole way spends its time on."""
    figures: list[Figure] = []
    spent: Spent = {}
    with tempfile.TemporaryDirectory(prefix="replicator-bench-") as folder:
        for name in names:
            if name == "flow":
                found, spent = flow.measure(Path(folder), size, tell)
                figures += found
            else:
                figures += SUBJECTS[name].measure(Path(folder), size, tell)
    return figures, spent


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Figures as ratios in one run (docs/bench.md)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"there is no {unknown[0]}: choose from {', '.join(NAMES)}")
    return options


def _tell(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


# --- showing ----------------------------------------------------------------------------------------------------------


def as_plain(figures: list[Figure], spent: Spent) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "ours": figure.ours,
                "baseline": figure.baseline,
                "ratio": figure.ratio,
                "limit": figure.limit,
                "limit_is_least": figure.is_least,
                "met": figure.met,
            }
            for figure in figures
        ],
        "microseconds_a_change": spent,
    }


def print_figures(figures: list[Figure]) -> None:
    wide = max((len(figure.name) for figure in figures), default=0)
    print(f"{'figure':{wide}}  {'ours':>12}  {'baseline':>12}  {'ratio':>6}  {'limit':>6}  met")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        limit = "" if figure.limit is None else f"{'≥' if figure.is_least else ''}{figure.limit:g}"
        met = {True: "yes", False: "NO", None: ""}[figure.met]
        print(
            f"{figure.name:{wide}}  {_amount(figure.ours, figure.unit):>12}  "
            f"{_amount(figure.baseline, figure.unit):>12}  {ratio:>6}  {limit:>6}  {met}"
        )


def print_spent(spent: Spent) -> None:
    """What the time is spent on: the largest first."""
    for run, stages in spent.items():
        print(f"\n{run}: {sum(stages.values()):.1f} µs of CPU a change")
        for stage, microseconds in stages.items():
            if microseconds >= SHOWN:
                print(f"  {microseconds:6.2f}  {stage}")


def _amount(amount: float | None, unit: str) -> str:
    return "" if amount is None else f"{amount:,.{0 if amount >= 1000 else 2}f} {unit}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
