"""Independent binary cells: piano rolls and frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from partimento.distributions.base import Distribution, masked, straight_through, uniform


class Bernoulli(Distribution):
    """Independent binary cells, such as an 88-key binary piano roll; parameters are logits.

    Args:
        shape: `(steps, pitches)`.
    """

    kind = "bernoulli"
    unit = "frame"
    dtype = torch.uint8

    def __init__(self, shape: Sequence[int | None]) -> None:
        self.shape = tuple(shape)

    def arguments(self) -> dict[str, Any]:
        return {"shape": list(self.shape)}

    @property
    def feature_shape(self) -> tuple[int | None, ...]:
        return self.shape

    def features(self, x: Tensor) -> Tensor:
        return x.to(torch.get_default_dtype())

    def log_prob(self, parameters: Tensor, x: Tensor, mask: Tensor | None = None) -> Tensor:
        target = x.to(parameters.dtype)
        cells = -F.binary_cross_entropy_with_logits(parameters, target, reduction="none")
        return masked(cells, mask)

    def entropy(self, parameters: Tensor) -> Tensor:
        # -p log p - (1 - p) log(1 - p) = softplus(t) - p t, the same for t and -t, and a sum of two
        # positive terms for the negative one.
        rarer = -parameters.abs()
        return F.softplus(rarer) - torch.sigmoid(rarer) * rarer

    def sample(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        if temperature == 0:
            return (parameters > 0).to(self.dtype)
        probability = torch.sigmoid(parameters / temperature)
        return (uniform(probability, generator) < probability).to(self.dtype)

    def relax(
        self,
        parameters: Tensor,
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
        *,
        hard: bool = False,
        noise: bool = True,
    ) -> Tensor:
        """Binary concrete samples (Maddison, Mnih & Teh 2017, appendix B).

        Hard, they are binary neurons with sigmoid-adjusted gradients, stochastic with noise and
        deterministic without it (Dong & Yang 2018, "Convolutional GANs with binary neurons").
        """
        if noise:
            parameters = parameters + torch.logit(uniform(parameters, generator))
        soft = torch.sigmoid(parameters / temperature)
        return straight_through((soft > 0.5).to(soft.dtype), soft) if hard else soft

    def from_features(self, features: Tensor) -> Tensor:
        return (features > 0.5).to(self.dtype)
