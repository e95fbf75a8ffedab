"""Ten methods against mode collapse, on eight modes of a ring and on 25 of a grid; resumable.

What it is to show, fixed in `stabilisation_rule.py` before it was run:

- Each method makes the same number of generator updates, with the same networks, batch size, size
  of codes, average of generator weights and fall of learning rates; its learning rates and its own
  settings were tuned on other seeds (1000 and above).
- All seeds of a method are trained as one stack; each is what a run of `Adversarial` or
  `ImplicitMaximumLikelihood` with its seed is (`tests/studies/test_stacked.py`).
- Places of the trajectory are judged by the oracle on 2,500 samples of the averaged generator, for
  each seed from codes of its own: modes with a sample of high quality (within 3 sigma), the share
  of these (98.89 % of the law's own draws), and the divergence of their modes from even ones (the
  mean of even draws: (K - 1) / 2N).
- Two comparisons are read off the same trajectories: at equal generator updates (the figures), and
  at equal gradient evaluations, those of the whole run of the plain game.
- A method is stable on the ring when at least 18 of 20 seeds reach all modes and the median share
  of high quality is at least 0.80; on the grid when at least 9 of 10 reach all modes. The aim:
  three stable methods on the ring, one on the grid.

The same command again goes on where it was. `--check` trains a random 5 % of the cells (one cell:
all seeds of a method on a dataset) anew and compares with the committed figures; `--document`
writes docs/stabilisation.md.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from measure import RESULTS, machine
from stabilisation_rule import (
    BATCH,
    DATASETS,
    EMA,
    HIDDEN,
    HOLD,
    LATENT,
    MARKS,
    RECIPES,
    SAMPLES,
    SEEDS,
    UPDATES,
    WANTED,
    WANTED_METHODS,
    WANTED_QUALITY,
    Recipe,
    evaluations,
    model_of,
    passes,
    rate_factor,
    updates_within,
)

from partimento.atomic import write_atomically
from partimento.datasets.mixtures import Mixture
from partimento.metrics.oracles import judge, reverse_kl_floor
from partimento.models.adversarial import Adversarial
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.seeds import generator
from partimento.studies.stacked import StackedAdversarial, scale_rates
from partimento.studies.stacked_matching import StackedImplicit

JUDGED = ("modes", "high_quality", "reverse_kl")
Stack = StackedAdversarial | StackedImplicit


def stack_of(dataset: str, recipe: Recipe, seeds: Sequence[int], examples: torch.Tensor) -> Stack:
    """Return the untrained stack of a method's seeds."""
    models = [model_of(dataset, recipe, seed) for seed in seeds]
    if recipe.objective == "imle":
        own = cast("list[ImplicitMaximumLikelihood]", models)
        return StackedImplicit(own, examples, BATCH, EMA)
    games = cast("list[Adversarial]", models)
    return StackedAdversarial(games, examples, BATCH)


def judged(data: Mixture, stack: Stack, codes: torch.Tensor, *, averaged: bool) -> dict[str, Any]:
    """Return what the oracle says of each seed's samples, lists of one entry per seed."""
    points = stack.model.distribution.from_features(stack.points(codes, averaged=averaged))
    rows = [judge(data.oracle, own.numpy()) for own in points]
    return {name: [_plain(row[name]) for row in rows] for name in JUDGED}


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def train(
    dataset: str,
    recipe: Recipe,
    seeds: Sequence[int],
    updates: int,
    marks: Sequence[int],
    tell: Callable[[int, dict[str, Any]], None],
) -> dict[str, Any]:
    """Train a method's seeds and return its trajectory: lists by place, then by seed."""
    data = DATASETS[dataset]()
    stack = stack_of(dataset, recipe, seeds, torch.from_numpy(data.examples("train").x))
    codes = torch.stack(
        [torch.randn(SAMPLES, LATENT, generator=generator(seed, "diagnostics")) for seed in seeds]
    )
    found: dict[str, Any] = {"updates": list(marks), **{name: [] for name in JUDGED}}
    for mark in marks:
        while stack.updates < mark:
            scale_rates(stack.optimizers, rate_factor(stack.updates, updates))
            stack.iterate()
        row = judged(data, stack, codes, averaged=True)
        for name in JUDGED:
            found[name].append(row[name])
        tell(mark, row)
    found["raw"] = judged(data, stack, codes, averaged=False)
    return found


def cell(dataset: str, method: str, seeds: Sequence[int], progress: Progress) -> dict[str, Any]:
    """Train one method on one dataset."""
    updates = UPDATES[dataset]
    marks = {round(updates * (index + 1) / MARKS) for index in range(MARKS)}
    marks.add(updates_within(dataset, method))
    recipe = RECIPES[dataset][method]
    began = time.process_time()
    found = train(
        dataset, recipe, seeds, updates, sorted(marks),
        lambda mark, row: progress.tell(dataset, method, mark, row),
    )  # fmt: skip
    return {**found, "cpu_seconds": round(time.process_time() - began, 1)}


class Progress:
    """Says what is done and when the rest will be, by the passes that are left.

    Args:
        left: Cells that are still to be trained.
    """

    def __init__(self, left: Sequence[tuple[str, str]]) -> None:
        self.total = sum(map(self._cost, left))
        self.done = 0.0
        self.began = time.monotonic()

    @staticmethod
    def _cost(key: tuple[str, str]) -> float:
        dataset, method = key
        return passes(RECIPES[dataset][method]) * UPDATES[dataset] * len(SEEDS[dataset])

    def tell(self, dataset: str, method: str, mark: int, row: dict[str, Any]) -> None:
        """Print a line about a place of a trajectory."""
        share = self._cost((dataset, method)) * mark / UPDATES[dataset]
        spent = time.monotonic() - self.began
        left = spent * (self.total / (self.done + share) - 1)
        medians = (statistics.median(row["modes"]), statistics.median(row["high_quality"]))
        print(
            f"{dataset} {method} update {mark}: median modes {medians[0]:g}, high quality "
            f"{medians[1]:.3f}; {spent / 60:.1f} min, {left / 60:.0f} min left",
            flush=True,
        )
        if mark == UPDATES[dataset]:
            self.done += share


def key_of(dataset: str, method: str) -> dict[str, Any]:
    """Return everything that a cell's result depends on."""
    return {
        "recipe": asdict(RECIPES[dataset][method]), "updates": UPDATES[dataset], "hold": HOLD,
        "seeds": list(SEEDS[dataset]), "evaluations": evaluations(dataset), "marks": MARKS,
        "hidden": HIDDEN[dataset], "latent": LATENT, "batch": BATCH, "ema": EMA, "samples": SAMPLES,
    }  # fmt: skip


def stored(path: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """Return a cell's result, if it is there and of the same rule."""
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    return content["found"] if content["key"] == json.loads(json.dumps(key)) else None


def run(folder: Path) -> None:
    """Train what is left, and write the results after every cell."""
    cells = [(dataset, method) for dataset in DATASETS for method in RECIPES[dataset]]

    def place(dataset: str, method: str) -> Path:
        return folder / f"{dataset}-{method}.json"

    left = [c for c in cells if stored(place(*c), key_of(*c)) is None]
    left.sort(key=lambda c: passes(RECIPES[c[0]][c[1]]))  # the cheap ones tell something soon
    progress = Progress(left)
    for dataset, method in left:
        found = cell(dataset, method, SEEDS[dataset], progress)
        content = {"key": key_of(dataset, method), "found": found}
        write_atomically(place(dataset, method), json.dumps(content))
        merge(folder, cells)
    merge(folder, cells)


def merge(folder: Path, cells: Sequence[tuple[str, str]]) -> None:
    """Write benchmarks/results/stabilisation.json from the cells that there are."""
    figures: dict[str, Any] = {}
    for dataset, method in cells:
        found = stored(folder / f"{dataset}-{method}.json", key_of(dataset, method))
        if found is not None:
            figures.setdefault(dataset, {})[method] = figures_of(dataset, method, found)
    figures["rule"] = {
        dataset: {
            "updates": UPDATES[dataset],
            "evaluations": evaluations(dataset),
            "seeds": list(SEEDS[dataset]),
            "ceiling": round(data.oracle.ceiling, 4),
            "reverse_kl_floor": round(reverse_kl_floor(data.oracle.modes, SAMPLES), 5),
            "stable": [m for m, row in figures.get(dataset, {}).items() if row["stable"]],
            "wanted": WANTED_METHODS[dataset],
        }
        for dataset, data in ((name, make()) for name, make in DATASETS.items())
    }
    write_results(figures)


def write_results(figures: dict[str, Any]) -> None:
    """Write benchmarks/results/stabilisation.json, lists on one line each."""
    here = Path(__file__).parent
    head = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    result = {
        "name": "stabilisation",
        "date": time.strftime("%Y-%m-%d"),
        "commit": head.stdout.strip() or None,
        "machine": machine(),
        "figures": figures,
    }
    text = json.dumps(result, indent=1)
    flat = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)
    write_atomically(RESULTS / "stabilisation.json", flat + "\n")


def figures_of(dataset: str, method: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return a cell's figures: at equal updates, at equal evaluations, and on the way."""
    at = found["updates"].index(updates_within(dataset, method))
    final = {name: found[name][-1] for name in JUDGED}
    modes = DATASETS[dataset]().oracle.modes
    return {
        **final,
        "stable": sum(m == modes for m in final["modes"]) >= WANTED[dataset]
        and statistics.median(final["high_quality"]) >= WANTED_QUALITY[dataset],
        "equal_evaluations": {name: found[name][at] for name in JUDGED},
        "raw": found["raw"],
        "passes_per_update": passes(RECIPES[dataset][method]),
        "updates_within_evaluations": updates_within(dataset, method),
        "recipe": asdict(RECIPES[dataset][method]),
        "cpu_seconds": found["cpu_seconds"],
        "trajectory": {"updates": found["updates"], **{name: found[name] for name in JUDGED}},
    }


def check(fraction: float, seed: int) -> None:
    """Train a random part of the cells anew and say whether the committed figures are the same."""
    cells = [(dataset, method) for dataset in DATASETS for method in RECIPES[dataset]]
    chosen = random.Random(seed).sample(cells, math.ceil(fraction * len(cells)))
    committed = json.loads((RESULTS / "stabilisation.json").read_text())["figures"]
    progress = Progress(chosen)
    for dataset, method in chosen:
        found = cell(dataset, method, SEEDS[dataset], progress)
        new = json.loads(json.dumps(figures_of(dataset, method, found)))
        old = committed[dataset][method]
        same = all(old[name] == new[name] for name in old if name != "cpu_seconds")
        print(f"{dataset} {method}: {'the same' if same else 'NOT the same'}")


def main() -> None:
    """Run what is left of the study, check it, or write its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outputs", default="outputs/studies/stabilisation", type=Path)
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--check", nargs="?", const=0.05, type=float, metavar="FRACTION")
    parser.add_argument("--check-seed", default=0, type=int, help="of the choice of cells")
    parser.add_argument("--document", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.document:
        from stabilisation_table import document

        page = Path(__file__).parent.parent / "docs" / "stabilisation.md"
        page.write_text(document(json.loads((RESULTS / "stabilisation.json").read_text())))
    elif arguments.check is not None:
        check(arguments.check, arguments.check_seed)
    else:
        run(arguments.outputs)


if __name__ == "__main__":
    main()
