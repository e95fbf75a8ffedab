"""Samples of a model in training as features, under the conditions of held-out examples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from partimento.data.batch import Batch
from partimento.errors import UserError
from partimento.generation.strategies import Strategy
from partimento.models.latent import Generative
from partimento.seeds import generator
from partimento.spaces.fixed import FeatureSpace

FIRST, OTHER = 0, 1
"""Places of the random streams of the first samples, and of those with other codes."""


class Draws:
    """Draws samples; training goes on as if it had not.

    Args:
        strategy: How samples are generated.
        space: Makes features of them.
        seed: Seed of the run; the stream is keyed by the place in training too.
    """

    def __init__(self, strategy: Strategy, space: FeatureSpace, seed: int) -> None:
        self.strategy = strategy
        self.space = space
        self.seed = seed
        self._conditions: dict[int, Batch] = {}

    def __call__(self, trainer: Any, model: Any, count: int) -> tuple[Tensor, Tensor | None]:
        """Return features of `count` samples, and of others for the same conditions.

        The others have other codes; None where there is no condition, or no code, and they would
        only be more samples.
        """
        batch = self._batch(trainer, model, count)
        fake = self._features(model, batch, FIRST)
        conditional = isinstance(model, Generative) and bool(batch.condition)
        return fake, self._features(model, batch, OTHER) if conditional else None

    def _features(self, model: Any, batch: Batch, place: int) -> Tensor:
        training = model.training
        x = self.strategy.generate(
            model,
            n=len(batch),
            given=model.given_of(batch),
            condition=batch.condition,
            lengths=batch.lengths,
            generator=generator(
                self.seed, "diagnostics", model.counters["updates"], place, device=model.device
            ),
        )
        model.train(training)
        return self.space(x, batch.lengths)

    def _batch(self, trainer: Any, model: Any, count: int) -> Batch:
        """Return as many held-out examples, again from the first where there are fewer."""
        if count not in self._conditions:
            batch = trainer.datamodule.examples("valid")
            rows = torch.arange(count) % len(batch)
            self._conditions[count] = batch[rows.to(batch.x.device)].to(model.device)
        return self._conditions[count]


def check_samples(model: Any) -> None:
    """Refuse a model that cannot be sampled.

    Raises:
        UserError: When it has no `sample`, or counts no updates.
    """
    if not callable(getattr(model, "sample", None)) or not hasattr(model, "counters"):
        raise UserError(
            f"The watch for mode collapse draws samples, but {type(model).__name__} has no "
            "sample(n): leave mode_collapse out of diagnostics, or make the model a "
            "partimento.models.base.Model."
        )
