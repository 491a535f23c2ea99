"""One target under atheris: libFuzzer's search, guided by branches of the code under attack.

Findings don't end it: each new one (told by where it was raised) is kept with its traceback, and the search goes on.
"""

from __future__ import annotations

import hashlib
import sys
import time
import traceback
from pathlib import Path
from random import Random

from tests.fuzzing.target import FOUND, INSTRUMENTED, Finding, Target, load

LARGEST = 200_000
"""Bytes of an input: long enough for all structure, short enough to be fast. What is huge is tested by itself."""


def run(name: str, minutes: float, corpus: Path, findings: Path) -> None:
    """Search for so many minutes; `corpus` is kept for the next time. Never returns: libFuzzer ends the process."""
    import atheris

    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=list(INSTRUMENTED[name])):
        target = load(name)
    for number, seed in enumerate([*target.seeds(), *known(name)]):
        (corpus / f"seed-{number:03d}").write_bytes(seed)
    watch = Watch(target, findings)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        dice = Random(seed)
        changed = atheris.Mutate(data, most) if dice.random() < 0.2 else target.mutate(data, dice)
        return changed if len(changed) <= most else atheris.Mutate(data, most)

    options = [
        "tests.fuzzing",
        f"-max_total_time={int(minutes * 60)}",
        f"-max_len={LARGEST}",
        "-timeout=60",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={findings}/",
        str(corpus),
    ]
    atheris.Setup(options, watch.one, custom_mutator=mutator)
    atheris.Fuzz()


def known(name: str) -> list[bytes]:
    """What was found before and is mended."""
    return [path.read_bytes() for path in sorted((FOUND / name).glob("*.bin"))]


class Watch:
    """Runs inputs, keeps findings, and tells now and then how it stands."""

    def __init__(self, target: Target, findings: Path) -> None:
        self._target, self._findings = target, findings
        self._seen: set[str] = set()
        self.runs = 0
        self._told = time.process_time()

    def one(self, data: bytes) -> None:
        self.runs += 1
        try:
            self._target.run(data)
        except Exception as error:  # noqa: BLE001 - anything at all is a finding
            self._keep(data, error)
        if time.process_time() - self._told > 60:
            self._told = time.process_time()
            print(
                f"{self.runs} runs, {len(self._seen)} findings, {self._told:.0f} s of CPU", file=sys.stderr, flush=True
            )

    def _keep(self, data: bytes, error: Exception) -> None:
        where = traceback.extract_tb(error.__traceback__)
        place = "\n".join(f"{frame.filename}:{frame.lineno}" for frame in where[-4:])
        text = str(error) if isinstance(error, Finding) else ""
        name = hashlib.blake2b(f"{type(error).__name__}{text}{place}".encode(), digest_size=6).hexdigest()
        if name in self._seen:
            return
        self._seen.add(name)
        (self._findings / f"{name}.bin").write_bytes(data)
        (self._findings / f"{name}.txt").write_text("".join(traceback.format_exception(error)))
        print(f"FINDING {name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr, flush=True)
