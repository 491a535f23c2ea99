"""What it costs to build and to take apart a mail of 10 MB: little more than the base64 in it.

The baselines are the standard library's base64 of the same bytes, without lines, and a file that is written or read.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.measuring import Figure, Size, cpu, figure_of
from replicator.protocol.envelope import MAGIC
from replicator.transport import Mail
from replicator.transport.mime import compose, extract, sentence_for_people

LIMIT = 2


def measure(folder: Path, size: Size, tell: Callable[[str], None]) -> list[Figure]:
    where = folder / "mails"
    where.mkdir()
    mail, bare, back = where / "mail.eml", where / "bare", where / "back"
    built: list[tuple[float, float]] = []
    taken: list[tuple[float, float]] = []
    for repetition in range(size.repetitions):
        tell(f"mails: repetition {repetition + 1} of {size.repetitions}")
        payload = MAGIC + os.urandom(size.mail_bytes)
        built.append((cpu(partial(_build, payload, mail)), cpu(partial(_encode, payload, bare))))
        taken.append((cpu(partial(_take_apart, mail, back)), cpu(partial(_decode, bare, back))))
    shutil.rmtree(where)
    return [
        figure_of("mails, build one of 10 MB: CPU", built, LIMIT, "ms", 1e3),
        figure_of("mails, take one of 10 MB apart: CPU", taken, LIMIT, "ms", 1e3),
    ]


def _build(payload: bytes, to: Path) -> None:
    sentence = sentence_for_people("head office", "Köln")
    mail = Mail("office@example.com", "koeln@example.com", "Replicator", sentence, (payload,), "<1@example.com>", 0)
    to.write_bytes(compose(mail))


def _encode(payload: bytes, to: Path) -> None:
    to.write_bytes(base64.b64encode(payload))


def _take_apart(mail: Path, to: Path) -> None:
    (payload,) = extract(mail.read_bytes(), MAGIC).payloads
    to.write_bytes(payload)


def _decode(bare: Path, to: Path) -> None:
    to.write_bytes(base64.b64decode(bare.read_bytes()))
