"""How discrete music gets gradients in adversarial training, and how samples are made hard."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from partimento.component import Component
from partimento.distributions import Distribution, Normal


class Relaxation(Component):
    """Differentiable examples from a generator's parameters, by the means of the distribution.

    | hard | noise | grids and tokens                 | piano rolls                  |
    |------|-------|----------------------------------|------------------------------|
    | yes  | yes   | straight-through Gumbel-softmax  | stochastic binary neurons    |
    | yes  | no    | straight-through argmax          | deterministic binary neurons |
    | no   | yes   | Gumbel-softmax                   | binary concrete              |
    | no   | no    | softmax                          | sigmoid                      |

    Real values (`Normal`) are what the generator gives, without noise.

    Args:
        hard: Whether the discriminator sees hard values.
        noise: Whether examples are drawn, or the code alone decides on them.
        temperature: Spread at the beginning.
        final_temperature: Spread at the end of annealing; None: it stays.
        anneal: Generator updates over which the temperature falls, by a constant factor each.
    """

    def __init__(
        self,
        hard: bool = True,
        noise: bool = True,
        temperature: Annotated[float, Gt(0)] = 1.0,
        final_temperature: Annotated[float, Gt(0)] | None = None,
        anneal: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.hard = hard
        self.noise = noise
        self.temperature = temperature
        self.final_temperature = final_temperature
        self.anneal = anneal

    def temperature_at(self, update: int) -> float:
        """Return the temperature at a generator update."""
        if self.final_temperature is None:
            return self.temperature
        share = min(1.0, update / self.anneal) if self.anneal else 1.0
        return self.temperature * (self.final_temperature / self.temperature) ** share

    def __call__(self, distribution: Distribution, parameters: Tensor, update: int) -> Tensor:
        """Return features `(batch, *feature_shape)` with gradients, at a generator update."""
        if isinstance(distribution, Normal):
            return parameters
        temperature = self.temperature_at(update)
        return distribution.relax(parameters, temperature, hard=self.hard, noise=self.noise)

    def hard_sample(
        self,
        distribution: Distribution,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return hard samples of `x`; the code alone decides where training has no noise."""
        drawn = self.noise and not isinstance(distribution, Normal)
        return distribution.sample(parameters, temperature if drawn else 0.0, generator)
