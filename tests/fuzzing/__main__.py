"""`python -m tests.fuzzing TARGET --minutes 30`: look for inputs that a reader of mail can't stand.

`--again FILE...` runs single inputs and shows what they do. Ends with 1 when one of them is a finding.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

from tests.fuzzing import guided
from tests.fuzzing.target import INSTRUMENTED, load


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description="Coverage-guided fuzzing")
    parser.add_argument("target", choices=tuple(INSTRUMENTED))
    parser.add_argument("--minutes", type=float, default=30, help="how long to search (30)")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzzing"), help="corpus and findings go there")
    parser.add_argument("--again", nargs="+", type=Path, metavar="FILE", help="run these inputs instead")
    options = parser.parse_args(arguments)
    if options.again:
        return int(sum(_again(options.target, path) for path in options.again) > 0)
    folder = options.folder / options.target
    guided.run(options.target, options.minutes, folder / "corpus", folder / "findings")
    return 0


def _again(name: str, path: Path) -> bool:
    try:
        load(name).run(path.read_bytes())
    except Exception:  # noqa: BLE001 - this is what is asked for
        print(f"{path}: a finding")
        traceback.print_exc()
        return True
    print(f"{path}: nothing")
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
