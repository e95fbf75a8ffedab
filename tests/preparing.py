"""Readers of little text files, of which some crash, hang or fill memory (processes import them)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from partimento.errors import UserError
from partimento.music import Piece


def write_tunes(folder: Path, count: int, special: dict[int, str] | None = None) -> list[str]:
    """Write files of ten notes, or a command for `read_tune`; return their names."""
    names = [f"{index // 10:03d}/{index:05d}.tune" for index in range(count)]
    for index, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        notes = " ".join(
            str(40 + (7 * index + index // 17 + step * step) % 40) for step in range(10)
        )
        (folder / name).write_text((special or {}).get(index, notes))
    return names


def sized(folder: Path, names: list[str]) -> list[tuple[str, int]]:
    return [(name, (folder / name).stat().st_size) for name in names]


def read_tune(path: Path) -> list[Piece]:
    """Read one file of note numbers, or do the harm that it asks for."""
    text = path.read_text()
    if text == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "hang":
        time.sleep(1000)
    if text == "memory":
        bytearray(2**40)
    if text.startswith("once"):
        mark = Path(text.removeprefix("once "))
        if not mark.exists():
            mark.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        text = "60 62 64"
    if text.startswith("slow"):
        time.sleep(0.05)
        text = text.removeprefix("slow ")
    if text == "wrong":
        raise UserError(f"'{path}' is wrong.")
    return [_tune(line) for line in text.split("|")]


def _tune(line: str) -> Piece:
    pitch = [int(word) for word in line.split()]
    count = len(pitch)
    return Piece("", 4, range(count), [1] * count, pitch, [0] * count, bars=((0, 4, 4),))
