"""What one waits for: --help, --cfg job, preparing the chorales, and the jobs of a sweep.

The sweep's figure is the time that a job adds after the first, beside the time that one job takes
in a process of its own: a sweep pays the imports once.
"""

from __future__ import annotations

import argparse
import functools
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import timed, write

from partimento.datasets.chorales import Chorales

TRAIN = [sys.executable, "-m", "partimento.apps.train"]
TINY = [
    "trainer=quick",
    "trainer.max_epochs=1",
    "model.hidden=[8]",
    "data.stride=4",
    "data.transpose=false",
    "logger=csv",
    "diagnostics=none",
    "accelerator=cpu",
]


def run(*arguments: str) -> None:
    """Run the train command and wait for its end."""
    subprocess.run([*TRAIN, *arguments], check=True, capture_output=True)


def median(values: list[float]) -> float:
    """Return the median, to the millisecond."""
    return round(statistics.median(values), 3)


def preparation(count: int) -> dict[str, float]:
    """Return the seconds of a first and of a later preparation of the chorales."""
    first, later = [], []
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            prepare = functools.partial(Chorales().prepare, folder)
            first.append(timed(prepare))
            later.append(timed(prepare))
    return {"first_preparation_s": median(first), "later_preparation_s": median(later)}


def sweep(jobs: int) -> dict[str, float]:
    """Return the seconds of one job alone, of a sweep, and what a job adds to it."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = f"paths.outputs={folder}"
        seeds = ",".join(str(seed) for seed in range(1, jobs + 1))
        alone = timed(lambda: run(*TINY, outputs, "seed=0"))
        together = timed(lambda: run("-m", *TINY, outputs, f"seed={seeds}"))
        done = len([p for p in Path(folder).rglob("run.json") if _finished(p)])
    if done != jobs + 1:
        raise RuntimeError(f"{done} of {jobs + 1} jobs finished")
    return {
        "one_job_s": round(alone, 3),
        f"sweep_of_{jobs}_s": round(together, 3),
        "added_per_job_s": round((together - alone) / (jobs - 1), 3),
    }


def _finished(path: Path) -> bool:
    return re.search(r'"status": "finished"', path.read_text()) is not None


def main() -> None:
    """Measure, print, write benchmarks/results/startup.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=11)
    count = parser.parse_args().count
    write(
        "startup",
        {
            "help_s": median([timed(lambda: run("--help")) for _ in range(count)]),
            "cfg_job_s": median([timed(lambda: run("--cfg", "job")) for _ in range(count)]),
            **preparation(count),
            **sweep(8),
        },
    )


if __name__ == "__main__":
    main()
