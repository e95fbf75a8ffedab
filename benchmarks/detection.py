"""Whether the alarm for mode collapse tells collapse from health in real training runs; resumable.

What it is to show, fixed in `detection_rule.py` before the held-out runs were judged:

- Runs of many objectives on a ring of Gaussians and on synthetic chorales with 24 modes, some with
  a planted cause of failure, are trained once (`detection_material.py`). Every 50 generator updates
  256 samples are kept for the alarm, and an oracle says from other samples what is true: modes left
  out, out of balance, or with too little variety within them.
- The monitor that the package ships, with its thresholds, sees the 256 samples, and nothing else.
- Recipes and seeds that were looked at to settle the alarm's rule are one part, others seeds of
  these recipes another, other objectives the third, whose figures are the study's.

The same command again goes on where it was. `--judge tuning` judges the part that may be looked at,
`--judge all` writes benchmarks/results/detection.json, `--closed-loop` trains and writes what the
alarm's action does, `--check` trains a random 5 % of the runs anew and judges all again, and compares
with the file; `--document` writes docs/detection.md.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import detection_material as material
import numpy as np
import torch
from detection_figures import figures_of
from detection_judging import Judged, judge_all
from detection_rule import PARTS, part_of
from detection_runs import runs
from measure import RESULTS, machine

from partimento.atomic import write_atomically

FILE = RESULTS / "detection.json"


def judged(folder: Path, parts: Sequence[str]) -> list[Judged]:
    """Judge those runs of some parts that have been trained."""
    wanted = [run for run in runs() if part_of(*run[1:]) in parts]
    there = [run for run in wanted if material.path_of(folder, *run).exists()]
    if len(there) < len(wanted):
        print(f"{len(wanted) - len(there)} runs have not been trained yet")
    wanted = there
    return judge_all(folder, wanted, print)


def write_results(figures: dict[str, Any]) -> None:
    """Write benchmarks/results/detection.json, lists on one line each."""
    import subprocess
    import time

    here = Path(__file__).parent
    head = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    result = {
        "name": "detection",
        "date": time.strftime("%Y-%m-%d"),
        "commit": head.stdout.strip() or None,
        "machine": machine(),
        "figures": figures,
    }
    text = json.dumps(result, indent=1)
    flat = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)
    write_atomically(FILE, flat + "\n")


def kept_figures() -> dict[str, Any]:
    """Return the figures of the file, if there is one."""
    found: dict[str, Any] = json.loads(FILE.read_text())["figures"] if FILE.exists() else {}
    return found


def check(folder: Path, fraction: float, seed: int) -> None:
    """Train a random part of the runs anew, judge all again, and print whether all is the same."""
    groups = material.groups()
    chosen = random.Random(seed).sample(groups, math.ceil(fraction * len(groups)))
    for world, name, seeds in chosen:
        for one, rows in material.train_group(world, name, seeds).items():
            old = np.load(material.path_of(folder, world, name, one))
            same = all(
                np.array_equal(old[key], np.stack([row[key] for row in rows]), equal_nan=True)
                for key in rows[0]
            )
            print(f"{world} {name} {one}: {'the same' if same else 'NOT the same'}")
    new = json.loads(json.dumps(figures_of(judged(folder, PARTS))))
    kept = {key: value for key, value in kept_figures().items() if key in new}
    print(f"figures: {'the same' if new == kept else 'NOT the same'}")


def main() -> None:
    """Run what is left of the study, judge it, check it, or write its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/studies/detection", type=Path)
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--judge", choices=["tuning", "all"])
    parser.add_argument("--closed-loop", action="store_true")
    parser.add_argument("--check", nargs="?", const=0.05, type=float, metavar="FRACTION")
    parser.add_argument("--check-seed", default=0, type=int, help="of the choice of runs")
    parser.add_argument("--document", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.document:
        from detection_table import write_page

        write_page(json.loads(FILE.read_text()))
    elif arguments.check is not None:
        check(arguments.outputs, arguments.check, arguments.check_seed)
    elif arguments.judge == "tuning":
        print(json.dumps(figures_of(judged(arguments.outputs, ["tuning"])), indent=1))
    elif arguments.judge == "all":
        write_results({**kept_figures(), **figures_of(judged(arguments.outputs, PARTS))})
    elif arguments.closed_loop:
        from detection_loop import closed_loop

        write_results({**kept_figures(), "closed_loop": closed_loop(arguments.outputs)})
    else:
        material.make_material(arguments.outputs)


if __name__ == "__main__":
    main()
