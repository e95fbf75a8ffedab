"""The closed loop of the study of detection: the alarm's action, the same at a random time, or none."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from detection_judging import monitor_of
from detection_rule import (
    ACTION,
    LOOP_ONSET,
    LOOP_RANDOM,
    LOOP_SEEDS,
    LOOP_UPDATES,
    VISITED,
    WARM_UP,
    lost,
)
from detection_runs import (
    BATCH,
    COUNT,
    EVERY,
    LOOP_RECIPES,
    ORACLE,
    model_of,
    rate_factor,
)
from detection_worlds import features, ring, truth_of

from partimento.atomic import write_atomically
from partimento.distributions import Normal
from partimento.losses.penalties import R1, R2
from partimento.models.adversarial import Adversarial
from partimento.models.latent import draw_latent
from partimento.models.schedules import in_force
from partimento.seeds import generator
from partimento.studies.detection import labels_of
from partimento.studies.stacked import StackedAdversarial, scale_rates

ARMS = ("none", "alarm", "random")
END = 3
"""Evaluations at the end, at most of which all modes must be there in balance."""


def act(stack: StackedAdversarial) -> None:
    """Do what the alarm's actions `r1_r2` and `raise_discriminator_steps` do, to a stack of one run."""
    model = stack.model
    model.penalties = {
        **model.penalties,
        "collapse_r1": R1(ACTION["gamma"]),
        "collapse_r2": R2(ACTION["gamma"]),
    }
    steps = in_force(model.discriminator_steps, stack.iterations)
    model.discriminator_steps = max(int(ACTION["steps"]), steps)


class Run:
    """One run on the ring that can be forked, with the truth of every evaluation.

    Args:
        name: Its recipe.
        seed: Its seed.
    """

    def __init__(self, name: str, seed: int) -> None:
        recipe = LOOP_RECIPES[name]
        model = cast(
            "Adversarial", model_of("ring", Normal((1, 2), scale=recipe.scale), recipe, seed)
        )
        examples = torch.from_numpy(ring().examples("train").x)
        self.seed = seed
        self.stack = StackedAdversarial([model], examples, BATCH["ring"])
        self.counts: list[np.ndarray] = []
        self.spread: list[float] = []
        self.quality: list[float] = []

    def fork(self) -> Run:
        """Return a copy that goes its own way from here; the data are shared."""
        memo: dict[int, Any] = {id(self.stack.batches.examples): self.stack.batches.examples}
        return copy.deepcopy(self, memo)

    def evaluate(self) -> np.ndarray:
        """Train up to the next evaluation; keep what is true, and return the alarm's samples."""
        stack = self.stack
        goal = stack.updates + EVERY
        while stack.updates < goal:
            scale_rates(stack.optimizers, rate_factor(stack.updates, LOOP_UPDATES))
            stack.iterate()
        stream = generator(self.seed, "diagnostics", stack.updates)
        codes = draw_latent(COUNT + ORACLE["ring"], stack.model.latent, "normal", stream)
        made = stack.points(codes.unsqueeze(0), averaged=True)
        x = stack.model.distribution.from_features(made)[0].numpy()
        truth = truth_of("ring", x[COUNT:])
        self.counts.append(truth.counts)
        self.spread.append(truth.spread)
        self.quality.append(truth.quality)
        return x[:COUNT]

    def lost(self) -> np.ndarray:
        """Return at which evaluations modes are left out or out of balance."""
        arrays = np.stack(self.counts), np.array(self.spread), np.array(self.quality)
        return lost(labels_of(*arrays, VISITED))

    def finish(self) -> dict[str, Any]:
        """Train to the end; return whether all modes were there in the end, and how it stood."""
        while self.stack.updates < LOOP_UPDATES:
            self.evaluate()
        last = self.lost()[-END:]
        modes = int((self.counts[-1] >= VISITED * ORACLE["ring"] / len(self.counts[-1])).sum())
        return {
            "recovered": bool(last.sum() * 2 < len(last)),
            "modes": modes,
            "spread": round(self.spread[-1], 3),
            "quality": round(self.quality[-1], 3),
        }


def one_seed(name: str, seed: int) -> dict[str, Any]:
    """Train the arms of one seed, which are one run until something is done.

    The run counts when it has collapsed: `LOOP_ONSET` evaluations in a row after the warm-up.
    """
    run, monitor = Run(name, seed), monitor_of("ring")
    low, high = LOOP_RANDOM
    at = {"random": EVERY * int(np.random.default_rng(seed).integers(low // EVERY, high // EVERY))}
    forks: dict[str, Run] = {}
    while run.stack.updates < LOOP_UPDATES:
        x = run.evaluate()
        seen = monitor.observe(run.stack.updates, features("ring", x))
        if "alarm" not in at and seen.changed and seen.state != "healthy":
            at["alarm"] = run.stack.updates
        for arm, update in at.items():
            if arm not in forks and update == run.stack.updates:
                forks[arm] = run.fork()
                act(forks[arm].stack)
    found: dict[str, Any] = {"none": run.finish()}
    late = run.lost()[WARM_UP // EVERY - 1 :]
    lasting = np.convolve(late, np.ones(LOOP_ONSET), "valid").max() >= LOOP_ONSET
    for arm in ("alarm", "random"):
        found[arm] = {"at": at.get(arm), **forks.get(arm, run).finish()}
    return {"collapsed": bool(lasting), **found}


def closed_loop(
    folder: Path, seeds: Sequence[int] = LOOP_SEEDS, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train what is left of the arms of all seeds; return the share recovered by recipe and arm."""
    figures: dict[str, Any] = {}
    for name in LOOP_RECIPES:
        rows = {}
        for seed in seeds:
            path = folder / f"loop-{name}-{seed}.json"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, json.dumps(one_seed(name, seed)))
                tell(f"{name} {seed}: {path.read_text()}")
            rows[str(seed)] = json.loads(path.read_text())
        fallen = [row for row in rows.values() if row["collapsed"]]
        figures[name] = {
            "seeds": len(rows),
            "collapsed": len(fallen),
            **{arm: share([row[arm]["recovered"] for row in fallen]) for arm in ARMS},
            "rows": rows,
        }
    return figures


def share(recovered: Sequence[bool]) -> dict[str, Any]:
    """Return a share of runs with its exact binomial interval (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    count, hits = len(recovered), sum(recovered)
    low = float(beta.ppf(0.025, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, count - hits)) if hits < count else 1.0
    value = hits / count if count else math.nan
    return {"share": round(value, 3), "interval": [round(low, 3), round(high, 3)], "of": count}
