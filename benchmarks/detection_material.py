"""Trains the runs of the study of detection and keeps, every 50 updates, what the judges need of each."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from detection_runs import (
    BATCH,
    COUNT,
    EMA,
    EPOCH,
    EVERY,
    ORACLE,
    RECIPES,
    SIGMA,
    UPDATES,
    Recipe,
    World,
    model_of,
    rate_factor,
    runs,
)
from detection_worlds import modes, ring, truth_of
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from partimento.data.loader import Beats, EvalLoader, TrainLoader
from partimento.distributions import Distribution, Normal
from partimento.models.adversarial import Adversarial
from partimento.models.base import Model
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.latent import draw_latent
from partimento.models.techniques import packed
from partimento.runs.quiet import quiet_lightning
from partimento.seeds import generator
from partimento.studies.stacked import StackedAdversarial, scale_rates
from partimento.studies.stacked_matching import StackedImplicit

Row = dict[str, Any]
NEAR = 0.05
"""Standard deviation of the steps in the space of codes by which sensitivity is measured."""


# -- what is kept of an evaluation --------------------------------------------------------------


def row_of(world: World, x: np.ndarray, more: np.ndarray, values: dict[str, float]) -> Row:
    """Return what is kept: the alarm's samples, the truth from other ones, values of the networks."""
    truth = truth_of(world, more)
    kind = np.float32 if world == "ring" else np.int8
    named = {"spread": truth.spread, "quality": truth.quality, **values}
    return {
        "x": x.astype(kind),
        "counts": truth.counts.astype(np.int32),
        **{name: np.float32(value) for name, value in named.items()},
    }


def seen_by_discriminator(model: Model, real: Tensor, fake: Tensor) -> dict[str, float]:
    """Return accuracies and losses of the players on real and generated examples, or NaN.

    A score above the middle of the two targets is a vote for a real example.
    """
    names = ("accuracy_real", "accuracy_fake", "discriminator_loss", "generator_loss")
    if not isinstance(model, Adversarial):
        return dict.fromkeys(names, math.nan)
    training = model.discriminator.training
    model.discriminator.eval()
    with torch.no_grad():
        features = (model.distribution.features(x) for x in (real, fake))
        scores = [model.judge(packed(x, model.pack), {}).scores for x in features]
        paired = [scores[0]] if model.objective.paired else []
        losses = (
            model.objective.discriminator_loss(*scores),
            model.objective.generator_loss(scores[1], *paired),
        )
    model.discriminator.train(training)
    middle = 0.5 if type(model.objective).__name__ == "LeastSquares" else 0.0
    found = (scores[0] > middle).float().mean(), (scores[1] <= middle).float().mean(), *losses
    return {name: float(value) for name, value in zip(names, found, strict=True)}


def sensitivity(make: Callable[[Tensor], Tensor], codes: Tensor, stream: torch.Generator) -> float:
    """Return how far examples move, on average, for a small step of their code, per length of it."""
    step = NEAR * torch.randn(codes.shape, generator=stream)
    with torch.no_grad():
        moved = (make(codes + step) - make(codes)).flatten(1).norm(dim=1)
    return float((moved / step.norm(dim=1)).mean())


# -- the ring: all seeds of a recipe as one stack ------------------------------------------------


def train_ring(recipe: Recipe, seeds: Sequence[int]) -> dict[int, list[Row]]:
    """Train a recipe's seeds on the ring; return the rows of each."""
    distribution = _points(recipe.scale)
    models = [model_of("ring", distribution, recipe, seed) for seed in seeds]
    examples = torch.from_numpy(ring().examples("train").x)
    stack: StackedAdversarial | StackedImplicit
    if recipe.objective == "imle":
        own = cast("list[ImplicitMaximumLikelihood]", models)
        stack = StackedImplicit(own, examples, BATCH["ring"], EMA)
    else:
        stack = StackedAdversarial(cast("list[Adversarial]", models), examples, BATCH["ring"])
    rows: dict[int, list[Row]] = {seed: [] for seed in seeds}
    while stack.updates < UPDATES["ring"]:
        scale_rates(stack.optimizers, rate_factor(stack.updates, UPDATES["ring"]))
        stack.iterate()
        if stack.updates % EVERY == 0:
            for seed, row in zip(seeds, _rows_of_stack(stack, seeds), strict=True):
                rows[seed].append(row)
    return rows


def _points(scale: float) -> Distribution:
    return Normal((1, 2), scale=scale)


def _rows_of_stack(
    stack: StackedAdversarial | StackedImplicit, seeds: Sequence[int]
) -> Iterator[Row]:
    stack.write()
    model = stack.model
    streams = [generator(seed, "diagnostics", stack.updates) for seed in seeds]
    count = COUNT + ORACLE["ring"]
    codes = torch.stack([draw_latent(count, model.latent, "normal", s) for s in streams])
    made = model.distribution.from_features(stack.points(codes, averaged=True))
    examples = torch.from_numpy(ring().examples("valid").x[:COUNT])
    for index, (own, stream) in enumerate(zip(stack.models, streams, strict=True)):
        _settle(own, examples)
        x = made[index].unsqueeze(1)
        values = seen_by_discriminator(own, examples, x[:COUNT])

        def make(z: Tensor, own: Model = own) -> Tensor:
            return cast("Tensor", own.get_submodule("generator")(z, {}))

        values["sensitivity"] = sensitivity(make, codes[index, :COUNT], stream)
        yield row_of("ring", x[:COUNT].numpy(), x[COUNT:].numpy(), values)


def _settle(model: Model, examples: Tensor) -> None:
    """Let the spectral norms of a copied discriminator find their vectors: it has had no uses."""
    if isinstance(model, Adversarial):
        features = packed(model.distribution.features(examples), model.pack)
        with torch.no_grad():
            for _ in range(5):
                model.discriminator(features)


# -- the chorales: one run after the other, by Lightning -----------------------------------------


class Keeping(Callback):
    """Lets rates fall, and keeps a row every `EVERY` updates.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rows: list[Row] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *_: object) -> None:
        factor = rate_factor(pl_module.counters["updates"], UPDATES["modes"])
        scale_rates(trainer.optimizers, factor)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: object) -> None:
        done = pl_module.counters["updates"]
        if done % EVERY == 0 and done // EVERY > len(self.rows):
            self.rows.append(_row_of_run(pl_module, self.seed))
        trainer.should_stop = done >= UPDATES["modes"]


def _row_of_run(model: Any, seed: int) -> Row:
    stream = generator(seed, "diagnostics", model.counters["updates"])
    x = model.sample(COUNT + ORACLE["modes"], generator=stream)
    values = seen_by_discriminator(model, modes().examples("valid").x[:COUNT], x[:COUNT])
    network: nn.Module = model.generator

    def make(z: Tensor) -> Tensor:
        return cast(
            "Tensor", model.distribution.relax(network(z, {}), 1.0, hard=False, noise=False)
        )

    codes = draw_latent(COUNT, model.latent, "normal", stream)
    values["sensitivity"] = sensitivity(make, codes, stream)
    return row_of("modes", x[:COUNT].numpy(), x[COUNT:].numpy(), values)


def train_modes(recipe: Recipe, seed: int) -> list[Row]:
    """Train one run on the chorales; return its rows."""
    examples = modes().examples("train")
    model = model_of("modes", modes().representation.distribution, recipe, seed)
    model.max_updates, model.round, model.log_every = UPDATES["modes"], 5, UPDATES["modes"] + 1
    keeping = Keeping(seed)
    trainer = Trainer(
        accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, num_sanity_val_steps=0, enable_model_summary=False,
        limit_val_batches=0, callbacks=[keeping],
    )  # fmt: skip
    loader = Beats(TrainLoader(examples, batch_size=BATCH["modes"], seed=seed, limit=EPOCH))
    with quiet_lightning():
        trainer.fit(model, loader, EvalLoader(examples[:8], batch_size=8))
    return keeping.rows


# -- all runs -----------------------------------------------------------------------------------


def key_of(world: World, name: str, seed: int) -> str:
    """Return a hash of all that a run comes from."""
    settings = {
        "recipe": asdict(RECIPES[world][name]), "seed": seed, "updates": UPDATES[world],
        "every": EVERY, "count": COUNT, "oracle": ORACLE[world], "sigma": SIGMA, "ema": EMA,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def path_of(folder: Path, world: World, name: str, seed: int) -> Path:
    """Return where a run's rows are kept."""
    return folder / f"{world}-{name}-{seed}-{key_of(world, name, seed)}.npz"


def keep(path: Path, rows: Sequence[Row]) -> None:
    """Write a run's rows, whole or not at all."""
    joined: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **joined)
    part.replace(path)


def groups() -> list[tuple[World, str, tuple[int, ...]]]:
    """Return what is trained at once: all seeds of a recipe on the ring, single runs else."""
    found: dict[tuple[World, str, int], list[int]] = {}
    for world, name, seed in runs():
        found.setdefault((world, name, -1 if world == "ring" else seed), []).append(seed)
    made = [(world, name, tuple(seeds)) for (world, name, _), seeds in found.items()]
    return sorted(made, key=lambda group: (group[0] != "ring", group[2]))  # first seeds first


def train_group(world: World, name: str, seeds: Sequence[int]) -> dict[int, list[Row]]:
    """Train runs that are trained at once."""
    recipe = RECIPES[world][name]
    if world == "ring":
        return train_ring(recipe, seeds)
    return {seed: train_modes(recipe, seed) for seed in seeds}


def make_material(folder: Path, tell: Callable[[str], None] = print) -> None:
    """Train what is left, and keep each run as it is finished."""
    left = [
        group
        for group in groups()
        if not all(path_of(folder, *group[:2], seed).exists() for seed in group[2])
    ]
    cost = [UPDATES[world] * _cost(world, name, seeds) for world, name, seeds in left]
    began, done = time.monotonic(), 0.0
    for (world, name, seeds), share in zip(left, cost, strict=True):
        for seed, rows in train_group(world, name, seeds).items():
            keep(path_of(folder, world, name, seed), rows)
        done += share
        passed = time.monotonic() - began
        rest = passed / done * (sum(cost) - done)
        tell(f"{world} {name} {seeds}: {passed:.0f} s, about {rest:.0f} s to go")


def _cost(world: World, name: str, seeds: Sequence[int]) -> float:
    """Return about how long an update of a group takes, in some unit."""
    recipe = RECIPES[world][name]
    unit = 8.0 if world == "modes" else 0.7 * len(seeds)
    return unit * (1 + recipe.k + 3 * recipe.unrolled + (recipe.r1_r2 > 0) + recipe.pack / 2) / 2.5
