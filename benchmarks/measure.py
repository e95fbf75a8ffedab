"""What every benchmark shares: pairs measured in turn, medians with intervals, the result file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"


def in_turn(
    functions: Mapping[str, Callable[[int], float]], count: int = 11
) -> dict[str, list[float]]:
    """Measure things in turn, `count` times each, beginning with another one every time.

    Each function takes the index of its round and returns the seconds it took; a first, uncounted
    round warms all up.
    """
    names = list(functions)
    for name in names:
        functions[name](count)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for index in range(count):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(functions[name](index))
    return seconds


def median_ratio(left: Sequence[float], right: Sequence[float]) -> dict[str, Any]:
    """Return the median of the paired ratios and its 95 % bootstrap interval."""
    ratios = np.array(left) / np.array(right)
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return {
        "median_ratio": round(float(np.median(ratios)), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "pairs": len(ratios),
    }


def timed(function: Callable[[], Any]) -> float:
    """Return the seconds of wall time that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def machine() -> dict[str, Any]:
    """Return the processor, its cores and the memory of this machine."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux: the name that Python knows must do
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": cpu, "cores": os.cpu_count(), "ram_gib": round(pages / 2**30, 1)}


def write(name: str, figures: dict[str, Any]) -> None:
    """Write `results/NAME.json` and print the figures."""
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    result = {
        "name": name,
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip() or None,
        "machine": machine(),
        "figures": figures,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    for key, value in figures.items():
        print(f"{key}: {value}")
