"""Collapse as the course argues it: G against a frozen D, arrows, and the ratio of updates.

Three parts, each on the shipped experiments `ring`, `grid`, `modes` (synthetic chorales with
24 modes), with the overrides written below and nothing tuned on what is reported.

The rule, set before the run:

(a) frozen. One discriminator update per iteration until iteration 500, none until 1300, then five
    until 1500 (three of chorales, until 1400). "Taught" is the same on the ring with five updates
    before the freeze instead of one. Seeds 10, 11, 12, of chorales, grid and taught 10, 11. Shown
    in a seed: at 1300 z explains at most a twentieth of the data's variance (a point collapse), and
    the mean score of samples has come at least nine tenths of the way from that at 500 to the score
    of x* = argmax D. x* is sought in the square of 20 times the data's reach; on chorales by hill
    climbing over cells. Back: at the end z explains ten times what it did at 1300.
(b) arrows. The ring after 600 iterations of `ring`, and after 600 updates of `ring_imle`. Seeds 10,
    11, 12; 200 samples. Shown: of the samples with a score below 0, minus the gradient of G's loss
    has a median cosine of at least 0.9 with the direction to the nearest point of D's boundary;
    IMLE's arrows aim at all 8 modes in each seed, and the GAN's at fewer on the mean.
(c) ratio. Updates of D : G of 1:5, 1:2, 1:1, 2:1, 5:1 on the ring; 2,000 updates of both players
    together, rates of 5e-4 for both, seeds 10, 11, 12, 2,500 samples. Modes five times as wide as
    the literature's (sigma 0.05), so that so few updates hit them. Fidelity: share of high quality.
    Diversity: exp of the entropy of the samples' nearest modes / modes.
    The plane's two ends as the slide has them: G ahead (1:5) is more faithful and less diverse
    than D ahead (5:1). Each half is said to appear when it holds in every seed, to be reversed when
    its opposite does, and otherwise to be undecided. The same is read after 300 updates of G.

The schedule was chosen on seeds 0, 1 and 7, which are not reported. After cells of
(a) had been seen, in which D's maximum lay beyond the square, the top of the hill that the samples
stand on was added to what is reported; the rule was left as it is.

Run it again after an interruption: finished cells are kept under outputs/studies/collapse.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from collapse_bench import Bench
from collapse_pages import document, draw
from measure import write

from partimento.atomic import write_atomically
from partimento.runs.arithmetic import cpu_arithmetic
from partimento.studies.collapse import (
    aimed_modes,
    boundary,
    climb,
    climbed,
    codes_of,
    cosines,
    game_arrows,
    highest_point,
    lattice,
    matched_arrows,
    nearest_rows,
    scores_of,
)

WORK = Path(__file__).parents[1] / "outputs" / "studies" / "collapse"
SEEDS = (10, 11, 12)
FREEZE, THAW = 500, 1300
BUDGET, EQUAL_G = 2000, 300
RATIOS = {"ring": ("1:5", "1:2", "1:1", "2:1", "5:1")}
SIGMA = {"ring": 0.05}
REACH = {"ring": 1.0, "grid": 4.0}
FROZEN = {  # D's updates before and after the window, the last iteration, the seeds
    "ring": (1, 5, 1500, SEEDS),
    "taught": (5, 5, 1500, SEEDS[:2]),
    "grid": (1, 5, 1500, SEEDS[:2]),
    "modes": (1, 3, 1400, SEEDS[:2]),
}


# -- (a) the frozen discriminator -----------------------------------------------------------------


def frozen(case: str, seed: int) -> dict[str, Any]:
    """Train, freeze D, thaw it; return a curve, x* and what pictures are made of."""
    before, after, end, _ = FROZEN[case]
    steps = f"model.discriminator_steps={{0: {before}, {FREEZE}: 0, {THAW}: {after}}}"
    experiment = "ring" if case == "taught" else case
    bench = Bench(f"experiment={experiment}", steps, seed=seed)
    count = 2500 if bench.points else 400
    rows: list[dict[str, Any]] = []
    cell: dict[str, Any] = {"curve": rows, "picture": {}}

    def look(mark: int) -> None:
        x = bench.sample(count)
        with torch.no_grad():
            score = bench.model.judge(bench.model.distribution.features(x), {}).scores
        unique = len(x.flatten(1).unique(dim=0))
        rows.append(
            {"iteration": mark, "score": float(score.mean()), "unique": unique, **bench.judged(x)}
        )
        if mark == FREEZE:
            cell["highest"] = _highest(bench, experiment)
        if mark == THAW and bench.points:
            cell["hill"] = _hill(bench, x, experiment)
        elif mark == THAW:  # the climb begins at samples too: D is the same
            best = climbed(bench.model, x[:8])[1].max()
            cell["highest"]["score"] = max(cell["highest"]["score"], float(best))
        if mark in (FREEZE, THAW, end):
            cell["picture"][str(mark)] = _snapshot(bench, x, experiment)

    marks = sorted({*range(0, FREEZE, 100), *range(FREEZE, end + 1, 100), FREEZE + 25, FREEZE + 50})
    bench.train(marks, look, "iterations")
    return cell


def _highest(bench: Bench, experiment: str) -> dict[str, Any]:
    """Return x* of the discriminator as it stands, and its score."""
    if not bench.points:
        starts = torch.cat([bench.valid.x[:8], bench.sample(8)])
        return {"score": float(climbed(bench.model, starts)[1].max())}
    point, inside = highest_point(partial(scores_of, bench.model), 20 * REACH[experiment])
    score = float(scores_of(bench.model, point[None])[0])
    return {"point": point.tolist(), "inside": inside, "score": score}


def _hill(bench: Bench, x: torch.Tensor, experiment: str) -> dict[str, Any]:
    """Return the top of the hill that most samples stand on, and how far they are from it."""
    points, reach = x.flatten(1).numpy(), REACH[experiment]
    score = partial(scores_of, bench.model)
    top, inside = climb(score, np.median(points, axis=0), 20 * reach, width=0.1 * reach)
    away = np.linalg.norm(points - top, axis=1)
    return {
        "point": top.tolist(),
        "inside": inside,
        "score": float(score(top[None])[0]),
        "median_distance_of_samples": float(np.median(away)),
    }


def _snapshot(bench: Bench, x: torch.Tensor, experiment: str) -> dict[str, Any]:
    """Return samples, and the surface around them and the modes, as plain numbers."""
    if not bench.points:
        return {"music": x[:4].tolist()}
    points, reach = x[:500].flatten(1).numpy(), REACH[experiment]
    half = float(np.clip(1.2 * np.quantile(np.abs(points), 0.98), 1.6 * reach, 40 * reach))
    surface = scores_of(bench.model, lattice(half, 61)).reshape(61, 61)
    return {
        "half": half,
        "samples": points.round(4).tolist(),
        "surface": surface.round(4).tolist(),
    }


# -- (b) arrows -----------------------------------------------------------------------------------


def arrows(seed: int) -> dict[str, Any]:
    """Return where real gradients move samples of a GAN and of IMLE, and how one may sum it up."""
    game, implicit = (Bench(f"experiment={e}", seed=seed) for e in ("ring", "ring_imle"))
    game.train([600], lambda _: None, "iterations")
    early: list[Any] = []

    def look(_: int) -> None:
        real = implicit.examples[slice(0, 200)]
        early.append(matched_arrows(implicit.model, real, torch.Generator().manual_seed(1)))

    implicit.train([10, 600], look, "updates")
    half, centres = 1.8, game.oracle.centres
    score = partial(scores_of, game.model)
    free = game_arrows(game.model, codes_of(game.model, 200, 1))
    value = score(free.points)
    edge = boundary(score, half)
    inside = (value < 0) & (np.abs(free.points) < half).all(axis=1)
    aims = nearest_rows(free.points[inside], edge) - free.points[inside]
    real = implicit.examples[slice(0, 200)]
    begun, bound = early
    wanted = real.x.flatten(1).numpy() - bound.points
    cosine = cosines(free.steps[inside], aims)
    return {
        "gan": {
            "below_boundary": int(inside.sum()),
            "median_cosine_to_boundary": float(np.median(cosine)) if inside.any() else None,
            "modes_aimed_at": aimed_modes(free, centres),
            **game.judged(game.sample(2500)),
        },
        "imle": {
            "median_cosine_to_real_point": float(np.median(cosines(bound.steps, wanted))),
            "modes_aimed_at": aimed_modes(bound, centres),
            "modes_aimed_at_10": aimed_modes(begun, centres),
            **implicit.judged(implicit.sample(2500)),
        },
        "picture": {
            "half": half,
            "surface": score(lattice(half, 81)).reshape(81, 81).round(4).tolist(),
            "gan": [free.points.round(4).tolist(), free.steps.round(6).tolist()],
            "imle": [begun.points.round(4).tolist(), begun.steps.round(6).tolist()],
            "real": real.x.flatten(1).numpy().round(4).tolist(),
        },
    }


# -- (c) the ratio of updates ---------------------------------------------------------------------


def ratio(dataset: str, name: str, seed: int) -> dict[str, Any]:
    """Return fidelity and diversity at equal work, and after equal updates of the generator."""
    d, g = map(int, name.split(":"))
    bench = Bench(
        f"experiment={dataset}",
        f"dataset.sigma={SIGMA[dataset]}",
        f"model.discriminator_steps={d}",
        f"model.generator_steps={g}",
        "model.generator_optimizer.lr=5e-4",
        "model.discriminator_optimizer.lr=5e-4",
        seed=seed,
    )
    marks = {"equal_generator": EQUAL_G // g, "equal_work": BUDGET // (d + g)}
    found: dict[int, dict[str, float]] = {}

    def look(mark: int) -> None:
        counters = bench.model.counters
        updates = {n: float(counters[n]) for n in ("updates", "discriminator_updates")}
        found[mark] = {**updates, **bench.judged(bench.sample(2500))}

    bench.train(sorted(set(marks.values())), look, "iterations")
    return {name: found[mark] for name, mark in marks.items()}


# -- the run --------------------------------------------------------------------------------------


def cells() -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what is to be computed, by name."""
    todo: dict[str, Callable[[], dict[str, Any]]] = {}
    for seed in SEEDS:
        for dataset, names in RATIOS.items():
            for name in names:
                key = f"ratio-{dataset}-{name.replace(':', 'to')}-{seed}"
                todo[key] = partial(ratio, dataset, name, seed)
        todo[f"arrows-{seed}"] = partial(arrows, seed)
    for seed in SEEDS:  # so that a run that is broken off has something of each case
        for case, (*_, seeds) in FROZEN.items():
            if seed in seeds:
                todo[f"frozen-{case}-{seed}"] = partial(frozen, case, seed)
    return todo


def computed(chosen: str = "") -> dict[str, Any]:
    """Compute the cells that are not there yet; return all of them."""
    todo = {name: cell for name, cell in cells().items() if name.startswith(chosen)}
    missing = [name for name in todo if not (WORK / f"{name}.json").exists()]
    start = time.monotonic()
    for index, name in enumerate(missing):
        begin = time.monotonic()
        with cpu_arithmetic(1):
            result = {**todo[name](), "seconds": 0.0}
        result["seconds"] = round(time.monotonic() - begin, 1)
        write_atomically(WORK / f"{name}.json", json.dumps(result))
        left = (time.monotonic() - start) / (index + 1) * (len(missing) - index - 1)
        print(f"{name}: {result['seconds']} s, about {left:.0f} s to go", flush=True)
    return {name: cell for name, cell in there().items() if name in todo}


def there() -> dict[str, Any]:
    """Return the cells that are computed already, in their order."""
    paths = {name: WORK / f"{name}.json" for name in cells()}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def main() -> int:
    """Compute, draw, write benchmarks/results/collapse.json and the tables of docs/collapse.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="compute the cells that begin so, and no more")
    parser.add_argument("--document", action="store_true", help="only write the tables again")
    parser.add_argument("--now", action="store_true", help="compute nothing, write what is there")
    arguments = parser.parse_args()
    if arguments.document:
        document()
        return 0
    found = there() if arguments.now else computed(arguments.only)
    if not arguments.only:
        draw(found, (FREEZE, THAW))
        figures = {
            name: {key: value for key, value in cell.items() if key != "picture"}
            for name, cell in sorted(found.items())
        }
        write("collapse", figures)
        document()
    return 0


if __name__ == "__main__":
    sys.exit(main())
