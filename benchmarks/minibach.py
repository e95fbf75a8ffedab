"""MiniBach beside baselines on held-out chorales: five seeds, both objectives; a resumable study.

What it is to show, fixed before it was run:

- Models: `experiment` defaults (model=minibach, softmax) and the same with model/objective=sigmoid,
  seeds 0 to 4, trained on the CPU. The checkpoint of each run is chosen on the validation split;
  nothing is chosen on the test split.
- Held out: the test split of split seed 0, windows of 4 bars that do not overlap, original keys.
- Baselines: those of `partimento evaluate`, with the same given voice, fitted on the same training
  windows, their hyperparameters chosen on the same validation windows.
- Figures: mean over seeds and the 95 % interval of the mean (Student's t, 4 degrees of freedom).
- Rule: the model beats a baseline in a figure when the whole interval is on the better side of the
  baseline's figure (lower for nll, higher for accuracies). It is asked for nll and accuracy_onset.
- The default objective is the one with the lower mean validation nll; a difference counts when the
  intervals do not overlap.

The same command again goes on where it was; `--rerun FRACTION` trains a random part of the cells
anew elsewhere and compares.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

from measure import write

import partimento
from partimento.apps.composition import compose_request
from partimento.evaluation.run import evaluate_run
from partimento.evaluation.table import BASELINES, COLUMNS

SEEDS = range(5)
OBJECTIVES = ("softmax", "sigmoid")
JUDGED = {"nll": -1, "accuracy_onset": 1}
T_975 = 2.776  # Student's t, 4 degrees of freedom


def overrides(objective: str, seed: int, outputs: str) -> list[str]:
    """Return the overrides of one cell."""
    return [
        f"model/objective={objective}",
        f"seed={seed}",
        "accelerator=cpu",
        "logger=csv",
        "diagnostics=none",
        f"paths.outputs={outputs}",
    ]


def cell(objective: str, seed: int, outputs: str) -> dict[str, float]:
    """Train one cell, or take it as it is, and return its test figures and validation nll."""
    request = compose_request(overrides(objective, seed, outputs), "train")
    record = partimento.train(overrides(objective, seed, outputs))
    _, rows = evaluate_run(request.folder.path, cache=request.resolved["paths"]["cache"])
    return {**rows["minibach"], "valid_nll": record["objective"]["value"]}


def interval(values: list[float]) -> dict[str, float]:
    """Return mean and half-width of the 95 % interval of the mean."""
    half = T_975 * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": round(statistics.mean(values), 5), "half_width": round(half, 5)}


def verdicts(model: dict[str, Any], baselines: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Say for each baseline and judged figure whether the model beats it by the rule."""
    found: dict[str, Any] = {}
    for name, row in baselines.items():
        found[name] = {}
        for figure, sign in JUDGED.items():
            worst = sign * model[figure]["mean"] - model[figure]["half_width"]
            found[name][figure] = bool(worst > sign * row[figure])
    return found


def summary(cells: list[dict[str, float]]) -> dict[str, Any]:
    """Return the interval of every figure over the seeds."""
    return {name: interval([cell[name] for cell in cells]) for name in (*COLUMNS, "valid_nll")}


def rerun(outputs: str, fraction: float) -> dict[str, Any]:
    """Train a random part of the cells anew and return the largest difference of any figure."""
    every = [(objective, seed) for objective in OBJECTIVES for seed in SEEDS]
    chosen = random.Random(0).sample(every, max(1, round(fraction * len(every))))
    largest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for objective, seed in chosen:
            old, new = cell(objective, seed, outputs), cell(objective, seed, folder)
            largest = max(largest, *(abs(old[name] - new[name]) for name in old))
    return {"cells": [f"{o} seed {s}" for o, s in chosen], "largest_difference": largest}


def main() -> None:
    """Run what is left of the study and write benchmarks/results/minibach.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/study-minibach")
    parser.add_argument("--rerun", type=float, default=0.1, metavar="FRACTION")
    arguments = parser.parse_args()
    cells = {
        objective: [cell(objective, seed, arguments.outputs) for seed in SEEDS]
        for objective in OBJECTIVES
    }
    models = {objective: summary(found) for objective, found in cells.items()}
    request = compose_request(overrides("softmax", 0, arguments.outputs), "train")
    cache = request.resolved["paths"]["cache"]
    _, rows = evaluate_run(request.folder.path, baselines=list(BASELINES), cache=cache)
    baselines = {name: rows[name] for name in BASELINES}
    write(
        "minibach",
        {
            "models": models,
            "baselines": {
                name: {figure: round(row[figure], 5) for figure in COLUMNS}
                for name, row in baselines.items()
            },
            "softmax_beats": verdicts(models["softmax"], baselines),
            "sigmoid_beats": verdicts(models["sigmoid"], baselines),
            "rerun": rerun(arguments.outputs, arguments.rerun),
            "run_folder": str(Path(request.folder.path).name),
        },
    )


if __name__ == "__main__":
    main()
