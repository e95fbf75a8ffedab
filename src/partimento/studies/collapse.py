"""Collapse under the magnifying glass: a game stopped at marks, D's highest point, real arrows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from partimento.data.batch import Batch
from partimento.data.loader import Beats, TrainLoader
from partimento.models.adversarial import Adversarial
from partimento.models.implicit import ImplicitMaximumLikelihood
from partimento.models.latent import draw_latent
from partimento.runs.quiet import quiet_lightning


class Arrows(NamedTuple):
    """Points `(points, 2)` and the directions `(points, 2)` in which a loss would move them."""

    points: np.ndarray
    steps: np.ndarray


class _Marks(Callback):
    """Calls a function when training has come to each of some places."""

    def __init__(self, marks: Sequence[int], counter: str, look: Callable[[int], None]) -> None:
        self.left = sorted(marks)
        self.counter = counter
        self.look = look

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        while self.left and pl_module.counters[self.counter] >= self.left[0]:
            self.look(self.left.pop(0))
        trainer.should_stop = not self.left


def train_to(
    model: Adversarial | ImplicitMaximumLikelihood,
    examples: Batch,
    marks: Sequence[int],
    look: Callable[[int], None],
    *,
    batch_size: int,
    counter: str = "iterations",
) -> None:
    """Train by the model's own algorithm, and look at it when a counter reaches each mark.

    Weights are not changed by looking, which must draw from streams of its own. Training ends at
    the last mark; a mark at 0 is seen before the first update.

    Args:
        model: The model, with its seed set.
        examples: Training examples.
        marks: Values of the counter, ascending.
        look: Called with each mark.
        batch_size: Examples of one batch.
        counter: Which of the model's counters the marks are of.
    """
    if marks[0] == 0:
        look(0)
    model.round = 1  # otherwise up to eight iterations pass between two looks
    loader: Any = Beats(TrainLoader(examples, batch_size=batch_size, seed=model.seed))
    with quiet_lightning():
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=10**9,
            logger=False,
            callbacks=[_Marks([mark for mark in marks if mark], counter, look)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
        )
        trainer.fit(model, loader, loader)


# -- the discriminator's surface ----------------------------------------------------------------


def lattice(half: float, count: int) -> np.ndarray:
    """Return the nodes of a square around the origin, `(count * count, 2)`, row by row."""
    line = np.linspace(-half, half, count)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


@torch.no_grad()
def scores_of(model: Adversarial, points: np.ndarray) -> np.ndarray:
    """Return the discriminator's score of each point `(points, 2)`."""
    features = torch.as_tensor(points, dtype=torch.float32).unsqueeze(1)
    return model.judge(features, {}).scores.numpy()


def highest_point(
    score: Callable[[np.ndarray], np.ndarray], half: float, *, zooms: int = 12, count: int = 81
) -> tuple[np.ndarray, bool]:
    """Return x*, the point of a square at which a score is highest, and whether it lies inside.

    A lattice finds the hill and ever finer ones around its best node find the top. A score that is
    highest on the edge of the square has its maximum beyond it, or none at all.

    Args:
        score: From points `(points, 2)` to `(points,)`.
        half: Half the side of the square around the origin.
        zooms: Lattices after the first, each half as wide as the one before.
        count: Nodes of a lattice along each side.
    """
    best, width = np.zeros(2), half
    for _ in range(zooms + 1):
        nodes = np.clip(best + lattice(width, count), -half, half)
        best = nodes[score(nodes).argmax()]
        width /= 2
    return best, bool((np.abs(best) < half * (1 - 1e-3)).all())


def climb(
    score: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    half: float,
    *,
    width: float,
    rounds: int = 400,
) -> tuple[np.ndarray, bool]:
    """Return the top of the hill on which a point stands, and whether it lies inside a square.

    Each round takes the best node of a small lattice around the point; one that is best where it
    stands makes the next lattice half as wide.

    Args:
        score: From points `(points, 2)` to `(points,)`.
        start: Where to begin, `(2,)`.
        half: Half the side of the square around the origin, at whose edge the climb ends.
        width: Half the side of the first lattice; narrower valleys are not seen.
        rounds: Lattices at most.
    """
    best, least = np.clip(start, -half, half), width * 1e-4
    for _ in range(rounds):
        nodes = np.concatenate([best[None], np.clip(best + lattice(width, 9), -half, half)])
        better = nodes[score(nodes).argmax()]
        width = width / 2 if (better == best).all() else width
        best = better
        if width < least:
            break
    return best, bool((np.abs(best) < half * (1 - 1e-3)).all())


def boundary(
    score: Callable[[np.ndarray], np.ndarray], half: float, count: int = 241
) -> np.ndarray:
    """Return points on which a score is 0, `(points, 2)`: where the lines of a lattice cross it."""
    nodes = lattice(half, count)
    grid, value = nodes.reshape(count, count, 2), score(nodes).reshape(count, count)
    found = []
    for axis in (0, 1):
        first, second = np.moveaxis(value, axis, 0)[:-1], np.moveaxis(value, axis, 0)[1:]
        start, end = np.moveaxis(grid, axis, 0)[:-1], np.moveaxis(grid, axis, 0)[1:]
        crossed = (first > 0) != (second > 0)
        share = (first[crossed] / (first[crossed] - second[crossed]))[:, None]
        found.append(start[crossed] + share * (end[crossed] - start[crossed]))
    return np.concatenate(found)


# -- arrows ---------------------------------------------------------------------------------------


def game_arrows(model: Adversarial, codes: Tensor) -> Arrows:
    """Return samples of points and minus the gradient of the generator's loss by each sample."""
    with torch.no_grad():
        made = model.fake(codes, {})
    made.requires_grad_()
    loss = model.objective.generator_loss(model.judge(made, {}).scores)
    (slope,) = torch.autograd.grad(loss, made)
    return Arrows(made.detach().flatten(1).numpy(), -len(made) * slope.flatten(1).numpy())


def matched_arrows(
    model: ImplicitMaximumLikelihood, real: Batch, latents: torch.Generator
) -> Arrows:
    """Return the sample nearest to each real point and minus the gradient of IMLE's loss by it.

    The matching is the model's own, on a fresh pool; row i belongs to real point i.
    """
    (codes,) = model.match([real], latents)
    made: list[Tensor] = []

    def keep(_: Any, __: Any, output: Tensor) -> None:
        output.retain_grad()
        made.append(output)

    handle = model.generator.register_forward_hook(keep)
    try:
        model.loss(real, codes).backward()
    finally:
        handle.remove()
        model.generator.zero_grad()
    (points,) = made
    assert points.grad is not None  # retain_grad and backward see to it
    steps = -len(points) * points.grad
    return Arrows(points.detach().flatten(1).numpy(), steps.flatten(1).numpy())


def cosines(steps: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the cosine of the angle between rows; 0 where either is no direction at all."""
    norms = np.linalg.norm(steps, axis=1) * np.linalg.norm(wanted, axis=1)
    products = (steps * wanted).sum(axis=1)
    return np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)


def nearest_rows(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each point the nearest of the others, `(points, 2)`."""
    apart = np.linalg.norm(points[:, None] - others[None], axis=-1)
    return others[apart.argmin(axis=1)]


def aimed_modes(arrows: Arrows, centres: np.ndarray, sharpest: float = 0.9) -> int:
    """Return how many modes some arrow points at: the cosine to their direction is above `sharpest`.

    A mode counts for an arrow only if it is the nearest one of those in its direction.
    """
    toward = centres[None] - arrows.points[:, None]
    distance = np.linalg.norm(toward, axis=-1)
    length = np.linalg.norm(arrows.steps, axis=-1, keepdims=True)
    products = (toward * arrows.steps[:, None]).sum(-1) / np.maximum(distance * length, 1e-12)
    distance[products < sharpest] = math.inf
    aims = distance.argmin(axis=1)[np.isfinite(distance).any(axis=1)]
    return len(np.unique(aims))


# -- music ----------------------------------------------------------------------------------------


@torch.no_grad()
def climbed(model: Adversarial, x: Tensor, sweeps: int = 3) -> tuple[Tensor, Tensor]:
    """Return music that no change of one cell makes better to the discriminator, and its scores.

    From each start `(starts, steps, voices)`, cell by cell, the symbol with the highest score is
    taken, until a sweep changes nothing: hill climbing toward x* where D judges symbols.
    """
    x = x.clone()
    sizes: Sequence[int] = model.distribution.sizes  # type: ignore[attr-defined]
    for _ in range(sweeps):
        before = x.clone()
        for step in range(x.shape[1]):
            for voice, size in enumerate(sizes):
                tried = x.repeat_interleave(size, dim=0)
                tried[:, step, voice] = torch.arange(size).repeat(len(x))
                score = model.judge(model.distribution.features(tried), {}).scores
                x[:, step, voice] = score.view(len(x), size).argmax(dim=1)
        if torch.equal(before, x):
            break
    return x, model.judge(model.distribution.features(x), {}).scores


def codes_of(model: Adversarial | ImplicitMaximumLikelihood, count: int, seed: int) -> Tensor:
    """Return codes `(count, latent)` from a stream of their own."""
    stream = torch.Generator().manual_seed(seed)
    return draw_latent(count, model.latent, model.latent_kind, stream)
