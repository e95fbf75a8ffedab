"""Runs a training command in a process of its own and kills it, for the tests of resuming."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

CONSOLE = Path(sysconfig.get_path("scripts")) / "partimento"


def start(overrides: Sequence[str], **popen: Any) -> subprocess.Popen[str]:
    """Start `partimento train` in a process of its own."""
    command = [str(CONSOLE), "train", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        **popen,
    )


def complete(overrides: Sequence[str]) -> str:
    """Run the command to its end and return what it printed."""
    process = start(overrides)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def kill_when(process: subprocess.Popen[str], ready: Any, delay: float) -> bool:
    """Kill the process `delay` seconds after `ready()` holds; False if it ended before."""
    deadline = time.monotonic() + 120
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            return _ended(process)
        time.sleep(0.002)
    time.sleep(delay)
    if process.poll() is not None:
        return _ended(process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return True


def _ended(process: subprocess.Popen[str]) -> bool:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return False


def weights(folder: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint of a run folder."""
    path = folder / "checkpoints" / name
    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def counters(folder: Path) -> dict[str, int]:
    """Return the counters of the last checkpoint."""
    path = folder / "checkpoints" / "last.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)["partimento"]["counters"]


def assert_equal_weights(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    """Assert that two state dictionaries are equal bit for bit."""
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def kill_until_done(
    overrides: Sequence[str], folder: Path, seed: int, kills: int
) -> tuple[int, list[str]]:
    """Run the command again and again, killing it at random times, until it ends.

    Returns:
        The number of kills after a checkpoint existed, and the printed "Resuming" lines.
    """
    chance = random.Random(seed)
    effective = 0
    last = folder / "checkpoints" / "last.ckpt"
    for _ in range(kills):
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = start(overrides)

        def moved(before: int = before) -> bool:
            return last.exists() and last.stat().st_mtime_ns != before

        if not kill_when(process, moved, chance.uniform(0.0, 0.25)):
            break
        effective += 1
    output = complete(overrides)
    return effective, [line for line in output.splitlines() if "Resuming after" in line]
